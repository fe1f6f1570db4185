# SPDX-License-Identifier: BSD-2-Clause
"""Draws what the scheduler's simulator has written: `plot.py FOLDER`.

weights.svg, cap.svg, late.svg: the CPU time that each has had. rotation.svg: how far that is from what it is due. latency.svg:
the longest time from a wake-up to running, beside so many vCPUs that only compute.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from plot import EDGE, WIDTH, Picture  # noqa: E402

SIGNS = [("#009e73", "circle"), ("#3b82c4", "square"), ("#d55e00", "triangle"), ("#b8729c", "circle"),
         ("#e69f00", "square"), ("#6a6a70", "triangle")]
HEIGHT, LEFT = 170, 40


def chart(path, heading, columns, rows, ticks, x_label, every, wide=2):
    """A curve for each of `columns` (label, what it is due at the last row or None) over the first word of each row."""
    picture = Picture(heading[0])
    picture.heading(*heading[1:])

    def sign(i):
        colour, shape = SIGNS[i % len(SIGNS)]
        return lambda x, y: picture.mark(x, y, shape, colour)

    picture.legend([(label, sign(i)) for i, (label, _) in enumerate(columns)])
    low, high, begin = rows[0][0], rows[-1][0], picture.y + 8
    bottom, top = ticks[0], ticks[-1]
    x = lambda value: LEFT + (value - low) / (high - low) * (WIDTH - EDGE - LEFT)  # noqa: E731
    y = lambda value: begin + HEIGHT - (min(value, top) - bottom) / (top - bottom) * HEIGHT  # noqa: E731
    for value in ticks:
        picture.line(LEFT, y(value), WIDTH - EDGE, y(value))
        picture.text(LEFT - 5, y(value) + 4, f"{value:,}", 11, "end", faint=True)
    for i, (_, due) in enumerate(columns):
        colour, shape = SIGNS[i % len(SIGNS)]
        if due is not None:
            picture.parts.append(f'<line x1="{x(low):.1f}" y1="{y(0):.1f}" x2="{x(high):.1f}" y2="{y(due):.1f}" '
                                 'stroke="#9a9aa0" stroke-width="4" stroke-opacity="0.5"/>')
        points = " ".join(f"{x(row[0]):.1f},{y(row[i + 1]):.1f}" for row in rows)
        picture.parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
        for row in rows[every // 2 + i * wide::every]:
            picture.mark(x(row[0]), y(row[i + 1]), shape, colour, 3)
    picture.y = begin + HEIGHT + 18
    picture.text(LEFT, picture.y, x_label, 11, faint=True)
    picture.text(WIDTH - EDGE, picture.y, f"{high:,}", 11, "end", faint=True)
    picture.y += 6
    picture.save(path)


def read(path):
    with open(path, encoding="utf-8") as f:
        return [[int(word) for word in line.split()] for line in f]


def times(path):
    """Milliseconds of CPU time."""
    return [[row[0]] + [value / 1000 for value in row[1:]] for row in read(path)]


def draw(folder):
    at = lambda name: os.path.join(folder, name)  # noqa: E731
    chart(at("weights.svg"), ("Three that compute, one processor", "CPU time in ms; grey: what the weights say"),
          [("weight 1", 1000 / 7), ("weight 2", 2000 / 7), ("weight 4", 4000 / 7)], times(at("weights.txt")),
          range(0, 601, 150), "ms", 12)
    chart(at("cap.svg"), ("A cap, and a sleeper at chosen moments", "CPU time in ms; grey: the cap, and half of the rest"),
          [("capped at 25%", 250), ("9 ms of work, 1 ms of sleep", 375), ("computes", 375)], times(at("cap.txt")),
          range(0, 401, 100), "ms", 12)
    chart(at("rotation.svg"), ("Six that compute, four processors", "CPU time less four sixths of a processor, in ms"),
          [(f"vCPU {i}", None) for i in range(6)],
          [row[:1] + [value - row[0] * 4 / 6 for value in row[1:]] for row in times(at("rotation.txt"))],
          range(-20, 21, 10), "ms", 24)
    chart(at("late.svg"), ("Alone for ten seconds, then four others", "CPU time from then on in ms, on two processors;",
                           "grey: two fifths of a processor"),
          [(f"vCPU {i}", 400) for i in range(5)], times(at("late.txt")), range(0, 481, 120), "ms", 12)
    chart(at("latency.svg"), ("From a wake-up to running", "the longest of about 200, in microseconds, of one that needs",
                              "50 us each 20 ms, beside so many that only compute"),
          [("1 processor", None), ("2", None), ("4", None)], read(at("latency.txt")), range(0, 101, 25),
          "vCPUs that compute", 8, 1)


if __name__ == "__main__":
    draw(sys.argv[1])
