# SPDX-License-Identifier: BSD-2-Clause
"""One disk read, function by function: `tour.py --build build/gcc-release` writes docs/tour/*.trace.

QEMU is told to say each time the processor arrives at the first instruction of one of the functions
below, in whatever ring, and what is in the registers then. The images are linked to addresses of their
own, so the address tells whose function it was. From 60 reads of 4 KiB
the sequence that came most often is taken. The disk is one that takes some milliseconds, so that
everybody has gone to sleep when it answers. A system test
runs the same again and looks whether the sequences in docs/tour/ still come.

A line of a trace: who, ring, CR3, function, arguments, blanks between.
"""

import argparse
import collections
import os
import re
import subprocess
import sys

import qemu

IMAGES = {"hyp": "hyp.elf", "guest": "pvguest.elf", "root": "root.elf"}
# Who runs what, with the registers that are worth being shown. Only functions that are called from
# another file or by a pointer: no compiler melts them into their callers.
FUNCTIONS = {
    "hyp": {"hc_event_send": "port=rdi", "hc_block": "", "sched_wake": "",
            "sched_pick": "", "irq_dispatch": "vector=rdi", "msi_handler": "", "io_trap": "",
            "port_decode": "", "event_send": "", "event_raise": "", "hc_io_complete": "domain=rdi", "hc_domain_copy": "",
            "io_complete": ""},
    "guest": {"block_read": "sector=rsi count=rdx", "block_submit": "", "hv_ring_put": "",
              "hv_ring_push": "", "hv_ring_get": "", "arch_idle": "", "hv_entry_kernel": "",
              "front_block_collect": "", "block_finish": "", "ide_read": "sector=rdx count=rcx",
              "bus_in8": "port=rsi", "bus_out8": "port=rsi value=rdx", "bus_ins16": "port=rsi words=rcx",
              "ide_interrupt": "", "thread_sleep_ns": ""},
    "root": {"hv_entry_kernel": "", "hv_ring_put": "", "hv_ring_push": "", "hv_ring_get": "",
             "block_submit": "", "virtio_queue_add": "", "virtio_queue_kick": "",
             "virtio_queue_next": "", "io_done": "", "arch_idle": "", "request_event": "",
             "ide_model_out": "register=rsi value=rcx", "ide_model_in": "register=rsi",
             "ide_model_ins_window": "elements=rcx", "disk_done": "", "ide_model_complete": ""},
}
# A read begins with the first of these and is over when the guest sleeps again.
FIRST, LAST = ("guest", "block_read"), ("guest", "thread_sleep_ns")
READS = 60
SCENARIOS = {"split": "vda", "ide": "hda ide=pio", "dma": "hda"}
CONFIGURATION = """[domain bench]
image   = pvguest.elf
memory  = 32M
cmdline = role=paced reads={} ms=5 disk={}
disk    = vda split
disk    = vdb ide
"""
DISK_BYTES, DISK_NS = 8 << 20, 3000000
# "Trace 0: 0x7f.. [cs_base/pc/flags/cflags]", then the registers.
ENTRY = re.compile(r"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/.*?$(.*?)(?=^Trace |\Z)", re.M | re.S)
REGISTER = re.compile(r"\b(R[A-Z0-9]{1,2} ?|CPL|CR3)=([0-9a-f]+)")

Line = collections.namedtuple("Line", "who ring cr3 function words")


def symbols(path):
    """Addresses of the functions of an image."""
    out = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    found = [line.split() for line in out.splitlines()]
    return {f[2]: int(f[0], 16) for f in found if len(f) == 3 and f[1] in "tTW"}


def places(build):
    """{who: {address: function}}; a function that is not there is an error."""
    found = {}
    for who, image in IMAGES.items():
        known = symbols(os.path.join(build, image))
        missing = [f for f in FUNCTIONS[who] if f not in known]
        if missing:
            raise SystemExit(f"tour: {image} has no {', '.join(missing)}")
        found[who] = {known[f]: f for f in FUNCTIONS[who]}
    return found


def slow_disk(name):
    """A virtio disk of zeros that takes its time."""
    return ["-blockdev", f"null-co,node-name={name},size={DISK_BYTES},read-zeroes=on,latency-ns={DISK_NS}",
            "-device", f"virtio-blk-pci,drive={name},disable-legacy=on,serial={name}"]


