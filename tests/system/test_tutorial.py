# SPDX-License-Identifier: BSD-2-Clause
"""The tutorial, literally: its commands are typed, and what it shows is what comes."""

import os
import re

COMMAND = re.compile(r"``(make example E=\w+)``|^    (make example E=\w+)$", re.M)


def lines_shown(page):
    """The lines of console output that the page shows, in order: those that begin as a program's do."""
    return re.findall(r"^ {3,4}((?:hello from|hyp: root shuts|pingpong:|tick|boxes:) .*)$", page, re.M)


def as_pattern(line):
    """A line as a pattern: a time or a large number may be another, and is where the page has dots."""
    return re.sub(r"(?<![\w.])\d{5,}|(?<=at )\d+|…", r"\\d+", re.escape(line).replace(r"\ ", " "))


def test_examples(system):
    "each command of the tutorial builds and boots its example, which says what the page shows"
    with open(os.path.join(system.top, "docs/tutorial.rst"), encoding="utf-8") as f:
        page = f.read()
    compiler, kind = os.path.basename(system.build).split("-")
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    env.update(CC=compiler, DEBUG="1" if kind == "debug" else "0")
    said = ""
    commands = dict.fromkeys(a or b for a, b in COMMAND.findall(page))
    for command in commands:
        done = system.run(*command.split(), env=env, timeout=300)
        system.check(done.returncode == 0, f"{command}: {done.stdout[-300:]}")
        said += done.stdout.replace("\r", "")
    system.check(len(commands) == 4, f"four steps, not {len(commands)}")
    shown = lines_shown(page)
    system.check(len(shown) > 6, f"the page shows what comes: {shown}")
    for line in shown:
        if line.startswith("boxes: liar: reason 1"):
            continue  # what a broken copy prints; kit.driver_pair breaks one
        system.check(re.search(f"^{as_pattern(line)}$", said, re.M), f"no line like {line!r}")
