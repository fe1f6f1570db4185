# SPDX-License-Identifier: BSD-2-Clause
"""Functions and files stay short: 95% of the functions under 60 lines, files under 600.

The median is printed; it is meant to stay between 10 and 15.
"""

import re

from _tree import files, finish, read

FILE_LIMIT = 600
LONG = 60
# A function's closing brace is in the first column; its opening brace too, but for hyp's layout.
FUNCTION = re.compile(r"^(?!struct|union|enum|static const struct|extern)[\w][^\n;={]*\([^;={]*\)(?:\n| )\{\n(.*?)^\}",
                      re.M | re.S)

problems, sizes = [], []
for path in files(".c", ".h", folders=("abi", "hyp", "libhypercall", "pvguest")):
    text = read(path)
    count = text.count("\n")
    if count > FILE_LIMIT:
        problems.append(f"{path}: {count} lines, the limit is {FILE_LIMIT}")
    sizes += [(m.group(1).count("\n"), path, m.group(0).split("(")[0].split()[-1])
              for m in FUNCTION.finditer(text)]
sizes.sort(reverse=True)
long = [s for s in sizes if s[0] >= LONG]
if len(long) * 20 > len(sizes):
    problems += [f"{path}: {name} has {n} lines" for n, path, name in long]
for n, path, name in sizes[:5]:
    print(f"{n:4} lines  {name}  ({path})")
median = sizes[len(sizes) // 2][0] if sizes else 0
finish(problems, f"{len(sizes)} functions, median {median} lines, {len(long)} of {LONG} or more")
