# SPDX-License-Identifier: BSD-2-Clause
"""No page holds a measured figure that somebody has typed.

What a thing costs changes with the code, so README and docs/ take it from build/bench/results.json by the
role :bench: (docs/gen_bench.py) or do without. A number before a unit of cost is taken for such a figure,
except where it is listed below.
"""

import re

from _tree import files, finish, read

FIGURE = re.compile(r"(?<![\w.-])(\d(?:[\d,.]*\d)?\s+(?:instructions|transitions|traps|cycles|nanoseconds|microseconds|"
                    r"ns|µs|us)\b|\d[\d,.]*\s*(?:×|times)\s+(?:faster|slower|cheaper|dearer|as|less|more)\b)")
# Facts of somebody else's machine, or of the tree itself.
KNOWN = {("docs/hypervisors.rst", "250 instructions"),
         ("docs/internals/entry.rst", "8 instructions")}  # a table of steps, counted in the source

problems = []
for path in ["README.md", *files(".rst", folders=("docs",))]:
    for number, line in enumerate(read(path).splitlines(), 1):
        for figure in FIGURE.findall(line):
            if (path, figure) not in KNOWN:
                problems.append(f"{path}:{number}: the figure '{figure}' is typed; take it from results.json by "
                                ":bench:")
finish(problems)
