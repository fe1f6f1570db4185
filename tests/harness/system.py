# SPDX-License-Identifier: BSD-2-Clause
"""What a system test gets: `def test_something(system):` with the title as its docstring.

    def test_prompt_lists_domains(system):
        "root's prompt lists the domains"
        with system.boot_iso(talk=True, timeout=40) as machine:
            machine.expect(r"^root> ")
            machine.send("list\n")
            machine.expect(r"^1 +guest-a")
            machine.send("quit\n")
            end = machine.wait()
        system.check(end.orderly and end.reason == 0, f"a clean end, not: {end}")

Put `test_something.needs = "debug"` behind a function that makes sense in a debug build only.
"""

import hashlib
import os
import random
import shutil
import subprocess

import qemu


class Failure(Exception):
    """The system did what it must not do."""


class Skip(Exception):
    """The test cannot say anything here; the reason is documented."""


class System:
    """The helper of one system test; owns its machines and its scratch folder."""

    def __init__(self, name, build, log, debug, top):
        self.name = name
        self.build = os.path.abspath(build)
        self.debug = debug
        self.top = top
        self.checked = 0
        self.log = log
        self.machines = []
        self.scratch = os.path.join(self.build, "scratch", name)
        shutil.rmtree(self.scratch, ignore_errors=True)
        os.makedirs(self.scratch)

    def check(self, condition, message):
        """Fails the test with message unless condition holds."""
        self.checked += 1
        if not condition:
            raise Failure(message)

    def skip(self, reason):
        raise Skip(reason)

    def path(self, name):
        """A path in this test's own scratch folder."""
        return os.path.join(self.scratch, name)

    def write(self, name, data):
        """Writes a file (str or bytes) into the scratch folder and returns its path."""
        with open(self.path(name), "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
        return self.path(name)

    def random_image(self, size, seed=1, name="disk.img"):
        """A file of size pseudo-random bytes, the same ones each time."""
        return self.write(name, random.Random(seed).randbytes(size))

    @staticmethod
    def sha256(path):
        with open(path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()

    drive = staticmethod(qemu.drive)

    def _machine(self, **options):
        number = len(self.machines)
        log = self.log if not number else f"{self.log[:-4]}.{number}.log"
        # Counted instructions run on one processor: with several they do so in long turns.
        smp = 1 if options.get("icount") else int(os.environ.get("SMP") or 1)
        options.setdefault("cpus", smp)
        options["timeout"] = options.get("timeout", 20.0) * qemu.PATIENCE
        machine = qemu.Machine(self.build, log, **options)
        self.machines.append(machine)
        return machine

    def boot(self, *modules, append="", **options):
        """A machine for the fast path. Each module is "file arguments"; files lie in the build
        folder, or anywhere by an absolute path; QEMU cuts the name at the first blank, so the
        build folder is taken off, from where it runs. Options: see qemu.Machine."""
        here = self.build + os.sep
        modules = [m.removeprefix(here) for m in modules]
        return self._machine(initrd=qemu.modules(*modules) if modules else None, append=append,
                             **options)

    def boot_native(self, command_line, kind="pc", **options):
        """The kernel on the bare machine, without a hypervisor; kind "pc" has an IDE controller."""
        return self._machine(kernel="native.elf", append=command_line, kind=kind, **options)

    def boot_iso(self, iso="paravane.iso", **options):
        """A machine that boots the GRUB image."""
        return self._machine(iso=os.path.join(self.build, iso), **options)

    def boot_demo(self, configuration=None, append="", root="", ramdisk=None, **options):
        """The demonstration's modules by the fast path, with another configuration if given. A file
        ramdisk becomes root's disk rd0: no thread of the host has a part in its requests, so that
        with icount a run is the same each time."""
        conf = self.write("paravane.conf", configuration) if configuration is not None \
            else os.path.join(self.build, "iso/boot/paravane.conf")
        return self.boot(f"root.elf {root}".strip(), "pvguest.elf pvguest.elf",
                         f"{conf} paravane.conf", *([f"{ramdisk} ramdisk"] if ramdisk else []),
                         append=append, **options)

    def run(self, *command, **options):
        """Runs a host command in the source tree; returns the CompletedProcess, text captured."""
        options["timeout"] = options.get("timeout", 120) * qemu.PATIENCE
        return subprocess.run(command, cwd=self.top, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              **options)

    def close(self):
        for machine in self.machines:
            machine.end()
        shutil.rmtree(self.scratch, ignore_errors=True)
