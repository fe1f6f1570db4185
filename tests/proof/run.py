# SPDX-License-Identifier: BSD-2-Clause
"""`make proofs`: the Spin models, each searched exhaustively, and each with every defect that it knows.

A model `NAME.pml` must hold: no assertion fails, nobody waits for ever, and its ltl claims are true under
fair scheduling. With `DEFECT_…` defined, for each such macro in its text, Spin has to find an error: a
model in which nothing can go wrong proves nothing.
"""

import argparse
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 300
DEPTH = 1000000


def run(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False,
                          timeout=SECONDS)


def search(model, folder, defines, claim):
    """One exhaustive search. Returns (errors, states); raises when there was none."""
    os.makedirs(folder, exist_ok=True)
    kind = ["-DNFAIR=3"] if claim else ["-DSAFETY", "-DNOCLAIM"]
    for command in (["spin", *(f"-D{d}" for d in defines), "-a", model],
                    ["gcc", "-O2", "-w", *kind, "-o", "search", "pan.c"]):
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
    yield "no error, no deadlock", [], None, True
    for claim in re.findall(r"^ltl (\w+)", text, re.M):
        yield f"claim {claim}", [], claim, True
    for defect in dict.fromkeys(re.findall(r"\bDEFECT_[A-Z]+\w*", text)):
        yield defect, [defect], None, False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder for what is made")
    args = parser.parse_args()
    passed = failed = 0
    for model in sorted(glob.glob(os.path.join(HERE, "*.pml"))):
        name = os.path.basename(model)[:-len(".pml")]
        with open(model, encoding="utf-8") as f:
            if "\ninit" not in f.read():
                continue  # a part of others
        for title, defines, claim, holds in cases(model):
            folder = os.path.join(os.path.abspath(args.out), name, title.replace(" ", "-"))
            try:
                errors, states = search(model, folder, defines, claim)
                good = (errors == 0) == holds
                found = f"{states} states, " + ("no error" if not errors else "an error")
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as why:
                good, found = False, str(why)
            passed, failed = passed + good, failed + (not good)
            print(f"{'SUCCESS' if good else 'FAILURE'}  {name}: {title}: {found}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
