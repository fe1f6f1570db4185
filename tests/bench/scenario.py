# SPDX-License-Identifier: BSD-2-Clause
"""What is booted to measure which rows.

A scenario without counter is timed in wall clock against QEMU's own disk; with it, QEMU runs under
-icount with the counting plugin, which is told where each image lies.
"""

import fnmatch
import os
import struct
import subprocess
from dataclasses import dataclass, field
from typing import Callable, Optional

import qemu

HERE = os.path.dirname(os.path.abspath(__file__))
DISK_BYTES = 8 << 20
USER = "user=0-0x800000000000"


@dataclass
class Scenario:
    """One boot and what comes of it."""
    name: str
    families: tuple           # first part of the names of its rows
    boot: Callable            # (scenario, build, log, extra) -> qemu.Machine
    layers: Optional[dict]    # layer: its image, for the plugin; None: without
    repeatable: bool = True
    waits: bool = False       # for a device outside the count, or another processor: that is not counted
    medium: Optional[str] = None
    options: dict = field(default_factory=dict)

    def wanted(self, patterns):
        """Can one of its rows match? A name begins with its family and a dot, so no plain word does."""
        return any(fnmatch.fnmatch(f, p.split(".")[0]) if "." in p else set(p) & set("*?[")
                   for f in self.families for p in patterns)

    def machine(self, build, out, *more):
        """The machine to start; `more` goes to the plugin."""
        counter = plugin(build, self.counts(out), self.layers, more) if self.layers else []
        return self.boot(self, build, os.path.join(out, self.name + ".log"), counter)

    def counts(self, out):
        """Where the plugin writes its lines."""
        return os.path.join(os.path.abspath(out), self.name + ".counts")


# --- the plugin ---------------------------------------------------------------------------------

def span(path):
    """Lowest and highest address of an ELF image's upper half."""
    with open(path, "rb") as f:
        head = f.read(64)
        offset, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
        f.seek(offset)
        table = f.read(size * count)
    loads = []
    for at in range(0, size * count, size):
        kind, _, _, address, _, _, bytes_, _ = struct.unpack_from("<IIQQQQQQ", table, at)
        if kind == 1 and address >> 63:
            loads.append((address, address + bytes_))
    return min(low for low, _ in loads), max(high for _, high in loads)


def symbol(path, name):
    """Address and size of a function."""
    table = subprocess.run(["nm", "-S", path], capture_output=True, text=True, check=True).stdout
    found = next(line.split() for line in table.splitlines() if line.split()[-1] == name)
    return int(found[0], 16), int(found[1], 16)


def plugin(build, out, layers, more):
    """QEMU's options for it."""
    arguments = [os.path.join(os.path.abspath(build), "bench", "count.so").replace(",", ",,"),
                 "out=" + out.replace(",", ",,")]
    for layer, image in layers.items():
        low, high = span(os.path.join(build, image))
        arguments.append(f"{layer}={low:#x}-{high:#x}")
    if "hyp" in layers:
        image = os.path.join(build, layers["hyp"])
        low, size = symbol(image, "memcpy")
        arguments += [f"stubs={symbol(image, 'trap_stubs')[0]:#x}", f"copier={low:#x}-{low + size:#x}"]
    return ["-plugin", ",".join([*arguments, USER, *more])]


# --- boots --------------------------------------------------------------------------------------

def micro(s, build, log, extra):
    """The hypervisor's own operations: a guest that is root itself, and measures what can be with so many
    processors."""
    image = "tests/bench/micro.elf"
    return qemu.Machine(build, log, initrd=qemu.modules(f"{image} root", f"{image} second"),
                        cpus=s.options.get("cpus", 1), icount=True, timeout=120 * qemu.PATIENCE, extra=extra)


def bounds(_, build, log, extra):
    """Each hypercall at its bound: the guest test of that name, which also asserts the ceilings."""
    image = "tests/guest/bounds.elf"
    return qemu.Machine(build, log, initrd=qemu.modules(f"{image} root", f"{image} second"),
                        icount=True, memory=512, timeout=120 * qemu.PATIENCE, extra=extra)


