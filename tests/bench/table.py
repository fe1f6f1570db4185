# SPDX-License-Identifier: BSD-2-Clause
"""Tables of results: for the terminal, and as Markdown.

Operations of the interface have a target and what Xen takes; requests have what each layer spends and
what was counted; the targets of the block path, and of one that grows, are ratios. Wall clock has a table of its own.
"""

import targets

COUNTS = {"transitions_all": "transitions", "hypercalls_all": "hypercalls", "events": "events",
          "port_traps": "traps", "bytes_copied": "bytes copied"}


def number(value):
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) or value < 100 else f"{value:,.1f}"


def is_request(r):
    return r["name"].split(".")[0] in ("block", "console")


def operations(rows):
    """(title, header, lines) of the rows that are one operation each."""
    lines = []
    for r in rows:
        if is_request(r) or r["unit"] != "instructions":
            continue
        most = targets.AT_MOST.get((r["name"], r["mode"]))
        verdict = "" if most is None else "met" if r["value"] <= most else "MISSED"
        layers = r.get("layers", {})
        lines.append([r["name"], number(r["value"]), number(r["min"]), number(r["max"]), str(r["runs"]),
                      number(layers.get("guest")), number(layers.get("hyp")), number(most), verdict,
                      number(targets.XEN.get(r["name"])), number(r.get("wall_ns"))])
    return ("Operations of the interface, in instructions",
            ["row", "value", "min", "max", "runs", "guest", "hyp", "at most", "", "Xen", "wall ns"], lines)


def requests(rows):
    """Requests by each path, the whole machine's instructions."""
    lines = []
    for r in rows:
        if not is_request(r) or r["unit"] != "instructions":
            continue
        layers, counts = r.get("layers", {}), r.get("counts", {})
        lines.append([r["name"], r["mode"], number(r["value"]), number(r["min"]), number(r["max"]),
                      *(number(layers.get(layer)) for layer in ("guest", "hyp", "root")),
                      *(number(counts.get(key)) for key in COUNTS), number(r.get("wall_ns")),
                      "" if r["repeatable"] else "no"])
    return ("Requests, in instructions of the whole machine",
            ["row", "mode", "value", "min", "max", "guest", "hyp", "root", *COUNTS.values(), "wall ns",
             "repeatable"], lines)


def wall(rows):
    """Requests to a real disk."""
    lines = [[r["name"], r["mode"], number(r["value"]), number(r["min"]), number(r["max"]),
              str(r["runs"])] for r in rows if r["unit"] == "nanoseconds"]
    return ("Requests to QEMU's disk, in nanoseconds of wall clock (no two runs are alike)",
            ["row", "mode", "median", "min", "max", "runs"], lines)


def ratios(rows):
    lines = [[what, f"{share:.3f}", f"{most:.3f}", "met" if share <= most else "MISSED"]
             for what, share, most in targets.ratios(rows)]
    return ("One row beside another", ["", "ratio", "at most", ""], lines)


def tables(rows):
    return [t for t in (operations(rows), requests(rows), wall(rows), ratios(rows)) if t[2]]


def is_number(cell):
    return cell.replace(",", "").replace(".", "").isdigit()


def text(rows):
    """For a terminal: columns aligned."""
    out = ""
    for title, header, lines in tables(rows):
        widths = [max(len(line[i]) for line in [header, *lines]) for i in range(len(header))]
        right = [all(is_number(line[i]) or not line[i] for line in lines) and any(line[i] for line in lines)
                 for i in range(len(header))]
        out += f"\n{title}\n\n"
        for line in [header, ["-" * w for w in widths], *lines]:
            out += "  ".join(c.rjust(w) if r else c.ljust(w)
                             for c, w, r in zip(line, widths, right)).rstrip() + "\n"
    return out + "\n"


def markdown(rows):
    out = ""
    for title, header, lines in tables(rows):
        out += f"## {title}\n\n| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|\n"
        out += "".join("| " + " | ".join(line) + " |\n" for line in lines) + "\n"
    return out
