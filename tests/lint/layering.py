# SPDX-License-Identifier: BSD-2-Clause
"""Who may include whom.

abi includes the compiler's integer headers alone; hyp sees abi; libhypercall sees abi; pvguest and
the guests among the tests see libhypercall and abi, never hyp. In hyp, core/, hc/ and lib/ include
no private header of the architecture: what is declared in hyp/include/arch/ is the interface that
an architecture must offer, what lies in hyp/arch/ is its own business.
"""

import os
import re

from _tree import files, finish, read

COMPILER = {"stdint.h", "stddef.h", "stdbool.h", "stdarg.h", "limits.h", "stdalign.h"}
ABI, HYP, LIB, PVG = "abi", "hyp/include", "libhypercall/include", "pvguest/include"

# folder: where its quoted includes may be found, besides the including file's own folder
RULES = {
    "abi": [ABI],
    "hyp": [ABI, HYP],
    "libhypercall/examples": [ABI, LIB],
    "libhypercall": [ABI, LIB],
    "pvguest": [ABI, LIB, PVG],
    "tests/audit": [ABI, HYP],
    "tests/unit": [ABI, HYP, LIB, PVG, "tests/unit"],
    "tests/fuzz": [ABI, HYP, LIB, PVG, "tests/unit"],
    "tests/proof": [ABI, HYP, "tests/unit"],
    "tests/bench/plugin": [],
    "tests": [ABI, LIB, "tests/harness/guest"],
}
HOSTED = {"tests/unit", "tests/fuzz", "tests/proof", "tests/bench/plugin"}  # run on the host, with its C library
GENERATED = {"asm-offsets.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def rule_of(path):
    return next(folder for folder in RULES if path.startswith(folder + "/"))


def complaint(path, kind, name):
    folder = rule_of(path)
    if name in GENERATED:
        return None
    if kind == "<":
        allowed = {"stdint.h", "stddef.h"} if folder == "abi" else COMPILER
        if folder in HOSTED or name in allowed:
            return None
        if any(os.path.exists(os.path.join(place, name)) for place in RULES[folder]):
            return None
        return f"<{name}> is not a compiler's header for {folder}"
    # Beside the file, but not by climbing out of its folder.
    own = os.path.normpath(os.path.join(os.path.dirname(path), name))
    if ".." in name.split("/"):
        return f'"{name}" climbs out of its folder'
    if os.path.exists(own):
        return None
    if any(os.path.exists(os.path.join(place, name)) for place in RULES[folder]):
        return None
    return f'"{name}" is not in {", ".join(RULES[folder])}'


problems = []
count = 0
for source in files(".c", ".h", ".S", ".def", folders=("abi", "hyp", "libhypercall", "pvguest", "tests")):
    for bracket, header in INCLUDE.findall(read(source)):
        count += 1
        wrong = complaint(source, bracket, header)
        if wrong:
            problems.append(f"{source}: {wrong}")
finish(problems, f"{count} includes")