def configuration(build, name, cmdline, *more):
    """Writes the configuration of one domain; returns the module that it is."""
    lines = ["[domain bench]", "image = pvguest.elf", "memory = 32M", "cmdline = " + cmdline, *more]
    os.makedirs(os.path.join(build, "bench"), exist_ok=True)
    with open(os.path.join(build, "bench", name + ".conf"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return f"bench/{name}.conf paravane.conf"


def disk_image(build, name):
    folder = os.path.join(os.path.abspath(build), "bench")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name + ".img")
    with open(path, "wb") as disk:
        disk.truncate(DISK_BYTES)
    return path


def block(s, build, log, extra):
    """By one way: against a RAM disk in root, or QEMU's virtio disk."""
    path = disk_image(build, s.name)
    real = s.medium == "disk"
    conf = configuration(build, s.name,
                         f"role=blockbench {s.options['cmdline']}{' medium=disk' if real else ''}",
                         f"disk = {'vda' if real else 'rd0'} {s.options['way']} rw")
    modules = ["root.elf poweroff", "pvguest.elf", conf]
    if real:
        return qemu.Machine(build, log, initrd=qemu.modules(*modules), timeout=240 * qemu.PATIENCE,
                            drives=[qemu.drive(path)])
    return qemu.Machine(build, log, initrd=qemu.modules(*modules, f"bench/{s.name}.img ramdisk"),
                        icount=True, timeout=240 * qemu.PATIENCE, extra=extra)


def native(s, build, log, extra):
    """The same kernel on the bare machine, with QEMU's IDE disk."""
    path = disk_image(build, s.name)
    if s.layers:
        # With sleep=off a wait for the disk would run the clock ahead to the driver's timeout.
        extra = [*extra, "-icount", "shift=0"]
    append = "role=blockbench " + s.options["cmdline"] + ("" if s.layers else " medium=disk")
    return qemu.Machine(build, log, kernel="native.elf", append=append, kind="pc", timeout=240 * qemu.PATIENCE,
                        drives=[qemu.ide_drive(path)], extra=extra)


def console(s, build, log, extra):
    conf = configuration(build, s.name, "role=consolebench " + s.options["cmdline"], *s.options["conf"])
    modules = ["root.elf poweroff", "pvguest.elf", conf]
    return qemu.Machine(build, log, initrd=qemu.modules(*modules), icount=True, timeout=120 * qemu.PATIENCE,
                        extra=extra)


def native_console(s, build, log, extra):
    return qemu.Machine(build, log, kernel="native.elf", append="role=consolebench " + s.options["cmdline"],
                        kind="pc", timeout=120 * qemu.PATIENCE, icount=True, extra=extra)


# --- the list -----------------------------------------------------------------------------------

PV = {"guest": "pvguest.elf", "hyp": "hyp.elf", "root": "root.elf"}
# mode: how its scenario is made
WAYS = {
    "pv": (block, {"way": "split", "cmdline": "vda=pv"}),
    "emulated_dma": (block, {"way": "ide", "cmdline": "hda=emulated_dma"}),
    "emulated_pio": (block, {"way": "ide", "cmdline": "hda=emulated_pio ide=pio"}),
    "native": (native, {"cmdline": "hda=native"}),
    "native_pio": (native, {"cmdline": "hda=native_pio ide=pio"}),
}


def block_scenarios():
    for mode, (boot, options) in WAYS.items():
        bare = boot is native
        yield Scenario(f"block_{mode}", ("block",), boot, {"guest": "native.elf"} if bare else PV,
                       repeatable=not bare, waits=bare, medium="disk" if bare else "memory",
                       options=options)
        yield Scenario(f"block_{mode}_disk", ("block",), boot, None, repeatable=False, medium="disk",
                       options=options)


def queue_scenarios():
    """The reads with many under way, over several queues of the split driver."""
    for queues in (2, 4):
        yield Scenario(f"block_pv_queues{queues}", ("block",), block, PV, medium="memory",
                       options={"way": "split", "cmdline": f"vda=pv queues={queues}"})


def console_scenarios():
    yield Scenario("console_pv", ("console",), console, PV, waits=True,
                   options={"cmdline": "mode=pv", "conf": []})
    yield Scenario("console_emulated_pio", ("console",), console, PV, waits=True,
                   options={"cmdline": "mode=emulated_pio console=uart", "conf": ["emulate = uart"]})
    yield Scenario("console_native", ("console",), native_console, {"guest": "native.elf"}, waits=True,
                   options={"cmdline": "mode=native console=uart"})


def none(patterns):
    """What to say when no row matches."""
    return f"no row matches {' '.join(patterns)}; names look like trap.syscall, block.read_4k*"


MICRO = tuple("hypercall event trap memory grant time sched boot".split())
MICRO_LAYERS = {"guest": "tests/bench/micro.elf", "hyp": "hyp.elf"}
SCENARIOS = [Scenario("micro", MICRO, micro, MICRO_LAYERS),
             Scenario("cross_2", ("event",), micro, MICRO_LAYERS, waits=True, options={"cpus": 2}),
             Scenario("cross_4", ("memory",), micro, MICRO_LAYERS, waits=True, options={"cpus": 4}),
             Scenario("bounds", ("bound",), bounds, {"guest": "tests/guest/bounds.elf", "hyp": "hyp.elf"}),
             *block_scenarios(), *queue_scenarios(), *console_scenarios()]
