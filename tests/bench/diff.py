# SPDX-License-Identifier: BSD-2-Clause
"""Compares two results: `diff.py OLD.json NEW.json`.

Prints old, new, difference and percent of each row, the changed ones marked; exit status 1 when a
repeatable row has become dearer or is gone, 2 when a file cannot be used. Rows that are not repeatable
are shown and never judged; nor are wall clock and counts.
"""

import json
import sys


class Unusable(Exception):
    """Not a file of results."""


def load(path):
    """{(name, mode, unit, medium): result} of a file."""
    try:
        with open(path, encoding="utf-8") as f:
            found = json.load(f)
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise Unusable(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict) or found.get("schema") != 1:
        raise Unusable(f"{path}: not results of schema 1")
    try:
        return {(r["name"], r["mode"], r["unit"], r.get("medium", "")): r | {"value": float(r["value"])}
                for r in found["results"]}
    except (KeyError, TypeError, ValueError):
        raise Unusable(f"{path}: a result without name, mode, unit or value") from None


def number(value):
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def compare(old, new):
    """Lines (row, old, new, difference, percent, mark) and whether something became worse."""
    lines, worse = [], False
    for key in [*old, *(k for k in new if k not in old)]:
        was, now = old.get(key), new.get(key)
        known = now or was
        name = f"{key[0]} ({key[1]}, {key[2]}{', ' + key[3] if key[3] else ''})"
        if was and now:
            change = now["value"] - was["value"]
            percent = f"{change * 100 / was['value']:+.1f}%" if was["value"] else "new"
            mark = "" if change == 0 else "better" if change < 0 else "WORSE"
            cells = [number(was["value"]), number(now["value"]), f"{'+' if change > 0 else ''}{number(change)}",
                     percent if change else ""]
        else:
            mark = "new" if now else "GONE"
            cells = [number(was["value"]) if was else "", number(now["value"]) if now else "", "", ""]
        if not known.get("repeatable"):
            mark = f"({mark.lower()}; not repeatable)" if mark else ""
        worse = worse or mark in ("WORSE", "GONE")
        lines.append([name, *cells, mark])
    return lines, worse


def show(lines):
    header = ["row", "old", "new", "difference", "percent", ""]
    widths = [max(len(line[i]) for line in [header, *lines]) for i in range(len(header))]
    for line in [header, *lines]:
        print("  ".join(c.ljust(w) if i in (0, 5) else c.rjust(w)
                        for i, (c, w) in enumerate(zip(line, widths))).rstrip())


def main(arguments):
    if len(arguments) != 2 or not all(arguments):
        print("bench-diff: two files are compared: make bench-diff A=old.json B=new.json", file=sys.stderr)
        return 2
    try:
        old, new = (load(path) for path in arguments)
    except Unusable as error:
        print(f"bench-diff: {error}", file=sys.stderr)
        return 2
    lines, worse = compare(old, new)
    show(lines)
    changed = sum(1 for line in lines if line[5])
    print(f"\n{len(lines)} rows, {changed} differ; " +
          ("a repeatable row has become worse or is gone" if worse else "no repeatable row has become worse"))
    return int(worse)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
