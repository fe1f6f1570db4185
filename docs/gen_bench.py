# SPDX-License-Identifier: BSD-2-Clause
"""The figures of the pages: `gen_bench.py FOLDER`.

All of them come from build/bench/results.json; when nobody has run the benchmarks, the pages say how to
get them. latency.inc: the most expensive hypercall. aims.inc: every row with its aim and what Xen takes, from tests/bench/targets.py. summary.inc:
the paths of a disk request beside each other. results.inc: all tables. pictures.inc: the drawings.

`figure` is what the role :bench: shows in a sentence: `name mode`, `name mode part` with a layer or a
count as part, or `name mode / name mode` for how many times the first is of the second.
"""

import json
import os
import shutil
import sys

RESULTS = "build/bench/results.json"
SCHED_PICTURES = {
    "weights": "Shares of three vCPUs with weights 1, 2 and 4 over a second",
    "cap": "Shares of a capped vCPU, of one that sleeps at chosen moments and of one that computes",
    "rotation": "CPU time of six vCPUs on four processors, less what they are due",
    "late": "CPU time of one vCPU that was alone for ten seconds and of four that come then, on two processors",
    "latency": "The longest wake-up latency beside 1 to 64 vCPUs that compute, on 1, 2 and 4 processors",
}
PICTURES = {"paths": "What reading 4 KiB costs by each path, by layer.",
            "sizes": "What a read costs by each path, over its size.",
            "transitions": "How often the hypervisor is entered for a read of 4 KiB.",
            "operations": "What each operation of the interface costs, beside Xen and the target."}
NOTHING = (f"No figures are here: ``{RESULTS}`` does not exist. ``make bench`` makes it, and ``make docs`` "
           "behind it fills this section.\n")
ABSENT = "(not measured here)"
PATHS = {"pv": "split driver", "native": "bare machine, DMA", "native_pio": "bare machine, programmed I/O",
         "emulated_dma": "emulated IDE, DMA", "emulated_pio": "emulated IDE, programmed I/O"}


class Wrong(Exception):
    """A figure that no row can be."""


def load():
    if not os.path.exists(RESULTS):
        return None
    with open(RESULTS, encoding="utf-8") as f:
        return json.load(f)


def bench(name):
    """A module of tests/bench."""
    if "tests/bench" not in sys.path:
        sys.path.insert(0, "tests/bench")
    return __import__(name)


def number(value):
    return bench("table").number(value)


def list_table(header, rows, numbers=True):
    out = [".. list-table::", "   :header-rows: 1"] + (["   :class: figures"] if numbers else []) + [""]
    for row in [header, *rows]:
        for at, cell in enumerate(row):
            out.append(f"   {'* -' if at == 0 else '  -'} {cell}".rstrip())
    return "\n".join(out) + "\n"


# --- in sentences -----------------------------------------------------------------------------------

def part_of(found, words):
    """The result that `name mode [part]` means, or None."""
    if len(words) not in (2, 3):
        raise Wrong("a figure is `name mode` or `name mode part`")
    row = next((r for r in found if (r["name"], r["mode"], r["unit"]) == (*words[:2], "instructions")), None)
    if not row or len(words) == 2:
        return row and row["value"]
    return row.get("layers", {}).get(words[2], row.get("counts", {}).get(words[2]))


def figure(text):
    """What stands for `text` in a sentence."""
    sides = [side.split() for side in text.split("/")]
    found = load()
    values = [part_of(found["results"] if found else [], side) for side in sides]
    if None in values:
        return ABSENT
    if len(values) == 1:
        return number(values[0])
    return f"{values[0] / values[1]:.1f}"


def worst(call):
    """The most instructions that a hypercall was seen to take (rows bound.*), or None."""
    found = load()
    return next((r["max"] for r in found["results"] if r["name"] == "bound." + call), None) if found else None


