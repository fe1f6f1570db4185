# SPDX-License-Identifier: BSD-2-Clause
"""`make mutants`: puts each defect into a copy of the tree and demands that its tests notice.

A copy for each job, built once; all tests that are named have to pass there before anything is changed.
Then for each mutant: the file is changed, the tests that it names run on the debug build, and at least
one of them must fail, crash, time out or be found out by the audit. One that nothing notices survives,
and the run has failed; so has one that does not apply or does not compile.

The short form takes a few of them from all over the catalogue, each with the first of its tests alone: it
shows that the campaign itself works, and that a defect is still seen, in less than a minute.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import queue
import re
import shutil
import subprocess
import sys

import catalogue

TOP = os.path.dirname(os.path.dirname(catalogue.HERE))
SECONDS = 900
SHORT = ("unmap-stamps-nothing zap-without-a-flush close-without-notice control-of-anybody flags-of-the-user "
         "ring-believes-any-index block-offset-wraps dma-goes-on-without-its-domain").split()


class Copy:
    """A copy of the tree in which a mutant can live."""

    def __init__(self, path):
        self.path = path
        names = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, text=True,
                               check=True).stdout.split("\0")
        for name in filter(None, names):
            to = os.path.join(path, name)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            # Only what differs is written: a copy that was built before is built quickly again.
            if not os.path.exists(to) or self.read(name) != self.read(name, TOP):
                shutil.copyfile(os.path.join(TOP, name), to)

    def read(self, name, top=None):
        with open(os.path.join(top or self.path, name), encoding="utf-8") as f:
            return f.read()

    def write(self, name, text):
        with open(os.path.join(self.path, name), "w", encoding="utf-8") as f:
            f.write(text)

    def make(self, *arguments):
        environment = {k: v for k, v in os.environ.items()
                       if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")}
        return subprocess.run(["make", "--no-print-directory", "DEBUG=1", "WARNINGS=-w", *arguments], cwd=self.path,
                              env=environment, capture_output=True, text=True, check=False,
                              timeout=SECONDS)

    def test(self, names, patience):
        """Builds what the tests need, and no more, then runs them. (built, passed, told)"""
        units = [n[5:] for n in names if n.startswith("unit/")]
        guests = [n for n in names if not n.startswith("unit/")]
        for wanted, goals in ((units, ["T=unit/*", *(f"build/gcc-debug/unit/{u}" for u in units)]),
                              (guests, [f"T={' '.join(guests)}", "tests-built"])):
            built = self.make(*goals) if wanted else None
            if built and built.returncode:
                return False, False, (built.stdout + built.stderr).strip()[-600:]
        done = subprocess.run([sys.executable, "tests/harness/run.py", "--build", "build/gcc-debug", "--jobs",
                               "1", *names], cwd=self.path, capture_output=True, text=True, check=False,
                              env=dict(os.environ, PATIENCE=str(patience)), timeout=SECONDS)
        told = re.findall(r"^(?:FAILURE|CRASH|TIMEOUT|ERROR) .*$", done.stdout, re.M)
        return True, done.returncode == 0, (told or [done.stdout.strip()[-300:]])[0]


def kill(copy, mutant):
    """(result, what was seen)"""
    text = copy.read(mutant.file)
    try:
        copy.write(mutant.file, catalogue.apply(mutant, text))
        built, passed, told = copy.test(mutant.tests, 1)  # many of them hang
    except (catalogue.Broken, subprocess.TimeoutExpired) as why:
        return "BROKEN", str(why)
    finally:
        copy.write(mutant.file, text)
    if not built:
        return "BROKEN", "does not compile: " + told
    return ("SURVIVED", "all its tests passed") if passed else ("KILLED", re.sub(r"\s+", " ", told))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", required=True, help="folder for the copies of the tree")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--short", action="store_true", help="a few quick ones")
    parser.add_argument("patterns", nargs="*", default=["*"])
    args = parser.parse_args()
    known = catalogue.load()
    if args.short:
        args.patterns = SHORT
        known = [m._replace(tests=m.tests[:1]) for m in known]
    chosen = [m for m in known if any(fnmatch.fnmatchcase(m.name, p) for p in args.patterns)]
    if args.short and len(chosen) != len(SHORT):
        print("the short form names mutants that are not there", file=sys.stderr)
        return 2
    if not chosen:
        print(f"no mutant is named {' or '.join(args.patterns)}", file=sys.stderr)
        return 2
    copies = queue.Queue()
    for n in range(args.jobs):
        copies.put(Copy(os.path.join(os.path.abspath(args.work), str(n))))
    names = sorted({t for m in chosen for t in m.tests})

    def sound(_):
        copy = copies.get()
        try:
            return copy.test(names, 10)
        finally:
            copies.put(copy)

    def one(mutant):
        copy = copies.get()
        try:
            return (mutant, *kill(copy, mutant))
        finally:
            copies.put(copy)

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for built, passed, told in pool.map(sound, range(args.jobs)):
            if not built or not passed:
                print(f"the tests do not pass on the sound tree: {told}")
                return 1
        counts = dict.fromkeys(("KILLED", "SURVIVED", "BROKEN"), 0)
        for future in concurrent.futures.as_completed([pool.submit(one, m) for m in chosen]):
            mutant, result, told = future.result()
            counts[result] += 1
            print(f"{result:9} {mutant.name}: {mutant.defect}\n{'':10}{told}", flush=True)
    failed = counts["SURVIVED"] + counts["BROKEN"]
    print(f"{len(chosen)} mutants, {counts['SURVIVED']} survivors, {counts['BROKEN']} broken")
    print(f"{counts['KILLED']} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
