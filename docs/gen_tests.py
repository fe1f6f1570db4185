# SPDX-License-Identifier: BSD-2-Clause
"""Makes the catalogues of tests: `gen_tests.py FOLDER`.

attacks.rst: each folder of tests/attack/ with its title and the threat that its head comment tells.
tests.rst: every test that the runner knows, by kind, with its title.
"""

import glob
import os
import re
import sys

from gen_abi import heading, inline

KINDS = {"unit": "Unit tests", "guest": "Guest tests", "attack": "Attacks", "system": "System tests",
         "lint": "Lints"}


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def paragraphs(comment):
    """The text of a comment as paragraphs, without lines for the runner."""
    lines = [re.sub(r"^ \* ?", "", line) for line in comment.splitlines()]
    text = "\n".join(line for line in lines if not re.match(r"(qemu|sources):", line))
    return [" ".join(p.split()) for p in re.split(r"\n\s*\n", text) if p.strip()]


def attack_section(path):
    text = read(path)
    title = re.search(r'test_title\[\]\s*=\s*((?:\s*"[^"]*")+)', text)
    comment = re.search(r"^/\*\n((?: \*.*\n)+?) \*/$", text, re.M)
    folder = os.path.basename(os.path.dirname(path))
    out = [f".. _attack-{folder}:", "", *heading("attack/" + folder, "-")]
    if title:
        out += ["*" + inline("".join(re.findall(r'"([^"]*)"', title.group(1)))) + "*", ""]
    for p in paragraphs(comment.group(1)) if comment else []:
        out += [inline(p), ""]
    return out


def attacks_page():
    out = heading("Attacks", "=")
    out += ["This page is made from the head comments of ``tests/attack/``. Each is a guest; ``make test",
            "T='attack/*'`` runs them all. After each, a debug build recounts all memory.", ""]
    for path in sorted(glob.glob("tests/attack/*/main.c")):
        out += attack_section(path)
    return "\n".join(out) + "\n"


def tests_page():
    sys.path.insert(0, "tests/harness")
    import run
    out = heading("Tests", "=")
    out += ["This page is made by the runner's own search for tests. How they are made is told in",
            ":doc:`/internals/tests`.", ""]
    found = run.discover("build/gcc-debug", True)
    for kind, title in KINDS.items():
        tests = [t for t in found if t.name.split("/")[0] == kind]
        out += heading(f"{title} ({len(tests)})", "-")
        out += [".. list-table::", "   :widths: 35 65", ""]
        for t in tests:
            out += [f"   * - ``{t.name}``", f"     - {inline(t.title)}".rstrip()]
        out.append("")
    return "\n".join(out) + "\n"


def write(folder):
    """Writes both pages into folder."""
    for name, page in (("attacks.rst", attacks_page()), ("tests.rst", tests_page())):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(page)


if __name__ == "__main__":
    write(sys.argv[1])
