# SPDX-License-Identifier: BSD-2-Clause
"""No left-over marks, and no path outside the tree.

A note to do something later belongs in an issue; the tree has to stand by itself wherever it lies.
"""

import re

from _tree import files, finish, read

MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
OUTSIDE = re.compile(r"(?:^|[^\w./-])/(?:home|root|Users)/")
SUFFIXES = (".c", ".h", ".S", ".def", ".lds", ".py", ".sh", ".rst", ".md", ".conf", ".cfg", ".awk", "run")

problems = []
for path in files(*SUFFIXES) + ["Makefile", "README.md"]:
    if path.endswith("tests/lint/words.py"):
        continue
    for number, line in enumerate(read(path).splitlines(), 1):
        if MARKS.search(line):
            problems.append(f"{path}:{number}: a left-over mark: {line.strip()}")
        if OUTSIDE.search(line):
            problems.append(f"{path}:{number}: a path outside the tree: {line.strip()}")
finish(problems)
