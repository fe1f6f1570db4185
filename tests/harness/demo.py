# SPDX-License-Identifier: BSD-2-Clause
"""The demonstration, `make run`: boots the ISO with a disk and checks what the guest read.

Exit status: 0 when hyp ended in order with reason 0 and every SHA-256 that the guest printed is
that of the image; 1 when not; 2 when it could not be started.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shlex
import subprocess
import sys

import qemu

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECTOR = 512
SCRATCH_BYTES = 16 << 20
DEFAULT_BYTES = 4 << 20
UUID = "70617261-7661-6e65-0000-000000000001"
TIME = "1704067200"  # of everything in the default image
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[^[]")
BEGUN = re.compile(r"(?:\x1b(?:\[[0-9;?]*)?)?$")


class Refused(Exception):
    """The demonstration cannot start; the message says why and what to do."""


def e2fs(program, *arguments, commands=""):
    """Runs a program of e2fsprogs, for which it is always the same moment."""
    done = subprocess.run([f"/usr/sbin/{program}", *arguments], input=commands, text=True, check=False,
                          capture_output=True, env=dict(os.environ, E2FSPROGS_FAKE_TIME=TIME))
    if done.returncode:
        raise Refused(f"{program} failed: {done.stderr.strip()}")


def default_image(folder):
    """An ext2 image of the project's documentation; the same files make the same image.

    debugfs copies them, because `mke2fs -d` would take over the times of change.
    """
    path = os.path.join(folder, "docs.img")
    if os.path.exists(path):
        os.unlink(path)
    e2fs("mke2fs", "-q", "-t", "ext2", "-U", UUID, "-L", "paravane",
         "-E", f"hash_seed={UUID},root_owner=0:0", path, f"{DEFAULT_BYTES >> 10}k")
    commands = []
    docs = os.path.join(TOP, "docs")
    for here, folders, files in os.walk(docs):
        folders[:] = sorted(f for f in folders if f != "__pycache__")
        inside = os.path.relpath(here, docs)
        commands += [f'mkdir "{os.path.join(inside, name)}"' for name in folders]
        for name in sorted(files):
            target = os.path.join(inside, name)
            commands += [f'write "{os.path.join(here, name)}" "{target}"',
                         f'sif "{target}" mode 0100644']
    e2fs("debugfs", "-w", "-f", "-", path, commands="\n".join(commands) + "\n")
    return path


def checked_image(path, persist):
    """The image that the user named, if QEMU can show it to the guest as it is."""
    if not os.path.exists(path):
        raise Refused(f"DISK={path}: no such file")
    if not os.path.isfile(path):
        raise Refused(f"DISK={path}: not a regular file")
    if not os.access(path, os.R_OK | (os.W_OK if persist else 0)):
        raise Refused(f"DISK={path}: may not be {'written' if persist else 'read'}")
    size = os.path.getsize(path)
    if size == 0 or size % SECTOR:
        raise Refused(f"DISK={path}: {size} bytes; a disk is a positive multiple of {SECTOR} bytes "
                      f"(truncate -s %{SECTOR} FILE rounds a copy up)")
    return os.path.abspath(path)


def scratch_image(folder):
    """A fresh zeroed disk, for the part of the demonstration that writes."""
    path = os.path.join(folder, "scratch.img")
    with open(path, "wb") as f:
        f.truncate(SCRATCH_BYTES)
    return path


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def gdb_socket(args):
    """Where gdb finds the machine: one for each configuration, as the disks are."""
    return os.path.join(args.build, "demo", "gdb.sock")


def machine(args, image, scratch, interactive):
    """The QEMU that runs the demonstration."""
    options = ["-smbios", f"type=11,value=paravane:{'' if interactive else 'poweroff=a'}"]
    if args.gdb:
        options += ["-S", "-gdb", "unix:" + gdb_socket(args).replace(",", ",,") + ",server=on,wait=off"]
    # Reading through the emulated disk takes about a second a MiB on a slow host: allow for five.
    limit = args.timeout or 120 + 5 * (os.path.getsize(image) >> 20)
    return qemu.Machine(args.build, os.path.join(args.build, "log", "demo.log"),
                        iso=os.path.join(args.build, "paravane.iso"), memory=args.memory,
                        drives=[qemu.drive(image, persist=args.persist),
                                qemu.drive(scratch, persist=args.persist, name="scratch")],
                        cpus=int(os.environ.get("SMP") or 1), timeout=limit, extra=options, echo=Screen().show,
                        firmware="uefi" if args.uefi else "bios")


class Screen:
    """Shows the console. GRUB moves the cursor, which is of no use in a file or a pipe."""

    def __init__(self):
        self.rest = ""  # an escape sequence that has begun: text comes in any pieces

    def show(self, text):
        if not sys.stdout.isatty():
            text = ESCAPES.sub("", self.rest + text)
            self.rest = BEGUN.search(text).group()
            text = text[:len(text) - len(self.rest)]
        sys.stdout.write(text)
        sys.stdout.flush()


def run_interactive(qm):
    """The user's terminal is the serial line; QEMU keeps the log.

    Ctrl-C is a key like any other there. QEMU's own keys begin with Ctrl-A: a way out, always.
    """
    at = qm.command.index("stdio,id=serial,signal=off")
    os.makedirs(os.path.dirname(qm.log), exist_ok=True)
    qm.command[at] += f",mux=on,logfile={qm.log.replace(',', ',,')}"
    print("to end it: quit at root's prompt; Ctrl-A X ends QEMU at once, Ctrl-C does not", flush=True)
    status = subprocess.run(qm.command, cwd=qm.build, check=False).returncode
    with open(qm.log, encoding="utf-8", errors="replace") as f:
        return qemu.Exit(status, False), f.read().replace("\r", "")


def run_batch(qm):
    with qm:
        end = qm.wait()
        if qm.errors:
            print(qm.errors.decode("utf-8", "replace").strip(), file=sys.stderr)
        return end, qm.text


def name_of(path):
    """A path as it is short to read: relative when it is below the working directory."""
    short = os.path.relpath(path)
    return path if short.startswith("..") else short


def judge(end, text, before, image, interactive, debugged):
    """Prints what was compared; returns the exit status."""
    if not text:
        print(f"QEMU did not start the machine ({end})")
        return 1
    if end.status == 0 and "QEMU: Terminated" in text[-40:]:
        print("\nQEMU was ended by Ctrl-A X; nothing was compared")
        return 1
    if end.status == 0 and debugged:
        print("\nthe machine ended without a status, as by gdb's kill; nothing was compared")
        return 1
    sums = re.findall(r"^.*SHA-256.*?\b([0-9a-f]{64})\b", text, re.M | re.I)
    print(f"\nsha256sum of {name_of(image)}: {before}")
    differ = [s for s in sums if s != before]
    print(f"printed by the guest: {len(sums)} sums, {len(sums) - len(differ)} equal")
    well = end.orderly and end.reason == 0
    if not well:
        print(f"the machine ended badly: {end}")
    if differ:
        print("the guest read something else than what is in the image")
    # At the prompt one may quit before all passes are done; a batch run has to do them all.
    enough = len(sums) >= 3 or interactive
    if not enough:
        print("three sums were expected")
    return 0 if well and enough and not differ else 1


def alone(folder):
    """Only one run may use the disks and the log of a configuration; the lock ends with us."""
    lock = open(os.path.join(folder, "lock"), "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(f"another run uses {name_of(folder)}; end it first") from None
    return lock


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="build/CONF")
    parser.add_argument("--disk", help="image to read instead of the default one")
    parser.add_argument("--persist", action="store_true", help="let the guest write to it")
    parser.add_argument("--memory", type=int, default=256, help="MiB")
    parser.add_argument("--timeout", type=float, help="seconds, when not on a terminal")
    parser.add_argument("--uefi", action="store_true", help="boot by UEFI instead of BIOS")
    parser.add_argument("--gdb", action="store_true", help="stop at the start, wait for gdb")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    folder = os.path.join(args.build, "demo")
    os.makedirs(folder, exist_ok=True)
    try:
        image = checked_image(args.disk, args.persist) if args.disk else None
        lock = alone(folder)
        image = image or default_image(folder)
    except Refused as why:
        print(f"make run: {why}", file=sys.stderr)
        return 2
    with lock:
        return run(args, image, scratch_image(folder))


def run(args, image, scratch):
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    before = sha256(image)
    qm = machine(args, image, scratch, interactive)
    if args.gdb:
        print(shlex.join(qm.command))
        commands = os.path.join(os.path.dirname(os.path.abspath(__file__)), "gdb", "paravane.py")
        line = ["gdb", os.path.join(name_of(args.build), "hyp.elf"), "-x", name_of(commands),
                "-ex", f"target remote {name_of(gdb_socket(args))}"]
        print(f"stopped before its first instruction; in another terminal:\n  {shlex.join(line)}\n"
              "then for example: hbreak hyp_main, continue, pv domains; help pv lists the commands")
        qm.timeout = 24 * 3600
    print(f"disk: {name_of(image)}, {os.path.getsize(image)} bytes"
          f"{', opened for writing' if args.persist else ''}", flush=True)
    end, text = run_interactive(qm) if interactive else run_batch(qm)
    status = judge(end, text, before, image, interactive, args.gdb)
    if args.persist:
        changed = sha256(image) != before
        print(f"PERSIST: {name_of(image)} {'was changed' if changed else 'is as it was'}; "
              f"the scratch disk is in {name_of(scratch)}")
    return status


def end_with(program):
    """Ctrl-C ends a run that is not on a terminal: no place for a traceback."""
    try:
        sys.exit(program())
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    end_with(main)
