# SPDX-License-Identifier: BSD-2-Clause
"""Measures: `run.py --build build/CONF --out build/bench [--short] [PATTERN...]`.

Boots each scenario under `-icount shift=0`, where the virtual clock counts instructions, and collects
from its console the lines

    BENCH name mode unit median min max runs divisor    a row; `divisor`: entries of a batch
    COUNT name mode key value divisor                   what the machine counted meanwhile

and from the counting plugin a line for each row, in the same order: the median run's instructions by
layer, and more. The two are counted independently and have to agree: else the run fails. Writes
results.json, results.md and the pictures, and prints tables. A value is the median; what an empty
measurement costs is off already. Wall clock stands beside a figure, never instead of it.

With patterns only rows whose names match are measured, and go to partial.json.
"""

import argparse
import fnmatch
import json
import os
import re
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "harness"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import qemu  # noqa: E402
import plot  # noqa: E402
import scenario  # noqa: E402
import table  # noqa: E402
import targets  # noqa: E402

LINE = re.compile(r"^(?:\[\S+\] )?(?:"
                  r"BENCH (\S+) (\S+) (\S+) (\d+) (\d+) (\d+) (\d+) (\d+)|"
                  r"COUNT (\S+) (\S+) (\S+) (\d+) (\d+))\s*$", re.M)
BOOT = [re.compile(pattern) for pattern in (
    r"boot: first line at TSC (\d+), now \d+; zeroing (\d+), calibration (\d+)",
    r"boot: root starts at TSC \d+; zeroing its memory (\d+)",
    r"guest's first line at TSC (\d+)")]


class Failed(Exception):
    """A benchmark did not come to its end, or its figures do not fit together."""


# --- rows -----------------------------------------------------------------------------------------

def scaled(value, divisor):
    return value // divisor if value % divisor == 0 else round(value / divisor, 2)


def row(s, name, mode, unit, figures, runs, divisor):
    """A result; `_divisor` is dropped before it is saved."""
    value, low, high = (scaled(v, divisor) for v in figures)
    made = {"name": name, "mode": mode, "unit": unit, "value": value, "min": low, "max": high,
            "runs": runs, "repeatable": s.repeatable}
    if s.medium:
        made["medium"] = s.medium
    return made | {"_divisor": divisor}


def boot_rows(s, text):
    """From hyp's first line to the guest's; what is spent in zeroing and in calibrating is told apart."""
    found = [pattern.search(text) for pattern in BOOT]
    if not all(found):
        return []
    first, zeroing, calibration = map(int, found[0].groups())
    zeroing += int(found[1].group(1))
    whole = int(found[2].group(1)) - first
    figures = {"boot.first_line": whole - zeroing - calibration, "boot.zeroing": zeroing,
               "boot.calibration": calibration}
    return [row(s, name, "pv", "instructions", (v, v, v), 1, 1) for name, v in figures.items()]


def parse(s, text):
    """What a console says: rows, with what the guest counted."""
    rows = []
    for found in LINE.findall(text):
        if found[0]:
            name, mode, unit, *numbers = found[:8]
            median, low, high, runs, divisor = map(int, numbers)
            rows.append(row(s, name, mode, unit, (median, low, high), runs, divisor))
            continue
        name, mode, key, value, divisor = found[8:]
        if not rows or (rows[-1]["name"], rows[-1]["mode"]) != (name, mode):
            raise Failed(f"{s.name}: a count of {name} does not stand behind its row")
        rows[-1].setdefault("counts", {})[key] = scaled(int(value), int(divisor))
    return rows


# --- what the plugin has counted --------------------------------------------------------------------

def by_layer(counted, key, divisor, layers):
    return {layer: scaled(counted[f"{key}.{layer}"], divisor) for layer in layers}


def total(counted, key, divisor):
    return scaled(sum(v for k, v in counted.items() if k.startswith(key + ".")), divisor)


