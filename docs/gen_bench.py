# SPDX-License-Identifier: BSD-2-Clause
"""Makes the tables of docs/benchmarks.rst: `gen_bench.py FOLDER`.

aims.inc: every row with its aim and what Xen takes, from tests/bench/targets.py. results.inc: the
figures of build/bench/results.json with the pictures beside it, or, when nobody has run the
benchmarks, how to get them.
"""

import json
import os
import shutil
import sys

RESULTS = "build/bench/results.json"
PICTURES = {"operations": "Instructions of each operation, beside Xen's and the aim.",
            "block": "What a read costs by each path."}


def table(header, rows):
    out = [".. list-table::", "   :header-rows: 1", ""]
    for row in [header, *rows]:
        for at, cell in enumerate(row):
            out.append(f"   {'* -' if at == 0 else '  -'} {cell}".rstrip())
    return "\n".join(out) + "\n"


def number(value):
    return "" if value is None else f"{value:,}"


def aims():
    sys.path.insert(0, "tests/bench")
    import targets
    return table(("row", "mode", "at most", "Xen"),
                 [(f"``{name}``", mode, number(most), number(targets.XEN.get(name)))
                  for (name, mode), most in targets.AT_MOST.items()])


def pictures(folder):
    """Copies the pictures that are there into folder; returns what shows them."""
    out = ""
    for name, text in PICTURES.items():
        path = f"build/bench/{name}.svg"
        if os.path.exists(path):
            shutil.copy(path, folder)
            out += f".. figure:: {os.path.basename(folder)}/{name}.svg\n   :alt: {text}\n\n   {text}\n\n"
    return out


def results(folder):
    if not os.path.exists(RESULTS):
        return (f"No figures are here: ``{RESULTS}`` does not exist. ``make bench`` makes it, and "
                "``make docs`` behind it fills this section.\n")
    with open(RESULTS, encoding="utf-8") as f:
        found = json.load(f)
    rows = [(f"``{r['name']}``", r["mode"], r["unit"], number(r["value"]), number(r["min"]),
             number(r["max"]), r["runs"], "yes" if r["repeatable"] else "no") for r in found["results"]]
    return (f"Commit ``{found['commit']}``, QEMU {found['qemu']}; made from ``{RESULTS}``.\n\n" +
            pictures(folder) + table(("row", "mode", "unit", "median", "min", "max", "runs", "repeatable"), rows))


def write(folder):
    """Writes both files into folder."""
    for name, text in (("aims.inc", aims()), ("results.inc", results(folder))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    write(sys.argv[1])
