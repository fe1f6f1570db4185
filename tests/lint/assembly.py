# SPDX-License-Identifier: BSD-2-Clause
"""Assembly lives in arch/ only.

Files in assembly and asm statements belong to hyp/arch, libhypercall/arch, pvguest/arch and the
arch/ folders of the include directories. Tests may do what a hostile guest would do.
"""

import re

from _tree import files, finish, read

STATEMENT = re.compile(r"\b(?:asm|__asm|__asm__)\b\s*(?:volatile|__volatile__|goto|\()")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def in_arch(path):
    return "/arch/" in path


def strip(text):
    """Without comments, but with as many lines."""
    return COMMENT.sub(lambda m: "\n" * m.group(0).count("\n"), text)


folders = ("abi", "hyp", "libhypercall", "pvguest")
problems = [f"{p}: an assembly file outside arch/" for p in files(".S", ".s", folders=folders)
            if not in_arch(p)]
for path in files(".c", ".h", ".def", folders=folders):
    if in_arch(path):
        continue
    for number, line in enumerate(strip(read(path)).splitlines(), 1):
        if STATEMENT.search(line):
            problems.append(f"{path}:{number}: assembly outside arch/")
finish(problems)
