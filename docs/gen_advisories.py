# SPDX-License-Identifier: BSD-2-Clause
"""Makes the tables of Xen's advisories from docs/advisories.csv: `gen_advisories.py FOLDER`.

xen-advisories-AREA.inc: a table of each area, by number. xen-advisories-count.inc: how many there are of each
verdict and source. The file's columns: number; cve, several with blanks between; area; verdict; tests by
their names, with blanks between; source; flaw, what went wrong there; because, why the verdict is so here, where
{word} stands for one of REASONS. problems() tells what is wrong with it; a lint asks.
"""

import csv
import os
import re
import sys
from collections import Counter, namedtuple

PATH = "docs/advisories.csv"
AREAS = ("memory", "cpu", "events", "grants", "rings", "devices", "control", "emulation", "speculation")
# Verdict: what the table says in front of the tests and the reason.
VERDICTS = {"impossible": "impossible", "held": "held", "construction": "by construction", "limit": "known limit",
            "open": "open"}
SOURCES = ("advisory", "record", "notice", "unverified")
REASONS = {
    "tables": "guests have no page tables, and frames have no types (:doc:`decisions/address-spaces`)",
    "shadow": "no shadow paging, no log of dirty pages: hyp makes the only tables "
              "(:doc:`decisions/address-spaces`)",
    "gpa": "buffers are named by guest physical address (:doc:`decisions/guest-physical-buffers`)",
    "multicall": "no call carries calls (:doc:`decisions/no-multicall`)",
    "transfer": "no call passes a frame from one domain to another",
    "epoch": "frames are used again behind a flush (:doc:`decisions/flush-epoch`)",
    "nopcid": "PCID is not used",
    "bounded": "every call has a bound, told in :doc:`reference/calls`",
    "msr": "guests have no model-specific registers: #GP",
    "debug": "guests have no debug registers: #GP",
    "compat": "there are no 32-bit guests",
    "emulator": "no instruction is emulated but port accesses, in 64-bit code (:doc:`decisions/routed-ports`)",
    "savearea": "hyp writes nothing to a guest's stack (:doc:`decisions/entries-by-save-area`)",
    "selectors": "flat selectors, no LDT, no gates, no 32-bit code segment",
    "eager": "extended state is switched eagerly (:doc:`decisions/eager-state`)",
    "fifo": "events have one format, words in a page that hyp placed, and nothing in it is trusted",
    "versions": "grants have one format, in hyp's own memory",
    "reverse": "the exact reverse record (:doc:`decisions/exact-reverse-record`)",
    "ringone": "each slot is copied once and the copy checked, by the one implementation of rings",
    "iommu": "no IOMMU is programmed: who holds a device is trusted with all memory "
             "(:doc:`decisions/dma-without-iommu`)",
    "spec": "not mitigated (:doc:`security`)",
}

Advisory = namedtuple("Advisory", "number cve area verdict tests source flaw because")


def load():
    with open(PATH, encoding="utf-8", newline="") as f:
        reader = csv.DictReader(f)
        if tuple(reader.fieldnames) != Advisory._fields:
            raise SystemExit(f"{PATH}: the columns are not {' '.join(Advisory._fields)}")
        return [Advisory(int(r.pop("number")), r.pop("cve").split(), tests=r.pop("tests").split(), **r) for r in reader]


def order(a):
    return (AREAS.index(a.area) if a.area in AREAS else len(AREAS), a.number)


def row_problems(a, tests):
    where = f"{PATH}: {a.number}"
    for name, known in (("area", AREAS), ("verdict", VERDICTS), ("source", SOURCES)):
        if getattr(a, name) not in known:
            yield f"{where}: the {name} '{getattr(a, name)}' is none of {', '.join(known)}"
    yield from (f"{where}: '{c}' is no CVE number" for c in a.cve if not re.fullmatch(r"CVE-\d{4}-\d{4,}", c))
    yield from (f"{where}: there is no test {t}" for t in a.tests if t not in tests)
    if a.verdict == "held" and not a.tests:
        yield f"{where}: held, but by no test"
    if not a.flaw or not a.because:
        yield f"{where}: no word about the flaw, or why it is {a.verdict}"
    yield from (f"{where}: {{{word}}} is no reason" for word in re.findall(r"\{(\w+)\}", a.because)
                if word not in REASONS)
    yield from (f"{where}: as {n}, which is not in the file" for n in re.findall(r"\bas (\d+)", a.because)
                if int(n) not in {b.number for b in load()})


def problems(tests):
    """What is wrong with the file; tests: the names of all that there are."""
    found = load()
    yield from (f"{PATH}: {n} stands there {times} times"
                for n, times in Counter(a.number for a in found).items() if times > 1)
    if found != sorted(found, key=order):
        yield f"{PATH}: not in the order of areas and numbers"
    for a in found:
        yield from row_problems(a, tests)
    used = {word for a in found for word in re.findall(r"\{(\w+)\}", a.because)}
    yield from (f"docs/gen_advisories.py: nothing needs the reason '{word}'" for word in REASONS if word not in used)


def cve(a):
    return ", ".join(c[4:] for c in a.cve) or "–"


def test(name):
    kind, short = name.split("/", 1)
    return f":ref:`{name} <attack-{short}>`" if kind == "attack" else f"``{name}``"


def here(a):
    because = re.sub(r"\{(\w+)\}", lambda m: REASONS[m.group(1)], a.because)
    tests = ", ".join(map(test, a.tests))
    if not tests:
        return f"**{VERDICTS[a.verdict]}**: {because}"
    by = {"held": f"**held** by {tests}: {because}"}
    return by.get(a.verdict, f"**{VERDICTS[a.verdict]}**: {because}. See {tests}")


def table(found):
    out = [".. list-table::", "   :header-rows: 1", "   :widths: 7 13 30 41 9", "   :class: reference", "",
           "   * - XSA", "     - CVE", "     - what went wrong in Xen", "     - here", "     - source"]
    for a in found:
        out += [f"   * - {a.number}", f"     - {cve(a)}", f"     - {a.flaw}", f"     - {here(a)}", f"     - {a.source}"]
    return "\n".join(out) + "\n"


def count(found):
    verdicts, sources = Counter(a.verdict for a in found), Counter(a.source for a in found)
    parts = [f"{verdicts[v]} {name}" for v, name in VERDICTS.items()]
    return (f"There are {len(found)} advisories in the tables: {', '.join(parts)}. The sources: "
            f"{', '.join(f'{sources[s]} {s}' for s in SOURCES)}.\n")


def write(folder):
    """Writes the tables into folder."""
    found = load()
    pages = {area: table([a for a in found if a.area == area]) for area in AREAS}
    pages["count"] = count(found)
    for name, text in pages.items():
        with open(os.path.join(folder, f"xen-advisories-{name}.inc"), "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    write(sys.argv[1])
