# SPDX-License-Identifier: BSD-2-Clause
"""The ABI's layout is the golden one, by gcc and by clang.

Reads struct and field names out of abi/*.h, has each compiler print sizes, offsets and the values
of the hypercall and error numbers, and compares with abi-layout.golden. `make golden` accepts a
change: it is then seen in review.
"""

import difflib
import os
import re
import subprocess
import sys
import tempfile

from _tree import files, finish, read

GOLDEN = os.path.join("tests", "lint", "abi-layout.golden")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRUCT = re.compile(r"^(struct|union)\s+(\w+)\s*\{", re.M)
FIELD = re.compile(r"(\w+)\s*((?:\[[^\]]*\]\s*)*)$")
CONSTANT = re.compile(r"^\s*#\s*define\s+(HV_[A-Z0-9_]+)[ \t]+\S", re.M)


def body(text, start):
    """The text between the brace before start and its partner."""
    depth, at = 1, start
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return text[start:at - 1], at


def fields(text, prefix=""):
    """Names of all members, dotted for named inner structs; anonymous ones add no name."""
    names, at = [], 0
    while at < len(text):
        end = min((i for i in (text.find(c, at) for c in ";{") if i >= 0), default=-1)
        if end < 0:
            break
        if text[end] == "{":
            inner, after = body(text, end + 1)
            stop = text.index(";", after)
            declarator = text[after:stop].strip()
            match = FIELD.search(declarator)
            dims = bool(match and match.group(2))
            if match:
                names.append(prefix + match.group(1))
            if not dims:
                names += fields(inner, prefix + (match.group(1) + "." if match else ""))
            at = stop + 1
            continue
        declaration = text[at:end].strip()
        for part in declaration.split(","):
            match = FIELD.search(part.strip())
            if match and "HV_STATIC_ASSERT" not in declaration:
                names.append(prefix + match.group(1))
        at = end + 1
    return names


def program():
    """C source that prints the layout. Function-like macros and strings are left out."""
    out = ["#include <stdio.h>"]
    headers = files(".h", folders=("abi",))
    out += [f'#include "{os.path.basename(h)}"' for h in headers]
    out.append("int main(void)\n{")
    for header in headers:
        text = COMMENT.sub("", read(header))
        for match in STRUCT.finditer(text):
            name = f"{match.group(1)} {match.group(2)}"
            out.append(f'    printf("{name} size %zu align %zu\\n", sizeof({name}), _Alignof({name}));')
            for field in fields(body(text, match.end())[0]):
                out.append(f'    printf("{name}.{field} offset %zu size %zu\\n", offsetof({name}, '
                           f'{field}), sizeof((({name} *)0)->{field}));')
        for name in CONSTANT.findall(text):
            value = re.search(rf"define\s+{name}[ \t]+((?:[^\n\\]|\\\n)*)", text).group(1)
            if not re.search(r'["{]|\b(?:struct|static_assert|_Static_assert)\b', value):
                out.append(f'    printf("{name} = %#llx\\n", (unsigned long long)({name}));')
    for name in re.findall(r"HV_CALL\d\(\d+,\s*(\w+)", COMMENT.sub("", read("abi/hypercalls.def"))):
        out.append(f'    printf("HV_NR_{name} = %d\\n", HV_NR_{name});')
    for name in re.findall(r"HV_ERROR\(\d+,\s*(\w+)", read("abi/errors.def")):
        out.append(f'    printf("HV_E{name} = %d\\n", HV_E{name});')
    out.append("    return 0;\n}\n")
    return "\n".join(out)


def layout(compiler, source):
    with tempfile.TemporaryDirectory() as folder:
        binary = os.path.join(folder, "layout")
        done = subprocess.run([compiler, "-std=c17", "-Iabi", "-x", "c", "-", "-o", binary],
                              input=source, text=True, capture_output=True, check=False)
        if done.returncode:
            finish([f"{compiler}: {line}" for line in done.stderr.splitlines() if "error" in line])
        return subprocess.run([binary], capture_output=True, text=True, check=True).stdout


def main():
    if not files(".h", folders=("abi",)):
        finish([], "no ABI yet")
    source = program()
    if "--write" in sys.argv:
        with open(GOLDEN, "w", encoding="utf-8") as f:
            f.write(layout("gcc", source))
        finish([], f"{GOLDEN} written")
    golden = read(GOLDEN) if os.path.exists(GOLDEN) else ""
    problems = []
    for compiler in ("gcc", "clang"):
        lines = list(difflib.unified_diff(golden.splitlines(), layout(compiler, source).splitlines(),
                                          "golden", compiler, n=0, lineterm=""))
        problems += lines[2:]
    if problems:
        problems.append("the ABI's layout differs; if that is meant: make golden")
    finish(problems, f"{len(golden.splitlines())} lines agree")


main()
