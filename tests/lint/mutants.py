# SPDX-License-Identifier: BSD-2-Clause
"""Every mutant still applies: its lines stand once in its file, and its tests exist.

At most three change one function, so that they are spread over the code.
"""

import os
import sys
from collections import Counter

from _tree import finish, read

sys.path.insert(0, os.path.join("tests", "mutants"))
sys.path.insert(0, os.path.join("tests", "harness"))
import catalogue  # noqa: E402
from run import discover  # noqa: E402

IN_ONE_FUNCTION = 3

problems, places = [], Counter()
tests = {t.name for t in discover("build/gcc-debug", True)}
try:
    mutants = catalogue.load()
except catalogue.Broken as why:
    finish([str(why)])
problems += [f"{name}: two mutants have this name" for name, n in Counter(m.name for m in mutants).items() if n > 1]
for m in mutants:
    problems += [f"{m.name}: there is no test {t}" for t in m.tests if t not in tests]
    try:
        text = read(m.file)
        catalogue.apply(m, text)
        places[m.file, catalogue.function(m, text)] += 1
    except (OSError, catalogue.Broken) as why:
        problems.append(str(why))
problems += [f"{file}: {n} mutants in {name or 'no function'}" for (file, name), n in places.items()
             if n > IN_ONE_FUNCTION]
finish(problems, f"{len(mutants)} mutants in {len(places)} functions")
