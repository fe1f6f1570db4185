# SPDX-License-Identifier: BSD-2-Clause
"""The list of Xen's advisories is in order: numbers stand once, tests exist, the pages name known ones."""

import os
import re
import sys

from _tree import finish, read

sys.path.insert(0, "docs")
sys.path.insert(0, os.path.join("tests", "harness"))
import gen_advisories  # noqa: E402
from run import discover  # noqa: E402

problems = list(gen_advisories.problems({t.name for t in discover("build/gcc-debug", True)}))
known = {a.number for a in gen_advisories.load()}
# The second column of the classes of attack.
for row in re.findall(r"^   \* - .*\n(?:       .*\n)*     - (\d.*)\n", read("docs/security.rst"), re.M):
    problems += [f"docs/security.rst: {gen_advisories.PATH} does not have {n}"
                 for n in re.findall(r"(?<![\d-])\d+\b(?!-)", row) if int(n) not in known]
page = read("docs/xen-advisories.rst")
problems += [f"docs/xen-advisories.rst: does not show the area {area}" for area in gen_advisories.AREAS
             if f"xen-advisories-{area}.inc" not in page]
finish(problems, f"{len(known)} advisories")
