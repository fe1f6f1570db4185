# SPDX-License-Identifier: BSD-2-Clause
"""Draws a schedule: `chart.py trace.json schedule.svg`.

Above which vCPU each processor ran; below what each vCPU did meanwhile: it ran, was ready and waited for a
processor (low), or waited for something else (nothing). Then a part of it again, closer, with a line from who
made a wake-up to where the woken one began to run. Of a longer trace those parts are shown in which most happens.
"""

import bisect
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from plot import EDGE, WIDTH, Picture, square  # noqa: E402

PROCESSORS = 1
COLOURS = ["#3b82c4", "#e69f00", "#009e73", "#d55e00", "#b8729c", "#56b4e9", "#6a6a70", "#c9b400"]
LEFT, ROW, BAR = 58, 17, 11
WHOLE_US, CLOSE_US = 60000, 4000  # what the two parts show at most


class Schedule:
    """Tracks of a trace: {name: [(from, to, slice's name)]}, of processors and of vCPUs."""

    def __init__(self, trace):
        events = trace["traceEvents"]
        names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
        tracks = {who: [] for who in names}
        for e in events:
            if e["ph"] == "X":
                tracks[e["pid"], e["tid"]].append((e["ts"], e["ts"] + e["dur"], e["name"]))
        self.processors = {names[w]: s for w, s in sorted(tracks.items()) if w[0] == PROCESSORS}
        # Those that never leave their state are of no interest here.
        self.vcpus = {names[w]: s for w, s in sorted(tracks.items())
                      if w[0] != PROCESSORS and any(name in ("running", "ready") for _, _, name in s)}
        self.colour = {name: COLOURS[n % len(COLOURS)] for n, name in enumerate(self.vcpus)}
        begins = {e["id"]: e for e in events if e["ph"] == "s"}
        self.arrows = [(begins[e["id"]]["ts"], begins[e["id"]]["tid"], e["ts"], e["tid"])
                       for e in events if e["ph"] == "f" and e["id"] in begins]
        times = [t for s in self.processors.values() for begin, end, _ in s for t in (begin, end)]
        self.start, self.end = (min(times), max(times)) if times else (0.0, 1.0)
        self.begins = sorted(begin for s in self.processors.values() for begin, _, _ in s)

    def busiest(self, length, start, end):
        """The window of that length in which the most slices of processors begin."""
        length = min(length, end - start)
        starts = [min(t, end - length) for t in self.begins if start <= t <= end] or [start]
        best = max(starts, key=lambda t: bisect.bisect(self.begins, t + length) - bisect.bisect_left(self.begins, t))
        return best, best + length


def axis(picture, begin, end, bottom, top):
    """Lines at round times."""
    step = next(s for s in (100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 10 ** 9) if (end - begin) / s <= 6)
    at = (begin // step + 1) * step
    while at < end:
        x = LEFT + (at - begin) / (end - begin) * (WIDTH - EDGE - LEFT)
        picture.line(x, top, x, bottom)
        picture.text(x, bottom + 11, f"{at / 1000:g}", 10, "middle", faint=True)
        at += step
    picture.text(EDGE, bottom + 11, "ms", 10, faint=True)


def bars(picture, y, slices, begin, end, paint):
    """The slices of a track that are in the window; `paint` says how one is drawn: (colour, height) or None."""
    scale = (WIDTH - EDGE - LEFT) / (end - begin)
    for since, until, name in slices:
        how = paint(name)
        if how is None or until <= begin or since >= end:
            continue
        x = LEFT + (max(since, begin) - begin) * scale
        width = max((min(until, end) - max(since, begin)) * scale, 0.25)
        colour, height = how
        picture.rect(x, y + (BAR - height) / 2, width, height, colour)


def label(picture, y, name):
    picture.text(LEFT - 5, y + BAR - 2, name if len(name) < 11 else name[:9] + "…", 10.5, "end")


def part(picture, schedule, begin, end, arrows):
    """Both kinds of tracks from one time to another."""
    top, where = picture.y, {}
    rows = [(name, s, True) for name, s in schedule.processors.items()] + \
           [(name, s, False) for name, s in schedule.vcpus.items()]
    for n, (name, slices, processor) in enumerate(rows):
        y = picture.y + (0 if processor else 6)
        where[n] = y
        label(picture, y, name.replace("processor", "CPU"))
        if processor:
            bars(picture, y, slices, begin, end, lambda who: (schedule.colour.get(who, "#888"), BAR))
        else:
            own = schedule.colour[name]
            bars(picture, y, slices, begin, end,
                 lambda what, own=own: (own, BAR) if what == "running" else
                 (own, 2.5) if what.startswith("ready") else None)
        picture.y += ROW
    picture.y += 6
    axis(picture, begin, end, picture.y, top)
    scale = (WIDTH - EDGE - LEFT) / (end - begin)
    for since, source, until, target in schedule.arrows if arrows else ():
        if begin <= since and until <= end:
            picture.parts.append(f'<line x1="{LEFT + (since - begin) * scale:.1f}" y1="{where[source] + BAR / 2:.1f}" '
                                 f'x2="{LEFT + (until - begin) * scale:.1f}" y2="{where[target] + BAR / 2:.1f}" '
                                 'stroke="var(--ink)" stroke-width="0.8"/>')
            picture.mark(LEFT + (until - begin) * scale, where[target] + BAR / 2, "circle", "var(--ink)", 1.4)
    picture.y += 22


def draw(trace, path):
    schedule = Schedule(trace)
    picture = Picture("Who runs where")
    processors = len(schedule.processors)
    picture.heading(f"{processors} processor{'s' if processors > 1 else ''}; high: runs; low: ready, waits for one;",
                    "nothing: waits for something else")
    picture.legend([(name, square(picture, colour)) for name, colour in schedule.colour.items()])
    whole = schedule.busiest(WHOLE_US, schedule.start, schedule.end)
    part(picture, schedule, *whole, False)
    picture.text(EDGE, picture.y + 6, "Closer; lines lead from who woke to whom", 11.5, faint=True)
    picture.y += 14
    part(picture, schedule, *schedule.busiest(CLOSE_US, *whole), True)
    picture.save(path)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        draw(json.load(f), sys.argv[2])
