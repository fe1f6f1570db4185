# SPDX-License-Identifier: BSD-2-Clause
"""Finds and runs the tests: `run.py --build build/CONF [PATTERN ...]`.

Names: unit/NAME, guest/NAME, attack/NAME, system/FILE.FUNCTION, lint/NAME. Results: SUCCESS, SKIP
(with a reason), ERROR (the test is broken), FAILURE (the system is broken), CRASH, TIMEOUT. Only
SUCCESS counts as passed; silence is an ERROR. The last line is `N passed, N failed`.
"""

import argparse
import concurrent.futures
import fnmatch
import glob
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import qemu  # noqa: E402
from system import Failure, Skip, System  # noqa: E402

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PYTHON = "/usr/bin/python3"
SKIPPED = 77  # exit status of a lint that cannot run, with the reason as its last line


class Test:
    """One test: run() returns (result, reason)."""

    timeout = 60.0 * qemu.PATIENCE

    def __init__(self, name, title, build):
        self.name = name
        self.title = title
        self.build = build
        self.log = os.path.join(build, "log", name + ".log")

    def run(self):
        raise NotImplementedError


class Program(Test):
    """A unit test or a lint: a program of the host whose exit status tells."""

    def __init__(self, name, title, build, command):
        super().__init__(name, title, build)
        self.command = command
        self.timeout = 120.0 * qemu.PATIENCE

    def run(self):
        os.makedirs(os.path.dirname(self.log), exist_ok=True)
        # Check's own limit of 4 s is for an idle machine; the runner has one for all of them.
        env = dict(os.environ, BUILD=self.build, CK_DEFAULT_TIMEOUT=str(int(self.timeout)),
                   CK_TIMEOUT_MULTIPLIER=str(int(qemu.PATIENCE)))
        with open(self.log, "w+b") as log:
            try:
                done = subprocess.run(self.command, cwd=TOP, env=env, stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=subprocess.STDOUT, timeout=self.timeout)
            except subprocess.TimeoutExpired:
                return "TIMEOUT", f"not done after {self.timeout:.0f} s"
            except FileNotFoundError:
                return "ERROR", f"{self.command[0]} was not built"
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "")
        if done.returncode == 0:
            return "SUCCESS", ""
        if done.returncode == SKIPPED:
            return "SKIP", last
        if done.returncode < 0:
            return "CRASH", f"signal {-done.returncode}"
        return "FAILURE", last


