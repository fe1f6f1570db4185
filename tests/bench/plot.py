# SPDX-License-Identifier: BSD-2-Clause
"""Draws results.json: `plot.py results.json OUT`.

paths.svg: what a 4 KiB read costs by each path, by layer. sizes.svg: cost over the size of a request.
transitions.svg: how often the hypervisor is entered. operations.svg: each operation of the interface
beside Xen's and the target. Wall clock is left out: the pictures show what anybody can count again.

A picture is 360 units wide, so that its words can be read on a phone. Colours are told apart by people
who see fewer of them too (Okabe and Ito's), and never carry a meaning alone: order, dashes and markers
say the same. Ink and ground follow the page, or the viewer's preference when a picture stands alone.
"""

import html
import json
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import targets  # noqa: E402

WIDTH, EDGE = 360, 6
LAYERS = {"guest": ("guest", "#009e73"), "hyp": ("hypervisor", "#3b82c4"), "root": ("root", "#e69f00"),
          "copy": ("copying the data", "#b8729c")}
# mode: name, colour, dashes, marker
PATHS = {
    "pv": ("split driver", "#009e73", "", "circle"),
    "native": ("bare machine, DMA", "#3b82c4", "", "square"),
    "native_pio": ("bare machine, programmed I/O", "#3b82c4", "4 3", "square"),
    "emulated_dma": ("emulated IDE, DMA", "#d55e00", "", "triangle"),
    "emulated_pio": ("emulated IDE, programmed I/O", "#d55e00", "4 3", "triangle"),
}
SIZES = {"4k": 4, "16k": 16, "64k": 64, "256k": 256, "1m": 1024}
STYLE = """
svg[data-plot] { max-width: 38rem; }
svg[data-plot] text { font-family: var(--font-stack, sans-serif); fill: var(--ink); }
svg[data-plot] .faint { fill: var(--faint); }
svg[data-plot] .grid { stroke: var(--faint); stroke-opacity: 0.35; stroke-width: 0.7; }
svg[data-plot] .hollow { fill: none; stroke: var(--faint); stroke-width: 1.6; }
svg[data-plot] .aim { stroke: var(--ink); stroke-width: 1.6; }
svg[data-plot]:root { --ink: #1d1d1f; --faint: #6a6a70; background: #fff; }
@media (prefers-color-scheme: dark) {
  svg[data-plot]:root { --ink: #ececf0; --faint: #a8a8b0; background: #131416; }
}
"""


class Picture:
    """An SVG that grows downwards."""

    def __init__(self, title):
        self.title, self.y, self.parts = title, 4, []

    def text(self, x, y, text, size=12, anchor="start", faint=False, bold=False):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
                          f'{" class=" + chr(34) + "faint" + chr(34) if faint else ""}'
                          f'{" font-weight=" + chr(34) + "bold" + chr(34) if bold else ""}>'
                          f'{html.escape(text)}</text>')

    def rect(self, x, y, w, h, colour):
        self.parts.append(f'<rect x="{x:.2f}" y="{y:.2f}" width="{w:.2f}" height="{h:.2f}" fill="{colour}"/>')

    def line(self, x1, y1, x2, y2, kind="grid"):
        self.parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def mark(self, x, y, shape, colour, r=3.5):
        if shape == "circle":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" fill="{colour}"/>')
        elif shape == "square":
            self.rect(x - r, y - r, 2 * r, 2 * r, colour)
        else:
            points = f"{x:.1f},{y - r - 1:.1f} {x - r - 1:.1f},{y + r:.1f} {x + r + 1:.1f},{y + r:.1f}"
            self.parts.append(f'<polygon points="{points}" fill="{colour}"/>')

    def heading(self, *lines):
        self.text(EDGE, self.y + 13, self.title, 14, bold=True)
        self.y += 20
        for line in lines:
            self.text(EDGE, self.y + 10, line, 11.5, faint=True)
            self.y += 15
        self.y += 4

    def legend(self, entries, step=15):
        """(label, drawer of its sign) below each other, two a line where they fit."""
        x = EDGE
        for label, sign in entries:
            width = 22 + 6.4 * len(label)
            if x > EDGE and x + width > WIDTH - EDGE:
                x, self.y = EDGE, self.y + step
            sign(x + 6, self.y + 7)
            self.text(x + 17, self.y + 11, label, 11.5)
            x += max(width, 84)
        self.y += step + 6

    def save(self, path):
        with open(path, "w", encoding="utf-8") as f:
            f.write(f'<svg class="drawing" data-plot="" xmlns="http://www.w3.org/2000/svg" role="img" '
                    f'viewBox="0 0 {WIDTH} {self.y + 4:.0f}"><title>{html.escape(self.title)}</title>'
                    f'<style>{STYLE}</style>\n' + "\n".join(self.parts) + "\n</svg>\n")


