# SPDX-License-Identifier: BSD-2-Clause
"""`make proofs`: the Spin models and the search of life cycles, and each with every defect that it knows.

A model `NAME.pml` must hold: no assertion fails, nobody waits for ever, and its ltl claims are true under
fair scheduling. With `DEFECT_…` defined, for each such macro in its text, Spin has to find an error: a
model in which nothing can go wrong proves nothing. A model that is too large for one search has cases,
`CASE_…` macros: it must hold with each of them, and a line ` * CASE_…: DEFECT_… …` in its head comment
says which errors are found in which.

`lifecycle.c` makes every sequence of operations on the hypervisor's own sources. Its head comment names
these, and the mutants (tests/mutants/) that it has to find.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "mutants"))
import catalogue  # noqa: E402

SECONDS = 7200
DEPTH = 1000000
LIFECYCLE = os.path.join(HERE, "lifecycle.c")
# How many operations, and how many frames are free at the start: plenty, and so few that calls run
# out of memory. A defect has to be found within fewer.
LENGTH, LENGTH_OF_DEFECTS = 9, 7
FREE = 30, 4


def run(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False,
                          timeout=SECONDS)


def search(model, folder, defines, claim):
    """One exhaustive search. Returns (errors, states); raises when there was none."""
    os.makedirs(folder, exist_ok=True)
    kind = ["-DNFAIR=3"] if claim else ["-DSAFETY", "-DNOCLAIM"]
    for command in (["spin", *(f"-D{d}" for d in defines), "-a", model],
                    ["gcc", "-O1", "-w", *kind, "-o", "search", "pan.c"]):
        done = run(command, folder)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {(done.stdout + done.stderr).strip()}")
    flags = ["-a", "-f", "-N", claim] if claim else []
    text = run(["./search", f"-m{DEPTH}", *flags], folder).stdout
    errors = re.search(r"errors: (\d+)", text)
    states = re.search(r"(\d+(?:\.\d+e\+\d+)?) states, stored", text)
    if not errors or not states or "max search depth too small" in text:
        raise RuntimeError(f"the search did not end: {text.strip()[-400:]}")
    return int(errors.group(1)), int(float(states.group(1)))


def cases(model):
    """(title, defines, claim, must hold) for each search of a model."""
    with open(model, encoding="utf-8") as f:
        text = f.read()
    claims = re.findall(r"^ltl (\w+)", text, re.M)
    finds = re.findall(r"^ \* (CASE_\w+):((?: DEFECT_\w+)*)$", text, re.M)
    for case in dict.fromkeys(case for case, _ in finds) or [None]:
        defines, where = ([case], f", {case}") if case else ([], "")
        yield f"no error, no deadlock{where}", defines, None, True
        for claim in claims:
            yield f"claim {claim}{where}", defines, claim, True
    for defect in dict.fromkeys(re.findall(r"\bDEFECT_[A-Z]+\w*", text)):
        inside = [case for case, found in finds if defect in found.split()] or [None]
        for case in inside:
            yield f"{defect}{f', {case}' if case else ''}", [defect, *([case] if case else [])], None, False


def spin(out):
    """(title, good, what was found) for each search of each model."""
    for model in sorted(glob.glob(os.path.join(HERE, "*.pml"))):
        name = os.path.basename(model)[:-len(".pml")]
        with open(model, encoding="utf-8") as f:
            if "\ninit" not in f.read():
                continue  # a part of others
        for title, defines, claim, holds in cases(model):
            folder = os.path.join(out, name, title.replace(" ", "-"))
            try:
                errors, states = search(model, folder, defines, claim)
                good = (errors == 0) == holds
                found = f"{states} states, " + ("no error" if not errors else "an error")
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as why:
                good, found = False, str(why)
            yield f"{name}: {title}", good, found


def listed(key):
    """The words of the lines ` * key: ...` in the search's head comment."""
    with open(LIFECYCLE, encoding="utf-8") as f:
        return " ".join(re.findall(rf"^ \* {key}: (.*)", f.read(), re.M)).split()


def compiled(folder, includes, mutant=None):
    """The program of the search, with a defect in a copy of the hypervisor's sources."""
    program = os.path.join(folder, "search")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(os.path.join(TOP, "hyp"), os.path.join(folder, "hyp"))
    if mutant:
        path = os.path.join(folder, mutant.file)
        with open(path, encoding="utf-8") as f:
            text = catalogue.apply(mutant, f.read())
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    ours = [os.path.join(folder, n) if n.startswith("hyp/") else n for n in [*includes, *listed("sources")]]
    done = run(["gcc", "-std=c17", "-g", "-O2", "-w", "-fno-strict-aliasing", "-DHYP_DEBUG=1", "-DHYP_UNIT=1", LIFECYCLE, *ours, "-o",
                program], TOP)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-400:])
    return program


def lived(program, length, free):
    """(nothing wrong, what was printed, on one line)"""
    done = run([program, str(length), str(free)], TOP)
    told = re.sub(r"\n *", ", ", done.stdout.strip())
    if done.returncode not in (0, 1) or not told:
        raise RuntimeError(f"the search did not end: {told} {done.stderr.strip()[-400:]}")
    return done.returncode == 0, told


def lifecycle(out, includes):
    """The same for the search of life cycles."""
    mutants = {m.name: m for m in catalogue.load()}
    for name in [None, *listed("finds")]:
        title = f"lifecycle: {name or 'no error'}"
        try:
            program = compiled(os.path.join(out, "lifecycle", name or "sound"), includes, name and mutants[name])
            length = LENGTH_OF_DEFECTS if name else LENGTH
            holds, told = zip(*(lived(program, length, free) for free in FREE))
            good = all(holds) if name is None else not all(holds)
            yield title, good, "; ".join(told) if all(holds) else told[holds.index(False)]
        except (RuntimeError, OSError, KeyError, catalogue.Broken, subprocess.TimeoutExpired) as why:
            yield title, False, repr(why)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder for what is made")
    parser.add_argument("--includes", default="", help="where the compiler finds headers")
    args = parser.parse_args()
    out = os.path.abspath(args.out)
    passed = failed = 0
    for searches in (lifecycle(out, args.includes.split()), spin(out)):
        for title, good, found in searches:
            passed, failed = passed + good, failed + (not good)
            print(f"{'SUCCESS' if good else 'FAILURE'}  {title}: {found}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
