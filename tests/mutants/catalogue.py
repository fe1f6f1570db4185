# SPDX-License-Identifier: BSD-2-Clause
"""The mutants: defects to be put into the real code, read from tests/mutants/*.mut.

A file holds entries like this one, divided by blank lines; `#` begins a comment line:

    [unmap-without-flush]
    defect: what was unmapped can still be used
    file: hyp/core/space.c
    test: unit/space guest/map-unmap
      context, as it stands in the file
    - a line that is taken away
    + a line that is put in its place

The lines after `test` are a piece of a unified diff without numbers: two characters, then the text.
Context and removed lines together must stand in the file exactly once.
"""

import glob
import os
import re
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
FIELDS = "defect file test".split()
MARKS = ("  ", "- ", "+ ", "-", "+", "")
FUNCTION = re.compile(r"^(?!struct|union|enum|extern)(?:\w[^\n;={]*?\b)?(?!__attribute__)(\w+)"
                      r"\([^;={]*\)(?:\n| )\{", re.M)
LABEL = re.compile(r"^([a-z]\w+):", re.M)

Mutant = namedtuple("Mutant", "name defect file tests old new")


class Broken(Exception):
    """An entry that cannot be read or applied."""


def piece(lines, name):
    """(old, new) of the diff lines."""
    old, new = [], []
    for line in lines:
        mark, text = line[:2], line[2:]
        if mark not in MARKS:
            raise Broken(f"{name}: '{line}' begins with neither '  ', '- ' nor '+ '")
        if not mark.startswith("+"):
            old.append(text)
        if not mark.startswith("-"):
            new.append(text)
    if old == new:
        raise Broken(f"{name}: nothing is changed")
    return "\n".join(old) + "\n", "".join(line + "\n" for line in new)


def entry(block):
    lines = block.split("\n")
    name = re.fullmatch(r"\[([a-z0-9-]+)\]", lines[0])
    if not name:
        raise Broken(f"'{lines[0]}' is not a name in brackets")
    values = {}
    for key, line in zip(FIELDS, lines[1:]):
        if not line.startswith(key + ": "):
            raise Broken(f"{name.group(1)}: '{line}' is not its {key}")
        values[key] = line[len(key) + 2:].strip()
    old, new = piece(lines[1 + len(FIELDS):], name.group(1))
    return Mutant(name.group(1), values["defect"], values["file"], values["test"].split(), old, new)


def load(folder=HERE):
    """All mutants, in the order of files and entries."""
    found = []
    for path in sorted(glob.glob(os.path.join(folder, "*.mut"))):
        with open(path, encoding="utf-8") as f:
            text = re.sub(r"^#.*\n", "", f.read(), flags=re.M)
        try:
            found += [entry(block) for block in re.split(r"\n\n+", text.strip("\n")) if block]
        except Broken as why:
            raise Broken(f"{os.path.basename(path)}: {why}") from None
    return found


def apply(mutant, text):
    """The text of its file with the defect in it."""
    count = ("\n" + text).count("\n" + mutant.old)
    if count != 1:
        raise Broken(f"{mutant.name}: its lines stand {count} times in {mutant.file}")
    return ("\n" + text).replace("\n" + mutant.old, "\n" + mutant.new, 1)[1:]


def function(mutant, text):
    """The name of the function, or label, that the mutant changes; "" outside of any."""
    name = LABEL if mutant.file.endswith(".S") else FUNCTION
    at = ("\n" + text).index("\n" + mutant.old)
    names = [m.group(1) for m in name.finditer(text, 0, at + len(mutant.old))]
    return names[-1] if names else ""
