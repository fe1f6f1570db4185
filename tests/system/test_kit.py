# SPDX-License-Identifier: BSD-2-Clause
"""The kit: guests built and booted from an installed prefix alone, far from the tree."""

import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import termios
import time
import zlib

import qemu

COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang", "clang++")}
# Writes a pattern into sector 1 and reads it back.
WRITER = r"""
#include <hvlib/block.h>
#include <hvlib/start.h>

static struct hv_block disk;
static HV_ALIGNED(4096) char data[4096];

uint32_t guest_main(void)
{
    if (hv_block_open(&disk, 0, data, 1) < 0)
        return 1;
    for (int i = 0; i < 512; i++)
        data[i] = (char)(i * 3);
    int64_t status = hv_block_write(&disk, 1, data, 1);
    if (status == HV_BLOCK_EROFS)
        return 3;
    data[0] = 77;
    return status || hv_block_flush(&disk) || hv_block_read(&disk, 1, data, 1) || data[0] != 0;
}
"""
BOXES = r"(boxes: \w+: reason 0, 32 served, \d refused, \d broken\n){4}boxes: all front ends served, none believed\n"
# Of a boot, shorter than that of Kit.run.
LIMIT = ("--timeout", str(40 * qemu.PATIENCE))
PATTERN = bytes(i * 3 & 255 for i in range(512))


def note_of(image):
    """Where the descriptor of the ABI note is in an image."""
    return image.index(b"\x09\0\0\0\x04\0\0\0\x01\0\0\0Paravane\0") + 24


