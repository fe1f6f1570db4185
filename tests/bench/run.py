# SPDX-License-Identifier: BSD-2-Clause
"""Measures: `run.py --build build/CONF --out build/bench [--only PATTERN] [--quick]`.

Boots each benchmark under `-icount shift=0`, where the virtual clock counts instructions, and collects
the lines `BENCH name mode unit median min max runs divisor` from its console. Writes results.json, and
results.md as a table, and prints the table: value, target and what Xen takes for the same operation.
A value is the median; what an empty marker costs is off already. `divisor` is the number of entries of a
batch. Wall clock of a whole boot is printed beside it, never instead of it.
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
import block  # noqa: E402
import qemu  # noqa: E402
import plot  # noqa: E402
import targets  # noqa: E402

LINE = re.compile(r"^(?:\[\w+\] )?BENCH (\S+) (\S+) (\S+) (\d+) (\d+) (\d+) (\d+) (\d+)\s*$", re.M)


class Failed(Exception):
    """A benchmark did not come to its end."""


def micro(build, log):
    """The hypervisor's own operations: a guest that is root itself."""
    image = "tests/bench/micro.elf"
    return qemu.Machine(build, log, initrd=qemu.modules(f"{image} root", f"{image} second"),
                        icount=True, timeout=120)


SCENARIOS = [("micro", micro)] + block.SCENARIOS


BOOT = [re.compile(pattern) for pattern in (
    r"boot: first line at TSC (\d+), now \d+; zeroing (\d+), calibration (\d+)",
    r"boot: root starts at TSC \d+; zeroing its memory (\d+)",
    r"guest's first line at TSC (\d+)")]


def boot_rows(text):
    """From hyp's first line to the guest's; what is spent in zeroing and in calibrating is told apart."""
    found = [pattern.search(text) for pattern in BOOT]
    if not all(found):
        return []
    first, zeroing, calibration = map(int, found[0].groups())
    zeroing += int(found[1].group(1))
    whole = int(found[2].group(1)) - first
    figures = {"boot.first_line": whole - zeroing - calibration, "boot.zeroing": zeroing,
               "boot.calibration": calibration}
    return [row(name, "pv", "instructions", v, v, v, 1, 1) for name, v in figures.items()]


def measure(name, scenario, build, out):
    """Boots one benchmark; returns its rows."""
    with scenario(build, os.path.join(out, name + ".log")) as machine:
        end = machine.wait()
    if not end.orderly or end.reason:
        raise Failed(f"{name}: {end}; last line: {machine.last_line()}")
    rows = [row(*found) for found in LINE.findall(machine.text)]
    if not rows:
        raise Failed(f"{name}: no figures; last line: {machine.last_line()}")
    return rows + boot_rows(machine.text)


def row(name, mode, unit, median, low, high, runs, divisor):
    each = [scaled(int(v), int(divisor)) for v in (median, low, high)]
    real_disk = mode.endswith("_disk") or mode.startswith("native")
    return {"name": name, "mode": mode, "unit": unit, "value": each[0], "min": each[1],
            "max": each[2], "runs": int(runs), "repeatable": not real_disk}


def scaled(value, divisor):
    return value // divisor if value % divisor == 0 else round(value / divisor, 2)


def version(command, pattern):
    try:
        text = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    found = re.search(pattern, text)
    return found.group(1) if found else "unknown"


def table(rows):
    """Markdown: what was measured, what was aimed at, what Xen takes."""
    lines = ["| name | mode | unit | value | min | max | runs | at most | | Xen |",
             "|---|---|---|---:|---:|---:|---:|---:|---|---:|"]
    for r in rows:
        most = targets.AT_MOST.get((r["name"], r["mode"]))
        verdict = "" if most is None else "met" if r["value"] <= most else "MISSED"
        lines.append("| {name} | {mode} | {unit} | {value} | {min} | {max} | {runs} | ".format(**r) +
                     f"{most if most is not None else ''} | {verdict} | "
                     f"{targets.XEN.get(r['name'], '')} |")
    return "\n".join(lines) + "\n"


def save(rows, out):
    result = {"schema": 1, "commit": version(["git", "rev-parse", "HEAD"], r"(\w+)"),
              "qemu": version([qemu.QEMU, "--version"], r"version (\S+)"), "results": rows}
    with open(os.path.join(out, "results.json"), "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    with open(os.path.join(out, "results.md"), "w", encoding="utf-8") as f:
        f.write(table(rows))
    plot.draw(result, out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--short", action="store_true", help="the hypervisor's own rows alone")
    parser.add_argument("--only", default="*", help="names of benchmarks, e.g. micro")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    rows = []
    for name, scenario in SCENARIOS:
        if not fnmatch.fnmatch(name, "micro" if options.short else options.only):
            continue
        started = time.monotonic()
        try:
            rows += measure(name, scenario, options.build, options.out)
        except Failed as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        print(f"bench: {name} took {time.monotonic() - started:.1f} s of wall clock")
    save(rows, options.out)
    print(table(rows), end="")
    missed = targets.missed(rows)
    for line in missed:
        print(f"bench: {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
