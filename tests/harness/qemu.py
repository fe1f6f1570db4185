# SPDX-License-Identifier: BSD-2-Clause
"""One QEMU: starts it, copies its console to a log, talks to it, ends it.

A Machine owns its process: it is ended through the process object, never by name, at the latest
when its time is up. The console log is complete once wait() has returned.
"""

import contextlib
import fcntl
import os
import re
import subprocess
import threading
import time

QEMU = "qemu-system-x86_64"
# The limits that tests state are for the machine where they were written. A limit is there to end what
# hangs: on a slower or busier machine each of them is as many times as long.
PATIENCE = float(os.environ.get("PATIENCE", 10))
CPU = "max,family=25,model=1"

# hyp writes 0x10 + reason to the exit device when root shuts down, 0x3f when it panics; QEMU turns
# a value into the exit status (value << 1) | 1.
SHUTDOWN, PANIC = 0x10, 0x3F


class Timeout(Exception):
    """The machine did not say or do in time what was waited for."""


class Exit:
    """How a machine ended."""

    def __init__(self, status, timed_out):
        self.status = status
        self.timed_out = timed_out
        odd = not timed_out and status > 0 and status & 1
        self.value = status >> 1 if odd else None
        self.panic = self.value == PANIC
        self.orderly = self.value is not None and self.value & ~0xF == SHUTDOWN
        self.reason = self.value & 0xF if self.orderly else None

    def __str__(self):
        if self.timed_out:
            return "the time was up"
        if self.panic:
            return "panic"
        if self.orderly:
            return f"shutdown with reason {self.reason}"
        if self.status == 0:
            return "reset or powered off without a status (triple fault?)"
        if self.status < 0:
            return f"qemu was ended by signal {-self.status}"
        return f"qemu exit status {self.status}"


def modules(*entries):
    """The -initrd argument for a list of "file arguments" strings; a comma inside is doubled."""
    return ",".join(e.replace(",", ",,") for e in entries)


def drive(path, *, persist=False, name="disk0", fmt="raw"):
    """A modern virtio disk; the image is not written unless persist is said."""
    # Commas in a path have to be doubled for QEMU's option parser.
    path = str(path).replace(",", ",,")
    return ["-drive", f"if=none,id={name},format={fmt},file={path},snapshot={'off' if persist else 'on'}",
            "-device", f"virtio-blk-pci,drive={name},disable-legacy=on,serial={name}"]


def uefi(iso):
    """UEFI firmware and a CD that it boots: OVMF's code read-only, its variables thrown away."""
    folder = "/usr/share/OVMF"
    return ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={folder}/OVMF_CODE_4M.fd",
            "-drive", f"if=pflash,format=raw,unit=1,snapshot=on,file={folder}/OVMF_VARS_4M.fd",
            "-drive", f"if=none,id=cd,media=cdrom,readonly=on,file={os.path.abspath(iso)}",
            "-device", "ide-cd,drive=cd,bootindex=0"]


def ide_drive(path, *, persist=False, unit=0):
    """An IDE disk of the machine kind "pc", whose controller lies at the old ports."""
    path = str(path).replace(",", ",,")
    return ["-drive", f"if=ide,index={unit},format=raw,file={path},"
                      f"snapshot={'off' if persist else 'on'}"]


class Machine:
    """A QEMU with its serial line. Use as a context manager, or start() ... wait()."""

    def __init__(self, build, log, *, kernel="hyp.elf", initrd=None, append="", iso=None,
                 drives=(), memory=256, cpus=1, icount=False, timeout=20.0, talk=False, extra=(),
                 kind="q35",
                 echo=None, firmware="bios"):
        self.build = os.path.abspath(build)
        self.log = os.path.abspath(log)
        self.timeout = timeout
        self.talk = talk
        self.echo = echo
        self.process = None
        self.text = ""
        self.seen = 0
        self.changed = threading.Condition()
        self.command = [QEMU, "-machine", kind, "-cpu", CPU, "-m", str(memory), "-smp", str(cpus),
                        "-display", "none", "-no-reboot", "-nodefaults", "-net", "none",
                        "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                        "-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial"]
        if icount:
            self.command += ["-icount", "shift=0,sleep=off",
                             "-rtc", "base=2024-01-01T00:00:00,clock=vm"]
        if iso and firmware == "uefi":
            self.command += uefi(iso)
        elif iso:
            self.command += ["-cdrom", os.path.abspath(iso)]
        else:
            self.command += ["-kernel", kernel, "-append", append]
            if initrd:
                self.command += ["-initrd", initrd]
        for d in drives:
            self.command += d
        self.command += list(extra)

    def start(self):
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command, cwd=self.build, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=subprocess.PIPE if self.talk else subprocess.DEVNULL)
        # hyp gives a serial line up that takes nothing for long, as when we are slow to read.
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)
        self.errors = b""
        self.threads = [threading.Thread(target=self._console, daemon=True),
                        threading.Thread(target=self._complaints, daemon=True)]
        for t in self.threads:
            t.start()
        return self

    def _console(self):
        with open(self.log, "wb") as log:
            while True:
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    break
                log.write(data)
                log.flush()
                text = data.decode("utf-8", "replace").replace("\r", "")
                if self.echo:
                    self.echo(text)
                with self.changed:
                    self.text += text
                    self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def _complaints(self):
        self.errors = self.process.stderr.read()

    def remaining(self):
        return self.timeout - (time.monotonic() - self.started)

    def send(self, text):
        """Types text on the serial line."""
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Timeout(f"the machine had ended before {text!r} could be typed") from None

    def expect(self, pattern, timeout=None):
        """Waits for a match of pattern in the console text not yet matched; returns the match."""
        end = time.monotonic() + min(self.remaining(), timeout or self.timeout)
        regex = re.compile(pattern, re.M)
        with self.changed:
            while True:
                found = regex.search(self.text, self.seen)
                if found:
                    self.seen = found.end()
                    return found
                left = end - time.monotonic()
                # poll() first, then the text once more: it may have ended after saying it.
                if left <= 0 or (self.process.poll() is not None and
                                 not self.threads[0].is_alive()):
                    raise Timeout(f"no {pattern!r} on the console; last line: {self.last_line()!r}")
                self.changed.wait(min(left, 0.2))

    def last_line(self):
        lines = [line for line in self.text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def wait(self):
        """Waits for the end, or ends the machine when its time is up. Returns an Exit."""
        timed_out = False
        try:
            self.process.wait(max(0.0, self.remaining()))
        except subprocess.TimeoutExpired:
            timed_out = True
            self.end()
        self._finish()
        return Exit(self.process.returncode, timed_out)

    def end(self):
        """Ends the machine now, whatever it is doing."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _finish(self):
        for t in self.threads:
            t.join(5)
        for f in (self.process.stdout, self.process.stderr, self.process.stdin):
            if f:
                f.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.end()
        if not self.process.stdout.closed:
            self._finish()