def check(s, r, counted):
    """The sum of the layers is what the virtual clock says, to the instruction, but in one sample of a
    row: now and then one (often the first, in which QEMU translates code) is longer by QEMU's clock
    than by its own count of instructions, with no halt and no more faults than in others; 271 of 1.2
    million have been seen. So the median may be that of a neighbour, and the figure is the plugin's."""
    where = f"{s.name}: {r['name']} ({r['mode']})"
    if counted["samples"] != r["runs"]:
        raise Failed(f"{where}: {r['runs']} runs, but the plugin has seen {counted['samples']}")
    if counted["instructions.other"]:
        raise Failed(f"{where}: {counted['instructions.other']} instructions are of no layer")
    for of, low, high in (("value", counted["below"], counted["above"]), ("min", counted["min"], counted["second"]),
                          ("max", counted["max"], counted["max"] + counted["max"] // 1000)):
        if not scaled(low, r["_divisor"]) <= r[of] <= scaled(high, r["_divisor"]):
            raise Failed(f"{where}: {of} is {r[of]} by the clock, but by layer "
                         f"{scaled(low, r['_divisor'])} to {scaled(high, r['_divisor'])}: {counted}")
    r["value"], r["min"], r["max"] = (scaled(counted[k], r["_divisor"]) for k in ("total", "min", "max"))


def merge(s, r, counted):
    """Adds the plugin's figures of a row."""
    divisor = r["_divisor"]
    layers = [layer for layer in [*s.layers, "user"] if layer != "user" or counted["instructions.user"]]
    if s.waits:
        # The clock goes on while the device works; nobody's instructions are in that.
        r["value"], r["min"], r["max"] = (scaled(counted[k], divisor) for k in ("total", "min", "max"))
    else:
        check(s, r, counted)
    r["layers"] = by_layer(counted, "instructions", divisor, layers)
    r["copy"] = by_layer(counted, "copying", divisor, layers)
    counts = {"hypercalls_all": total(counted, "syscalls", divisor)} if "hyp" in s.layers else {}
    if counts:
        entries = sum(counted[f"syscalls.{layer}"] for layer in [*s.layers, "user"])
        counts["transitions_all"] = scaled(entries + counted["faults"] + counted["interrupts"], divisor)
        counts["root_loads"] = scaled(counted["roots"], divisor)
    counts = r.get("counts", {}) | counts
    moved = sum(counted[f"moved.{layer}"] for layer in [*s.layers, "user"] if layer != "hyp")
    counts["bytes_copied"] = scaled(moved, divisor) + counts.pop("copied_beneath", 0)
    r["counts"] = counts
    r["wall_ns"] = scaled(counted["wall"], divisor)


def counted_lines(path):
    with open(path, encoding="utf-8") as f:
        return [{k: int(v) for k, v in (word.split("=") for word in line.split()[1:])} for line in f]


def add_layers(s, rows, out):
    rows = [r for r in rows if r["name"] not in targets.BY_CLOCK]
    lines = counted_lines(s.counts(out))
    if len(lines) != len(rows):
        raise Failed(f"{s.name}: {len(rows)} rows, but the plugin has {len(lines)}")
    for r, counted in zip(rows, lines):
        merge(s, r, counted)


# --- running ----------------------------------------------------------------------------------------

def measure(s, build, out):
    """Boots one scenario; returns its rows."""
    with s.machine(build, out) as machine:
        end = machine.wait()
    if not end.orderly or end.reason:
        raise Failed(f"{s.name}: {end}; last line: {machine.last_line()} "
                     f"{machine.errors.decode('utf-8', 'replace').strip()}")
    rows = parse(s, machine.text)
    if not rows:
        raise Failed(f"{s.name}: no figures; last line: {machine.last_line()}")
    if s.layers:
        add_layers(s, rows, out)
    if "boot" in s.families:
        rows += boot_rows(s, machine.text)
    for r in rows:
        del r["_divisor"]
    return rows


def version(command, pattern):
    try:
        text = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    found = re.search(pattern, text)
    return found.group(1) if found else "unknown"


def commit():
    """What was measured: the commit, and whether anything has been changed since."""
    changed = version(["git", "status", "--porcelain", "--untracked-files=no"], r"(\S)")
    return version(["git", "rev-parse", "HEAD"], r"(\w+)") + ("" if changed == "unknown" else "+")


def save(rows, out, name):
    result = {"schema": 1, "commit": commit(),
              "qemu": version([qemu.QEMU, "--version"], r"version (\S+)"), "results": rows}
    with open(os.path.join(out, name + ".json"), "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    with open(os.path.join(out, name + ".md"), "w", encoding="utf-8") as f:
        f.write(table.markdown(rows))
    if name == "results":
        plot.draw(result, out)


def run(options):
    """All rows of the scenarios that are wanted."""
    patterns = options.patterns or ["*"]
    rows = []
    for s in scenario.SCENARIOS:
        if not s.wanted(patterns) or (options.short and not s.layers):
            continue
        started = time.monotonic()
        rows += measure(s, options.build, options.out)
        print(f"bench: {s.name} took {time.monotonic() - started:.1f} s of wall clock", flush=True)
    return [r for r in rows if any(fnmatch.fnmatch(r["name"], p) for p in patterns)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--short", action="store_true", help="only what is counted, not the real disks")
    parser.add_argument("patterns", nargs="*", help="names of rows, e.g. 'trap.*'")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    try:
        rows = run(options)
    except (Failed, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if not rows:
        print(f"bench: {scenario.none(options.patterns)}", file=sys.stderr)
        return 1
    save(rows, options.out, "partial" if options.patterns else "results")
    print(table.text(rows), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