def machine(build, log, folder, scenario):
    """A machine with two disks whose guest reads one of them, traced to folder/trace."""
    folder = os.path.abspath(folder)
    os.makedirs(folder, exist_ok=True)
    conf = os.path.join(folder, "paravane.conf")
    with open(conf, "w", encoding="ascii") as f:
        f.write(CONFIGURATION.format(READS, SCENARIOS[scenario]))
    addresses = sorted({a for of in places(build).values() for a in of})
    here = os.path.abspath(build) + os.sep
    modules = qemu.modules("root.elf poweroff", "pvguest.elf",
                           f"{conf.removeprefix(here)} paravane.conf")
    return qemu.Machine(
        build, log, initrd=modules, timeout=120 * qemu.PATIENCE, drives=[slow_disk("disk0"), slow_disk("disk1")],
        extra=["-d", "exec,cpu,nochain", "-D", os.path.join(folder, "trace"),
               "-dfilter", ",".join(f"{a:#x}+1" for a in addresses)])


def words_of(spec, registers):
    """"port=rdi" with the register's value in place of its name."""
    pairs = [w.split("=") for w in spec.split()]
    return " ".join(f"{name}={registers[reg]:#x}" for name, reg in pairs if reg in registers)


def decode(text, build):
    """The lines of a run."""
    of, lines = places(build), []
    for entry in ENTRY.finditer(text):
        registers = {name.strip().lower(): int(value, 16) for name, value in
                     REGISTER.findall(entry.group(2))}
        ring, cr3, pc = registers.get("cpl"), registers.get("cr3"), int(entry.group(1), 16)
        if ring is None or cr3 is None:
            continue  # the last one, cut off
        who = next((w for w in of if pc in of[w]), None)
        if who:
            function = of[who][pc]
            lines.append(Line(who, ring, cr3, function, words_of(FUNCTIONS[who][function], registers)))
    return lines


def names(lines):
    return tuple((line.who, line.function) for line in lines)


def reads(lines):
    """Each read of a run."""
    found, marks = [], names(lines)
    while FIRST in marks and LAST in marks[marks.index(FIRST):]:
        lines = lines[marks.index(FIRST):]
        marks = names(lines)
        end = marks.index(LAST)
        found.append(lines[:end])
        lines, marks = lines[end:], marks[end:]
    return found


def record(build, log, folder, scenario):
    """All reads of a run."""
    with machine(build, log, folder, scenario) as m:
        m.expect(r"^\[bench\] paced: \d+ reads of ")
        m.wait()
    with open(os.path.join(folder, "trace"), encoding="ascii") as f:
        return reads(decode(f.read(), build))


def read_trace(path):
    """What write_trace wrote, without the comment."""
    with open(path, encoding="ascii") as f:
        rows = [line.split(maxsplit=4) for line in f if not line.startswith("#")]
    return [Line(r[0], int(r[1]), int(r[2], 16), r[3], r[4].strip() if len(r) > 4 else "") for r in rows]


def write_trace(path, found, scenario):
    """The most frequent sequence of a run, as the last read had it."""
    if not found:
        raise SystemExit(f"tour: no read in the trace of {scenario}")
    most, times = collections.Counter(map(names, found)).most_common(1)[0]
    last = [lines for lines in found if names(lines) == most][-1]
    with open(path, "w", encoding="ascii") as f:
        f.write(f"# SPDX-License-Identifier: BSD-2-Clause\n# Made by `make tour`: {scenario}, one read of 4 KiB; "
                f"{times} of {len(found)} reads went this way.\n# who ring CR3 function arguments\n")
        for line in last:
            f.write(f"{line.who} {line.ring} {line.cr3:#x} {line.function} {line.words}".rstrip() + "\n")
    print(f"tour: {path}: {len(last)} steps, {times} of {len(found)} reads")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    build = parser.parse_args().build
    for scenario in SCENARIOS:
        folder = os.path.join(build, "tour", scenario)
        write_trace(f"docs/tour/{scenario}.trace", record(build, f"{folder}/console.log", folder, scenario),
                    scenario)


if __name__ == "__main__":
    sys.exit(main())