def number(value):
    if value == int(value) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if value < 10 else f"{value:,.1f}"


def counted(rows):
    """{(name, mode): result} of what is in instructions."""
    return {(r["name"], r["mode"]): r for r in rows if r["unit"] == "instructions"}


def paths_of(found, name):
    """(label, result) of each path by which `name` was measured, the split driver's depths first."""
    out = []
    for mode, (label, *_) in PATHS.items():
        for suffix, depth in (("_q32", ", 32 in flight"), ("", ", one at a time")):
            if (name + suffix, mode) in found:
                out.append((label + (depth if mode == "pv" else ""), found[name + suffix, mode]))
    return sorted(out, key=lambda entry: entry[1]["value"])


# --- the pictures -----------------------------------------------------------------------------------

def split(result):
    """Instructions of each layer without those that copy, and these."""
    copy = result.get("copy", {})
    parts = {layer: result["layers"].get(layer, 0) - copy.get(layer, 0) for layer in ("guest", "hyp", "root")}
    return parts | {"copy": sum(copy.values())}


def square(picture, colour):
    return lambda x, y: picture.rect(x - 5, y - 5, 10, 10, colour)


def paths(rows, path):
    """A bar for each path, cut by layer."""
    bars = [(label, r) for label, r in paths_of(counted(rows), "block.read_4k") if "layers" in r]
    if not bars:
        return
    p = Picture("Reading 4 KiB: whose instructions")
    p.heading("All that the machine executes for one request, from the",
              "call to its return; × is how many times the cheapest")
    p.legend([(label, square(p, colour)) for label, colour in LAYERS.values()])
    most = max(r["value"] for _, r in bars)
    least = bars[0][1]["value"]
    for label, r in bars:
        p.text(EDGE, p.y + 11, label, 12)
        times = "" if r["value"] == least else f"  ×{r['value'] / least:.1f}"
        p.text(WIDTH - EDGE, p.y + 11, number(r["value"]) + times, 12, "end", bold=True)
        x = EDGE
        for layer, value in split(r).items():
            width = value / most * (WIDTH - 2 * EDGE)
            p.rect(x, p.y + 16, max(width - 0.6, 0.2 if value else 0), 15, LAYERS[layer][1])
            x += width
        p.y += 40
    p.save(path)


def log_scale(low, high, start, end):
    return lambda v: start + (math.log10(v) - math.log10(low)) / (math.log10(high) - math.log10(low)) * (end - start)


def power(value):
    return {6: "1 million", 7: "10 million"}.get(round(math.log10(value)), f"{value:,}")


def curves(rows):
    """(label, colour, dashes, marker, [(KiB, instructions)]) of each path."""
    found = counted(rows)
    out = []
    for mode, (label, colour, dashes, marker) in PATHS.items():
        for suffix, depth, dash in (("_q32", ", 32 in flight", ""), ("", ", one at a time", "4 3")):
            points = [(kib, found[f"block.read_{size}{suffix}", mode]["value"]) for size, kib in SIZES.items()
                      if (f"block.read_{size}{suffix}", mode) in found]
            if points:
                pv = mode == "pv"
                out.append((label + (depth if pv else ""), colour, dash if pv else dashes, marker, points))
    return out


def sizes(rows, path):
    """Lines on two logarithmic axes: the same distance is the same ratio everywhere."""
    lines = curves(rows)
    if not lines:
        return
    p = Picture("What a read costs, by its size")
    p.heading("Instructions; both axes are logarithmic, so that the", "same distance is the same ratio everywhere")
    values = [v for *_, points in lines for _, v in points]
    low, high = 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values)))
    left, right, top = 66, WIDTH - 14, p.y + 6
    bottom = top + 236
    x_of, y_of = log_scale(4, 1024, left, right), log_scale(low, high, bottom, top)
    tick = low
    while tick <= high:
        p.line(left - 4, y_of(tick), right + 4, y_of(tick))
        p.text(left - 8, y_of(tick) + 4, power(tick), 11, "end", faint=True)
        tick *= 10
    for kib in SIZES.values():
        p.line(x_of(kib), top, x_of(kib), bottom)
        p.text(x_of(kib), bottom + 15, f"{kib} KiB" if kib < 1024 else "1 MiB", 11,
               "middle" if kib < 1024 else "end", faint=True)
    for _, colour, dashes, marker, points in lines:
        at = [(x_of(kib), y_of(v)) for kib, v in points]
        p.parts.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in at)}" fill="none" '
                       f'stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dashes}"/>')
        for x, y in at:
            p.mark(x, y, marker, colour)
    p.y = bottom + 26

    def sample(colour, dashes, marker):
        def draw(x, y):
            p.parts.append(f'<line x1="{x - 8}" y1="{y}" x2="{x + 20}" y2="{y}" stroke="{colour}" '
                           f'stroke-width="1.8" stroke-dasharray="{dashes}"/>')
            p.mark(x + 6, y, marker, colour)
        return draw
    for label, colour, dashes, marker, _ in sorted(lines, key=lambda line: -line[4][0][1]):
        sample(colour, dashes, marker)(EDGE + 8, p.y + 7)
        p.text(EDGE + 34, p.y + 11, label, 11.5)
        p.y += 17
    p.save(path)