class Kit:
    """A prefix that the tree's build was installed into, and a folder to work in; both outside the
    tree."""

    def __init__(self, system):
        self.system = system
        self.folder = tempfile.mkdtemp(prefix="paravane-kit-")
        self.prefix = os.path.join(self.folder, "prefix")
        self.work = os.path.join(self.folder, "work")
        self.env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        # The build that is tested is the one that gets installed.
        compiler, kind = os.path.basename(system.build).split("-")
        self.build = {"CC": compiler, "DEBUG": "1" if kind == "debug" else "0"}
        os.makedirs(os.path.dirname(system.log), exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def install(self):
        """Installs by DESTDIR, then moves the prefix: nothing may point to where it was."""
        staged = os.path.join(self.folder, "staged")
        done = self.system.run("make", "install", f"DESTDIR={staged}", "PREFIX=/opt/kit",
                               env=dict(self.env, **self.build), timeout=600)
        if done.returncode:
            shutil.rmtree(self.folder)
        self.system.check(done.returncode == 0, f"make install: {done.stdout[-500:]}")
        shutil.move(os.path.join(staged, "opt/kit"), self.prefix)
        shutil.copytree(os.path.join(self.prefix, "share/paravane/examples"), self.work)
        self.env["PATH"] = f"{self.prefix}/bin:{self.env['PATH']}"
        self.env["PKG_CONFIG_PATH"] = f"{self.prefix}/lib/pkgconfig"
        return self

    def run(self, *command, where=None, text=None, timeout=60):
        done = subprocess.run(command, cwd=where or self.work, env=self.env, input=text or "", text=True,
                              capture_output=True, timeout=timeout * qemu.PATIENCE, check=False)
        with open(self.system.log, "a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}-> {done.returncode}\n")
        return done

    def make(self, example, compiler="gcc", *more):
        cc, cxx = COMPILERS[compiler]
        done = self.run("make", "-B", f"CC={cc}", f"CXX={cxx}", *more,
                        where=os.path.join(self.work, example))
        self.system.check(done.returncode == 0 and not done.stderr,
                          f"{example} by {compiler}, without a warning: {done.stderr}")

    def write(self, name, data):
        path = os.path.join(self.work, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
        return path

    def boot(self, *words, text=None, status=0, said="", error=""):
        """paravane-run; `said` is a pattern of all that it prints, `error` of the line of an error."""
        done = self.run("paravane-run", *words, *LIMIT, text=text)
        check = self.system.check
        check(done.returncode == status, f"{words}: status {status}, not {done.returncode}: {done.stderr}")
        check(re.fullmatch(said, done.stdout) if said is not None else True,
              f"{words}: {said!r}, not {done.stdout!r}")
        check(re.fullmatch(f"paravane-run: {error}\n" if error else "", done.stderr),
              f"{words}: one line {error!r}, not {done.stderr!r}")

    def guest(self, name, source):
        """A guest of one file, with hello's Makefile."""
        shutil.copytree(os.path.join(self.work, "hello"), os.path.join(self.work, name))
        self.write(f"{name}/main.c", source)
        self.make(name)
        return f"{name}/hello.elf"


def every_example(system, compiler):
    image = os.urandom(512 * 1031)
    with Kit(system).install() as kit:
        disk = kit.write("disk.img", image)
        examples = sorted(e for e in os.listdir(kit.work) if os.path.isdir(os.path.join(kit.work, e)))
        for example in examples:
            kit.make(example, compiler)
        kit.boot("hello/hello.elf", said=r"hello from domain 1, ABI version \d+\.\d+, at TSC \d+\n")
        kit.boot("timer/timer.elf", "--", "ticks=3",
                 said=r"(timer: tick \d after \d+ ms\n){3}timer: 3 ticks, none more than \d+ us late\n")
        kit.boot("echo/echo.elf", text="one\ntwo", said=r"echo: [^\n]*\none\n1: one\ntwo\necho: 1 lines\n")
        kit.boot("blockread/blockread.elf", "--disk", disk,
                 said=rf"blockread: 1031 sectors, read-only, CRC-32 {zlib.crc32(image):08x}\n")
        kit.boot("parallel/parallel.elf", said=r"parallel: [^\n]* = 500000500000, by \d vCPUs\n")
        kit.boot("cxx/cxx.elf", said=r"(cxx: a \w+ of \d+\n){2}cxx: 64 in all, from C\+\+17\n")
        kit.boot("pingpong/pingpong.elf", "--as-root", "--module", "pingpong/pingpong.elf",
                 said=r"pingpong: 1000 round trips, \d+ ns each\n")
        kit.boot("boxes/boxes.elf", "--as-root", "--module", "boxes/boxes.elf", said=BOXES)
        known = {"hello", "timer", "echo", "blockread", "cxx", "parallel", "pingpong", "boxes"}
        for example in set(examples) - known:
            kit.boot(f"{example}/{example}.elf", said=None)
        done = kit.run("make", "run", where=os.path.join(kit.work, "hello"))
        system.check("hello from domain 1" in done.stdout, f"make run: {done.stdout} {done.stderr}")


def test_examples_by_gcc(system):
    "every example is built by gcc with the kit alone, and runs"
    every_example(system, "gcc")


def test_examples_by_clang(system):
    "every example is built by clang with the kit alone, and runs"
    every_example(system, "clang")


def test_driver_pair(system):
    "the tutorial's driver pair prints what the page says, and fails when its check is taken out"
    with open(os.path.join(system.top, "docs/tutorial.rst"), encoding="utf-8") as f:
        page = f.read()
    told = re.search(r"^   boxes: honest.*?\n\n", page, re.M | re.S)[0]
    removed = re.findall(r"^   -( .*)$", page, re.M)
    broken = re.search(r"^   boxes: liar: reason 1.*$", page, re.M)[0]
    with Kit(system).install() as kit:
        kit.make("boxes")
        kit.boot("boxes/boxes.elf", "--as-root", "--module", "boxes/boxes.elf",
                 said=re.escape(re.sub("^   ", "", told, flags=re.M)[:-1]))
        path = os.path.join(kit.work, "boxes/back.c")
        with open(path, encoding="utf-8") as f:
            source = f.read()
        check = "\n".join(removed) + "\n"
        system.check(len(removed) == 2 and check in source, f"the page takes out what is there: {check}")
        kit.write("boxes/back.c", source.replace(check, ""))
        kit.make("boxes")
        kit.boot("boxes/boxes.elf", "--as-root", "--module", "boxes/boxes.elf", status=1,
                 said=rf"(?s).*\n{re.escape(broken.strip())}\n")


def test_stands_alone(system):
    "nothing in the prefix or in a guest refers to the tree or to where the prefix was"
    with Kit(system).install() as kit:
        kit.make("blockread", "gcc", "CFLAGS=-g -MD")
        with open(os.path.join(kit.work, "blockread/blockread.d"), encoding="utf-8") as f:
            used = f.read().replace("\\\n", " ").split()[1:]
        for path in used:
            real = os.path.realpath(os.path.join(kit.work, "blockread", path))
            system.check(real.startswith((kit.folder, "/usr/lib/")), f"{path} is not the kit's")
        for top, _, names in os.walk(kit.folder):
            for name in names:
                with open(os.path.join(top, name), "rb") as f:
                    data = f.read()
                for foreign in (system.top, "/opt/kit"):
                    system.check(foreign.encode() not in data, f"{top}/{name} names {foreign}")


def test_refusals(system):
    "what cannot be booted is refused with one clear line and status 125"
    with Kit(system).install() as kit:
        kit.make("hello")
        kit.make("blockread")
        with open(os.path.join(kit.work, "hello/hello.elf"), "rb") as f:
            good = f.read()
        other = bytearray(good)
        other[note_of(good) + 2] += 1
        bad = {"abi.elf": (bytes(other), "built for another ABI version"),
               "note.elf": (good.replace(b"\x01\x00\x00\x00Paravane", b"\x01\x00\x00\x00paravane"),
                            "no Paravane ABI note: not a guest image"),
               "script.elf": (b"#!/bin/sh\n" * 20, "not a 64-bit little-endian ELF file"),
               "short.elf": (good[:40], "too short for an ELF file"),
               "cut.elf": (good[:4500], "a segment lies outside the file|"
                                        "program headers lie outside the file")}
        for name, (data, why) in bad.items():
            kit.write(name, data)
            kit.boot(name, status=125, error=rf"{name}: ({why})")
            kit.boot(name, "--as-root", status=125, error=rf"{name}: .+")
        kit.boot("empty.elf", status=125, error=r"empty\.elf: no such file \(the guest's image\)")
        kit.boot("hello", status=125, error=r"hello: not a regular file \(the guest's image\)")
        large = kit.guest("large", "#include <hvlib/start.h>\nchar big[8 << 20];\n"
                                   "uint32_t guest_main(void) { return (uint32_t)big[5]; }\n")
        kit.boot(large, "-m", "4", status=125, error=r".*: too little memory with -m 4, try more")
        kit.boot(large, "-m", "16")
        done = kit.run("paravane-run", "hello/hello.elf", "--timeout", "0")
        system.check(done.returncode == 125 and done.stderr.count("\n") == 1, f"{done.stderr!r}")
        for words, why in ((("-m", "0"), "-m 0: a guest has 1 to 4096 MiB of memory"),
                           (("-c", "2"), "-c 2: a guest has one virtual CPU for now, only -c 1 works"),
                           (("--disk", "no.img"), r"no\.img: no such file \(the disk\)"),
                           (("--disk", "note.elf"), r".*note\.elf: \d+ bytes; a disk is a positive "
                                                    "multiple of 512 bytes"),
                           (("--rw",), "--rw and --persist go with --disk"),
                           (("--nonsense",), "--nonsense: no such option; --help lists them"),
                           (("name=x",), "name=x: there is one image; words for the guest stand behind --"),
                           (("--iso", "no/x.iso"), r".*no: no such folder \(for the image of --iso\)"),
                           (("-m", "much"), ".*invalid int value: 'much'"),
                           (("--", "x" * 256), "the guest's command line is at most 255 .*")):
            if words[0] == "--disk" and words[1] == "note.elf":
                kit.write("note.elf", good[:1000])
            if words[0] == "--":
                words = (*LIMIT, *words)
                done = kit.run("paravane-run", "hello/hello.elf", *words)
                system.check(done.returncode == 125 and re.fullmatch(f"paravane-run: {why}\n", done.stderr),
                             f"{why!r}, not {done.returncode}: {done.stderr!r}")
                continue
            kit.boot("hello/hello.elf", *words, status=125, error=why)
        kit.boot("blockread/blockread.elf", status=1,
                 said="blockread: there is no disk; start me with --disk IMAGE\n")


def test_exit_status(system):
    "the exit status is the guest's reason, or tells what happened to it"
    head = "#include <hvlib/arch/hypercall.h>\n#include <hvlib/console.h>\n#include <hvlib/start.h>\n"
    with Kit(system).install() as kit:
        seven = kit.guest("seven", head + 'uint32_t guest_main(void) { hv_puts("seven\\n"); return 7; }\n')
        # Its console is not open: the line goes by way of the hypervisor, and looks the same.
        kit.boot(seven, status=7, said="seven\n")
        fault = kit.guest("fault", head + "uint32_t guest_main(void) { "
                                          "volatile uint32_t *volatile nowhere = 0; return *nowhere; }\n")
        kit.boot(fault, status=14, said=None)
        forger = kit.guest("forger", head + "#include <hvlib/consolefront.h>\n"
                           'uint32_t guest_main(void) { hv_console_open(); '
                           'hv_puts("root: run: reason 0\\nroot: guest ended well\\n"); return 5; }\n')
        kit.boot(forger, status=5, said=None)
        killed = kit.guest("killed", head + "void hv_entry_kernel(void);\n"
                           "void hv_entry_kernel(void) { __builtin_trap(); }\n"
                           "uint32_t guest_main(void) { __builtin_trap(); }\n")
        kit.boot(killed, status=126, said=None, error=rf"{killed}: killed by the hypervisor: .+")
        loop = kit.guest("loop", head + "uint32_t guest_main(void) { for (;;) hv_yield(); }\n")
        done = kit.run("paravane-run", loop, "--timeout", "3")
        system.check(done.returncode == 124 and
                     done.stderr == f"paravane-run: {loop}: still running after 3 s\n",
                     f"124 and one line, not {done.returncode}: {done.stderr!r}")


def test_disk(system):
    "a disk is read-only without --rw, forgets without --persist, and is written with it"
    with Kit(system).install() as kit:
        writer = kit.guest("writer", WRITER)
        disk = kit.write("disk, with a comma.img", bytes(8192))
        written = bytes(512) + PATTERN + bytes(8192 - 1024)
        for words, status, content in (((), 3, bytes(8192)), (("--rw",), 0, bytes(8192)),
                                       (("--rw", "--persist"), 0, written)):
            kit.boot(writer, "--disk", disk, *words, status=status)
            with open(disk, "rb") as f:
                system.check(f.read() == content, f"{words}: what is on the disk")


def on_terminal(kit, *words):
    """paravane-run on a terminal of its own: the process, the terminal's two ends, and how it was before."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    done = subprocess.Popen(["paravane-run", *words], cwd=kit.work, env=kit.env, stdin=theirs,
                            stdout=theirs, stderr=theirs, start_new_session=True,
                            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    return done, ours, theirs, before


def wait_for(ours, text, seconds=30 * qemu.PATIENCE):
    """What the terminal shows, up to text or to the end of the time."""
    shown, end = b"", time.monotonic() + seconds
    while text not in shown and time.monotonic() < end:
        if select.select([ours], [], [], 0.1)[0]:
            shown += os.read(ours, 4096)
    return shown


def test_terminal(system):
    "on a terminal what is typed goes to the guest, Ctrl-C ends it, and the terminal is as it was"
    if not os.path.exists("/dev/ptmx") or not os.path.ismount("/dev/pts"):
        system.skip("no pseudo-terminals on this machine: /dev/pts is not mounted")
    with Kit(system).install() as kit:
        kit.make("echo")
        for last, status in ((b"\x04", 0), (b"\x03", 130)):
            process, ours, theirs, before = on_terminal(kit, "echo/echo.elf", *LIMIT)
            shown = wait_for(ours, b"ends")
            os.write(ours, b"hullo\x7f\x7f\x7fello\r")
            shown += wait_for(ours, b"1: huello\r\n")
            system.check(b"1: huello\r\n" in shown, f"the guest answers: {shown}")
            os.write(ours, last)
            try:
                process.wait(20 * qemu.PATIENCE)
            finally:
                process.kill()
                process.wait()
            system.check(process.returncode == status, f"{last}: {status}, not {process.returncode}")
            system.check(termios.tcgetattr(theirs) == before, "the terminal is as it was")
            os.close(ours)
            os.close(theirs)


def anybody(group):
    """Is a process of that group alive?"""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_signal(system):
    "a signal to paravane-run ends QEMU too, and leaves no temporary folder"
    with Kit(system).install() as kit:
        kit.make("echo")
        kit.env["TMPDIR"] = kit.write("tmp/keep", "")[:-len("/keep")]
        process = subprocess.Popen(["paravane-run", "echo/echo.elf", *LIMIT], cwd=kit.work,
                                   env=kit.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   start_new_session=True)
        shown = wait_for(process.stdout.fileno(), b"ends")
        process.terminate()
        try:
            process.wait(20 * qemu.PATIENCE)
            left = anybody(process.pid)
        finally:
            process.kill()
            process.communicate()
        system.check(b"ends" in shown and process.returncode == 143, f"143, not {process.returncode}")
        system.check(not left, "QEMU is still there")
        system.check(os.listdir(kit.env["TMPDIR"]) == ["keep"], "a temporary folder was left")


def test_without_tools(system):
    "without QEMU, or with a part of the kit missing, one line says so"
    with Kit(system).install() as kit:
        kit.make("hello")
        path = kit.env["PATH"]
        bare = os.path.join(kit.folder, "bin")
        os.mkdir(bare)
        os.symlink(os.path.join(kit.prefix, "bin/paravane-run"), os.path.join(bare, "paravane-run"))
        kit.env["PATH"] = bare
        kit.boot("hello/hello.elf", status=125, error="qemu-system-x86_64 is not installed .*")
        kit.boot("hello/hello.elf", "--iso", "x.iso", status=125, error="--iso needs grub-mkrescue .*")
        kit.env["PATH"] = path
        os.unlink(os.path.join(kit.prefix, "lib/paravane/root.elf"))
        kit.boot("hello/hello.elf", status=125, error=".*root.elf is missing: is the kit installed whole.")


def test_iso(system):
    "paravane-run --iso writes a GRUB image that boots the guest"
    with Kit(system).install() as kit:
        kit.make("timer")
        iso = os.path.join(kit.folder, "timer.iso")
        kit.boot("timer/timer.elf", "--iso", iso, "--", "ticks=2")
        with system.boot_iso(iso, timeout=40) as machine:
            machine.expect(r"^timer: 2 ticks")
            end = machine.wait()
        system.check(end.orderly and end.reason == 0, f"a clean end, not {end}")


def blocks(path):
    """The code blocks of a page: (language, caption, text)."""
    with open(path, encoding="utf-8") as f:
        page = f.read()
    for found in re.finditer(r"^\.\. code-block:: (\w+)\n((?:   :.*\n)*)\n((?:   .*\n|\n)+)", page, re.M):
        caption = re.search(r":caption: (.*)", found[2])
        text = re.sub(r"^   ", "", found[3], flags=re.M).strip("\n") + "\n"
        yield found[1], caption[1] if caption else "", text


def steps(path):
    """What a reader does: ("save", name, text) and ("type", command, what it prints)."""
    for language, caption, text in blocks(path):
        if caption:
            yield "save", caption, text
        elif language == "console":
            for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
                command, _, output = part.partition("\n")
                yield "type", command, output


def script(path):
    """The same as a shell script; behind each command stands a mark and its number."""
    lines, expected = ["set -u", "cd \"$TREE\""], []
    for kind, name, text in steps(path):
        if kind == "save":
            lines.append(f"cat >{name} <<'END-OF-FILE'\n{text}END-OF-FILE")
        else:
            # $? of the reader's command must be what the next command sees.
            lines.append(f"{name}\nstatus=$?; echo \"=== {len(expected)} $status\"; (exit $status)")
            expected.append((name, text))
    return "\n".join(lines) + "\n", expected


def test_newcomer(system):
    "the path of docs/kit.rst, literally: install, copy hello out of the page, build, run, change, run"
    page = os.path.join(system.top, "docs/kit.rst")
    text, expected = script(page)
    files = [(n, t) for k, n, t in steps(page) if k == "save"]
    for name, content in files[:2]:
        with open(os.path.join(system.top, "libhypercall/examples/hello", name), encoding="utf-8") as f:
            system.check(f.read() == content, f"the page's first {name} is the example's")
    with Kit(system) as kit:
        env = dict(kit.env, **kit.build, HOME=kit.folder, TREE=system.top)
        path = os.path.join(kit.folder, "reader.sh")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        done = subprocess.run(["bash", path], stdin=subprocess.DEVNULL, env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600 * qemu.PATIENCE, check=False)
        with open(system.log, "w", encoding="utf-8") as log:
            log.write(text + done.stdout)
    outputs = re.split(r"^=== \d+ (\d+)\n", done.stdout, flags=re.M)
    system.check(len(outputs) == 2 * len(expected) + 1, f"every command was reached: {done.stdout[-300:]}")
    for number, (command, wanted) in enumerate(expected):
        said = outputs[2 * number]
        pattern = re.sub(r"\\?\d+", lambda m: r"\d+", re.escape(wanted)) if "echo $?" not in command \
            else re.escape(wanted)
        system.check(re.search(pattern, said), f"{command}: {wanted!r}, not {said!r}")
        own = command.startswith("paravane-run hello.elf -m")
        system.check(outputs[2 * number + 1] == ("3" if own else "0"), f"{command} ended badly: {said}")
