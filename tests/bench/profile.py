# SPDX-License-Identifier: BSD-2-Clause
"""Where the instructions go: `profile.py --build build/CONF --out build/bench [--top N] PATTERN...`.

Runs the scenarios of the rows that match, with the plugin counting every instruction by its address, and
prints for each row the functions that take most of them, an average of all its runs (empty measurement
included). Names come from the images' symbols.
"""

import argparse
import bisect
import fnmatch
import os
import subprocess
import sys

import run
import scenario


def symbols(path):
    """Addresses and names of functions and labels, in order of addresses."""
    lines = subprocess.run(["nm", "-n", path], capture_output=True, text=True, check=True).stdout
    found = [line.split() for line in lines.splitlines()]
    return [(int(f[0], 16), f[2]) for f in found if len(f) == 3 and f[1] in "tTwW"]


class Names:
    """Whose code an address is."""

    def __init__(self, build, layers):
        self.layers = []
        for layer, image in layers.items():
            path = os.path.join(build, image)
            table = symbols(path)
            self.layers.append((layer, *scenario.span(path), [a for a, _ in table], [n for _, n in table]))

    def of(self, address):
        for layer, low, high, addresses, names in self.layers:
            at = bisect.bisect_right(addresses, address) - 1
            if low <= address < high and at >= 0:
                return layer, names[at]
        return "other", "user mode"


def profiles(path):
    """(what was counted, {address: times}) of each row."""
    found = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            kind, *words = line.split()
            if kind == "ROW":
                found.append((dict(w.split("=") for w in words), {}))
            else:
                found[-1][1][int(words[0], 16)] = int(words[1])
    return found


def show(row, counted, times, names, top):
    each = row["_divisor"] * int(counted["samples"])
    by_name = {}
    for address, n in times.items():
        key = names.of(address)
        by_name[key] = by_name.get(key, 0) + n
    whole = sum(by_name.values())
    print(f"\n{row['name']} ({row['mode']}): {whole / each:,.1f} instructions\n")
    for (layer, name), n in sorted(by_name.items(), key=lambda item: -item[1])[:top]:
        print(f"{n / each:12,.1f}  {n * 100 / whole:5.1f}%  {layer:5}  {name}")


def profile(s, options):
    """Shows the rows of a scenario that match; how many."""
    with s.machine(options.build, options.out, "profile=on") as machine:
        end = machine.wait()
    if not end.orderly or end.reason:
        raise run.Failed(f"{s.name}: {end}; last line: {machine.last_line()}")
    names = Names(options.build, s.layers)
    shown = 0
    for row, (counted, times) in zip(run.parse(s, machine.text), profiles(s.counts(options.out))):
        if any(fnmatch.fnmatch(row["name"], p) for p in options.patterns):
            show(row, counted, times, names, options.top)
            shown += 1
    return shown


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("patterns", nargs="*", default=["block.read_4k*"])
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    try:
        shown = sum(profile(s, options) for s in scenario.SCENARIOS
                    if s.layers and s.wanted(options.patterns))
    except (run.Failed, OSError) as error:
        print(f"bench-profile: {error}", file=sys.stderr)
        return 1
    if not shown:
        print(f"bench-profile: {scenario.none(options.patterns)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