# What is entered for: key in counts, words, colour.
ENTRIES = (("transitions_all", "entries into the hypervisor", "#3b82c4"),
           ("port_traps", "of these, port accesses that trap", "#d55e00"),
           ("root_loads", "address spaces loaded", "#e69f00"))


def transitions(rows, path):
    """Three bars for each path."""
    bars = [(label, r["counts"]) for label, r in paths_of(counted(rows), "block.read_4k")
            if "transitions_all" in r.get("counts", {})]
    if not bars:
        return
    p = Picture("Reading 4 KiB: how often it is entered")
    p.heading("On hardware each of these costs far more than the", "instruction that it counts as")
    p.legend([(words, square(p, colour)) for _, words, colour in ENTRIES])
    most = max(counts[key] for _, counts in bars for key, *_ in ENTRIES)
    for label, counts in bars:
        p.text(EDGE, p.y + 11, label, 12)
        p.y += 16
        for key, _, colour in ENTRIES:
            width = counts[key] / most * (WIDTH - 2 * EDGE - 40)
            p.rect(EDGE, p.y, max(width, 0.8) if counts[key] else 0, 9, colour)
            p.text(EDGE + (width + 5 if counts[key] else 0), p.y + 8.5, number(counts[key]), 11)
            p.y += 12
        p.y += 8
    p.save(path)


def operations(rows, path):
    """A line for each operation, ours and Xen's on one logarithmic axis, the target as a mark."""
    ours = {r["name"]: r["value"] for r in rows if r["mode"] == "pv" and r["name"] in targets.XEN}
    names = [name for name in targets.INTERFACE if name in ours]
    if not names:
        return
    p = Picture("What an operation costs, beside Xen")
    p.heading("Instructions; the axis is logarithmic, so the length", "of a line is the ratio")
    blue, grey = "#3b82c4", "#8a8a90"
    p.legend([("Paravane", lambda x, y: p.mark(x, y, "circle", blue, 5)),
              ("Xen PV", lambda x, y: p.mark(x, y, "square", grey, 4.5)),
              ("target", lambda x, y: p.line(x, y - 6, x, y + 6, "aim"))])
    values = [v for name in names for v in (ours[name], targets.XEN[name])]
    x_of = log_scale(min(values) * 0.9, max(values) * 1.1, EDGE + 6, WIDTH - EDGE - 6)
    for name in names:
        xen, most = targets.INTERFACE[name]
        p.text(EDGE, p.y + 11, name, 12)
        p.text(WIDTH - EDGE, p.y + 11, f"{number(ours[name])} : {number(xen)}  ×{xen / ours[name]:.1f}", 12, "end")
        y = p.y + 22
        p.line(EDGE, y, WIDTH - EDGE, y)
        p.parts.append(f'<line x1="{x_of(ours[name]):.1f}" y1="{y}" x2="{x_of(xen):.1f}" y2="{y}" '
                       f'stroke="{blue}" stroke-width="3" stroke-opacity="0.45"/>')
        p.mark(x_of(xen), y, "square", grey, 4.5)
        p.line(x_of(most), y - 7, x_of(most), y + 7, "aim")
        p.mark(x_of(ours[name]), y, "circle", blue, 5)
        p.y += 35
    p.save(path)


PICTURES = {"paths": paths, "sizes": sizes, "transitions": transitions, "operations": operations}


def draw(results, out):
    for name, picture in PICTURES.items():
        path = os.path.join(out, name + ".svg")
        if os.path.exists(path):
            os.remove(path)
        picture(results["results"], path)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        draw(json.load(f), sys.argv[2])
