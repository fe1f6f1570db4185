# SPDX-License-Identifier: BSD-2-Clause
"""What the lints share: the files of the tree and a way to complain."""

import os
import sys

FOLDERS = ("abi", "hyp", "libhypercall", "pvguest", "tests", "docs", ".ci")


def files(*suffixes, folders=FOLDERS):
    """Paths of the source files that end in one of the suffixes, sorted."""
    found = []
    for folder in folders:
        for top, dirs, names in os.walk(folder):
            dirs[:] = [d for d in dirs if d != "__pycache__"]
            found += [os.path.join(top, n) for n in names if n.endswith(suffixes)]
    return sorted(found)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def finish(problems, summary=""):
    """Prints the problems and leaves with the status that the runner expects."""
    for problem in problems:
        print(problem)
    if problems:
        print(f"{len(problems)} problem(s); first: {problems[0]}")
        sys.exit(1)
    if summary:
        print(summary)
    sys.exit(0)
