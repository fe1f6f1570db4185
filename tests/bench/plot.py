# SPDX-License-Identifier: BSD-2-Clause
"""Draws results.json: `plot.py results.json OUT`. Writes operations.svg (each operation of the interface
beside Xen's and the target) and block.svg (a 4 KiB and a 64 KiB read by each path). Wall clock is
left out: the pictures show what anybody can count again.
"""

import json
import os
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import targets  # noqa: E402

OURS, OTHER, AIM = "#1b6ca8", "#b9bec5", "#c8442f"
PATHS = {
    "pv": ("split driver", OURS),
    "emulated_dma": ("emulated IDE (DMA)", "#e0a030"),
    "emulated_pio": ("emulated IDE (PIO)", AIM),
    "native_dma": ("bare machine (DMA)", "#8fbc6f"),
    "native_pio": ("bare machine (PIO)", "#5a8f3c"),
}
SIZES = {"4k": "Reading 4 KiB", "64k": "Reading 64 KiB"}
DEPTHS = {"": "one at a time", "_q32": "32 in flight"}

plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
                     "svg.fonttype": "none", "svg.hashsalt": "paravane",
                     "font.family": "sans-serif"})


def save(figure, path):
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def number(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def operations(rows, path):
    """Horizontal bars, a pair an operation, the target as a mark."""
    names = [r["name"] for r in rows if r["name"] in targets.XEN and r["mode"] == "pv"]
    ours = {r["name"]: r["value"] for r in rows if r["mode"] == "pv"}
    figure, axes = plt.subplots(figsize=(8, 0.62 * len(names) + 1.2))
    for at, name in enumerate(names):
        axes.barh(at - 0.19, ours[name], 0.36, color=OURS)
        axes.barh(at + 0.19, targets.XEN[name], 0.36, color=OTHER)
        axes.plot([targets.AT_MOST[(name, "pv")]] * 2, [at - 0.42, at + 0.02], color=AIM, lw=2)
        clear = max(ours[name], targets.AT_MOST[(name, "pv")])
        axes.text(clear + 12, at - 0.19, number(ours[name]), va="center", fontsize=9)
        axes.text(targets.XEN[name] + 12, at + 0.19, number(targets.XEN[name]), va="center",
                  fontsize=9, color="#666")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("instructions per operation (fewer is better)")
    axes.set_title("What an operation of the interface costs", loc="left", fontweight="bold")
    axes.legend(handles=[plt.Rectangle((0, 0), 1, 1, color=OURS, label="Paravane"),
                         plt.Rectangle((0, 0), 1, 1, color=OTHER, label="Xen PV"),
                         plt.Line2D([], [], color=AIM, lw=2, label="aim")],
                loc="lower right", frameon=False)
    save(figure, path)


def bars_of(found, size):
    """(label, value, colour) of each path and depth that has a row."""
    return [(f"{label}, {depth}", found[(f"block.read_{size}{suffix}", mode)], colour)
            for mode, (label, colour) in PATHS.items() for suffix, depth in DEPTHS.items()
            if (f"block.read_{size}{suffix}", mode) in found]


def panel(axes, bars, title):
    most = max(value for _, value, _ in bars)
    for at, (_, value, colour) in enumerate(bars):
        axes.barh(at, value, 0.7, color=colour)
        axes.text(value + most * 0.01, at, number(value), va="center", fontsize=9)
    axes.set_yticks(range(len(bars)), [label for label, _, _ in bars])
    axes.set_xlim(0, most * 1.12)
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda v, _: f"{v:,.0f}"))


def block(rows, path):
    """A panel for each size; its bars share one scale."""
    found = {(r["name"], r["mode"]): r["value"] for r in rows
             if r["unit"] == "instructions" and not r["mode"].endswith("_disk")}
    panels = [(title, bars_of(found, size)) for size, title in SIZES.items()]
    panels = [(title, bars) for title, bars in panels if bars]
    if not panels:
        return
    height = sum(0.36 * len(bars) + 0.6 for _, bars in panels) + 0.4
    figure, axes = plt.subplots(len(panels), 1, figsize=(8, height), squeeze=False,
                                gridspec_kw={"height_ratios": [len(b) + 1 for _, b in panels]})
    for at, (title, bars) in enumerate(panels):
        panel(axes[at][0], bars, title)
    figure.supxlabel("instructions per request: guest, hypervisor and back end (fewer is better)",
                     fontsize=10)
    figure.tight_layout()
    save(figure, path)


def draw(results, out):
    operations(results["results"], os.path.join(out, "operations.svg"))
    block(results["results"], os.path.join(out, "block.svg"))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        draw(json.load(f), sys.argv[2])