class Guest(Test):
    """A guest test or an attack: an image that hyp boots as root, with itself as second module.

    Its head comment may ask for more in lines ` * qemu: KEY=VALUE ...`: memory (MiB), timeout (s),
    drive (bytes of a fresh zeroed virtio disk, K and M understood), append (options of hyp), root
    and second (command lines of the two modules), icount, smp (processors; `make test SMP=N` gives
    N to those that ask for none), again (the test is there once more, as NAME@N, with N processors).
    `make test T=… ARGUMENTS=…` gives root more arguments.

    Time is the count of instructions, so that a test comes out on any machine as it does on the
    author's. With REALTIME=1 in the environment it is the host's, in which every run is another:
    a test must pass so too, unless it says icount=1 because what it asserts are times. icount=0
    is for one that needs the host's time. With several processors it is always the host's: counted
    instructions run on one after the other, in long turns. The test is told so by `realtime=1` on
    root's command line. smp=1 is for a test that asserts nothing but times: `make test SMP=4` leaves
    it out.
    """

    keys = {"memory", "timeout", "drive", "append", "root", "second", "icount", "smp", "again"}

    def __init__(self, name, folder, build, debug, cpus=None):
        source = read(os.path.join(folder, "main.c"))
        found = re.search(r'test_title\[\]\s*=\s*((?:"(?:[^"\\]|\\.)*"\s*)+);', source)
        title = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', found.group(1))) if found else ""
        super().__init__(f"{name}@{cpus}" if cpus else name, title, build)
        self.image = os.path.join("tests", name + ".elf")
        self.debug = debug
        words = " ".join(re.findall(r"^ \* qemu: (.*)$", source, re.M))
        self.options = dict(w.partition("=")[::2] for w in shlex.split(words))
        self.timeout = float(self.options.get("timeout", 20)) * qemu.PATIENCE
        self.cpus = int(cpus or self.options.get("smp") or os.environ.get("SMP") or 1)
        if self.cpus > 1:
            self.timeout *= 3  # each is a thread of the host's, which may have fewer processors
        realtime = os.environ.get("REALTIME") == "1"
        self.icount = (self.cpus == 1 and
                       self.options.get("icount", "0" if realtime else "1") == "1")

    def run(self):
        unknown = set(self.options) - self.keys
        if unknown:
            return "ERROR", f"unknown keys in the qemu line: {', '.join(sorted(unknown))}"
        if self.cpus == 1 and int(os.environ.get("SMP") or 1) > 1:
            return "SKIP", "what it asserts are times, for which one processor runs"
        for needed in ("hyp.elf", self.image):
            if not os.path.exists(os.path.join(self.build, needed)):
                return "ERROR", f"{needed} was not built"
        drives = []
        if "drive" in self.options:
            drives.append(qemu.drive(self.blank(self.options["drive"])))
        arguments = f"{self.options.get('root', 'root')} {os.environ.get('ARGUMENTS', '')}".strip()
        if not self.icount:
            arguments += " realtime=1"
        initrd = qemu.modules(f"{self.image} {arguments}",
                              f"{self.image} {self.options.get('second', 'second')}")
        with qemu.Machine(self.build, self.log, initrd=initrd, drives=drives,
                          append=self.options.get("append", ""), timeout=self.timeout,
                          memory=int(self.options.get("memory", 256)),
                          cpus=self.cpus, icount=self.icount) as machine:
            end = machine.wait()
        return self.judge(machine, end)

    def blank(self, size):
        size = int(size[:-1]) << {"K": 10, "M": 20}[size[-1]] if size[-1] in "KM" else int(size)
        path = os.path.join(self.build, "log", self.name + ".disk")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as disk:
            disk.truncate(size)
        return os.path.abspath(path)

    def judge(self, machine, end):
        """What the console and the end of the machine say, the worst first."""
        panic = re.search(r"^(?:hyp: )?PANIC.*", machine.text, re.M)
        if panic or end.panic:
            return "CRASH", panic.group(0) if panic else str(end)
        if end.timed_out:
            return "TIMEOUT", f"after {self.timeout:.0f} s; last line: {machine.last_line()}"
        if not machine.text.strip():
            return "ERROR", f"silence; {end}; {machine.errors.decode('utf-8', 'replace').strip()}"
        verdicts = re.findall(r"^TEST: (\w+) ?(.*)$", machine.text, re.M)
        if not verdicts:
            return "CRASH" if not end.orderly else "ERROR", f"no verdict; {end}"
        result, reason = verdicts[-1]
        if result not in ("SUCCESS", "SKIP", "ERROR", "FAILURE"):
            return "ERROR", f"unknown verdict {result}"
        if not end.orderly:
            return "CRASH", f"said {result}, then: {end}"
        if result not in ("SUCCESS", "SKIP"):
            return result, reason
        audits = re.findall(r"^(?:hyp: )?audit: (.*)$", machine.text, re.M)
        bad = [a for a in audits if not a.startswith("ok")]
        if bad:
            return "FAILURE", f"audit: {bad[0]}"
        if self.debug and not audits:
            return "ERROR", "no audit in a debug build"
        return result, reason