def latency():
    """The most expensive of all."""
    found = load()
    rows = [r for r in found["results"] if r["name"].startswith("bound.")] if found else []
    if not rows:
        return NOTHING
    most = max(rows, key=lambda r: r["max"])
    name = most["name"].split(".")[1]
    return (f"The most expensive of all {len(rows)} calls is :ref:`hv_{name} <hv_{name}>` with "
            f"**{most['max']:,} instructions**: for so long can a call keep a processor from an interrupt or "
            "from another domain.\n")


# --- tables -----------------------------------------------------------------------------------------

def aims():
    targets = bench("targets")
    ratios = [(f"``{row}``, as part of ``{name}`` in ``{other}``", mode, f"{most:.2f}", "")
              for (row, mode), (name, other), most in targets.RATIOS]
    return list_table(("row", "mode", "at most", "Xen"),
                      [(f"``{name}``", mode, number(most), number(targets.XEN.get(name)))
                       for (name, mode), most in targets.AT_MOST.items()] + ratios)


def summary(found):
    """A line for each path and depth: a 4 KiB read, and whose instructions it takes."""
    rows = {(r["name"], r["mode"]): r for r in found["results"] if r["unit"] == "instructions"}
    least = min((r["value"] for (name, _), r in rows.items() if name.startswith("block.read_4k")), default=0)
    lines = []
    for mode, path in PATHS.items():
        for suffix, depth in (("_q32", ", 32 in flight"), ("", ", one at a time" if mode == "pv" else "")):
            r = rows.get(("block.read_4k" + suffix, mode))
            if r:
                times = f"{r['value'] / least:.1f}"
                layers = r.get("layers", {})
                lines.append((path + depth, f"**{round(r['value']):,}**", times,
                              *(f"{round(layers[layer]):,}" if layer in layers else ""
                                for layer in ("guest", "hyp", "root"))))
    return list_table(("path", "instructions", "×", "guest", "hyp", "root"), lines)


def results(found):
    out = f"Commit ``{found['commit']}``, QEMU {found['qemu']}; made from ``{RESULTS}``.\n\n"
    for title, header, rows in bench("table").tables(found["results"]):
        lines = [[f"``{row[0]}``" if "." in row[0] and " " not in row[0] else row[0], *row[1:]] for row in rows]
        out += f".. rubric:: {title}\n\n{list_table(header, lines)}\n"
    return out


def pictures(folder):
    """Copies the pictures that are there into folder; returns what shows them."""
    out = ""
    for name, text in PICTURES.items():
        path = f"build/bench/{name}.svg"
        if os.path.exists(path):
            shutil.copy(path, folder)
            out += f".. image:: {os.path.basename(folder)}/{name}.svg\n   :alt: {text}\n\n"
    return out or NOTHING


def sched_pictures(folder):
    """The same of `make sched-sim`."""
    out = ""
    for name, text in SCHED_PICTURES.items():
        path = f"build/sched/{name}.svg"
        if os.path.exists(path):
            shutil.copy(path, os.path.join(folder, f"sched-{name}.svg"))
            out += f".. image:: ../{os.path.basename(folder)}/sched-{name}.svg\n   :alt: {text}\n\n"
    return out or "The pictures come with ``make sched-sim`` before ``make docs``.\n"


def trace_picture(folder):
    """The same of `make trace`."""
    path = "build/trace/schedule.svg"
    if not os.path.exists(path):
        return "The picture comes with ``make trace`` before ``make docs``.\n"
    shutil.copy(path, os.path.join(folder, "schedule.svg"))
    return f".. image:: ../{os.path.basename(folder)}/schedule.svg\n   :alt: A schedule of two processors\n"


def write(folder):
    """Writes the files into folder."""
    found = load()
    texts = {"latency": latency(), "aims": aims(), "sched-pictures": sched_pictures(folder), "trace-picture": trace_picture(folder), "summary": summary(found) if found else NOTHING,
             "results": results(found) if found else NOTHING,
             "pictures": pictures(folder) if found else NOTHING}
    for name, text in texts.items():
        with open(os.path.join(folder, name + ".inc"), "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    write(sys.argv[1])