class SystemTest(Test):
    """A function of tests/system/: gets a System, fails by an exception."""

    def __init__(self, name, function, build, debug):
        title = (function.__doc__ or "").strip().splitlines()
        super().__init__(name, title[0] if title else "", build)
        self.function = function
        self.debug = debug

    def run(self):
        system = System(self.name, self.build, self.log, self.debug, TOP)
        try:
            self.function(system)
        except Failure as why:
            return "FAILURE", str(why)
        except Skip as why:
            return "SKIP", str(why)
        except qemu.Timeout as why:
            return "TIMEOUT", str(why)
        except Exception:  # a broken test must not end the run
            with open(self.log + ".traceback", "w", encoding="utf-8") as out:
                traceback.print_exc(file=out)
            return "ERROR", traceback.format_exc().strip().splitlines()[-1]
        finally:
            system.close()
        if not system.checked:
            return "ERROR", "nothing was checked"
        return "SUCCESS", ""


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def first_words(path):
    """The first sentence of a Python docstring, or of the first comment of a C file."""
    text = read(path)
    found = re.search(r'"""(.*?)(?:\.\s|\n\n|""")' if path.endswith(".py")
                      else r"^/\*\s+(?!SPDX)(?:\*\s+)?(.*?)(?:\.\s|\n \*\s*\n|\*/)", text, re.S | re.M)
    return re.sub(r"\s*\n \*\s*|\s+", " ", found.group(1)).strip() if found else ""


def discover(build, debug):
    """All tests of the tree, by name; a test function with needs = "debug" only where it can run."""
    tests = []
    for path in sorted(glob.glob("tests/lint/*.py")):
        name = os.path.basename(path)[:-3]
        if not name.startswith("_"):
            tests.append(Program("lint/" + name.replace("_", "-"), first_words(path), build,
                                 [PYTHON, path]))
    for path in sorted(glob.glob("tests/unit/test_*.c")):
        name = os.path.basename(path)[5:-2]
        tests.append(Program("unit/" + name, first_words(path), build,
                             [os.path.join(build, "unit", name)]))
    for kind in ("guest", "attack"):
        for path in sorted(glob.glob(f"tests/{kind}/*/main.c")):
            folder = os.path.dirname(path)
            name = f"{kind}/{os.path.basename(folder)}"
            tests.append(Guest(name, folder, build, debug))
            if "again" in tests[-1].options:
                tests.append(Guest(name, folder, build, debug, tests[-1].options["again"]))
    for path in sorted(glob.glob("tests/system/test_*.py")):
        stem = os.path.basename(path)[5:-3]
        spec = importlib.util.spec_from_file_location("system_" + stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for key, function in vars(module).items():
            wanted = key.startswith("test_") and callable(function)
            if wanted and (debug or getattr(function, "needs", "") != "debug"):
                tests.append(SystemTest(f"system/{stem}.{key[5:]}", function, build, debug))
    return tests


def timed(test):
    start = time.monotonic()
    try:
        result, reason = test.run()
    except Exception:
        result, reason = "ERROR", traceback.format_exc().strip().splitlines()[-1]
    return test, result, reason, time.monotonic() - start


def report(test, result, reason, seconds):
    tail = f": {reason}" if reason else ""
    print(f"{result:8}{seconds:6.1f} s  {test.name}  {test.title}{tail}", flush=True)
    if result not in ("SUCCESS", "SKIP"):
        print(f"{'':18}log: {os.path.relpath(test.log)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="build/CONF")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="print the names only")
    parser.add_argument("patterns", nargs="*", default=["*"])
    args = parser.parse_args()
    os.chdir(TOP)
    known = discover(args.build, args.build.endswith("-debug"))
    tests = [t for t in known if any(fnmatch.fnmatchcase(t.name, p) for p in args.patterns)]
    if args.list:
        print("\n".join(t.name for t in tests))
        return 0
    idle = [p for p in args.patterns if not fnmatch.filter([t.name for t in known], p)]
    if idle:  # a slip of the hand must not pass for a test that passed
        print(f"no test here is named {' or '.join(idle)}; names look like unit/frame, attack/*",
              file=sys.stderr)
        return 2
    counts = dict.fromkeys(("SUCCESS", "SKIP", "ERROR", "FAILURE", "CRASH", "TIMEOUT"), 0)
    bad = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(timed, t) for t in tests]):
            test, result, reason, seconds = future.result()
            counts[result] += 1
            if result not in ("SUCCESS", "SKIP"):
                bad.append((test, result, reason, seconds))
            report(test, result, reason, seconds)
    if bad and len(tests) > 10:
        print("\nnot passed:")
        for row in bad:
            report(*row)
    skipped = f", {counts['SKIP']} skipped" if counts["SKIP"] else ""
    print(f"{counts['SUCCESS']} passed, {len(bad)} failed{skipped}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
