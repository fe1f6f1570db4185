# SPDX-License-Identifier: BSD-2-Clause
"""Draws what the scheduler's simulator has written: `plot.py FOLDER`.

weights.svg, cap.svg, rotation.svg: who has how much of a processor, each 20 ms. latency.svg: the longest time from a
wake-up to running, beside so many vCPUs that only compute.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
from plot import EDGE, WIDTH, Picture  # noqa: E402

SIGNS = [("#009e73", "circle"), ("#3b82c4", "square"), ("#d55e00", "triangle"), ("#b8729c", "circle"),
         ("#e69f00", "square"), ("#6a6a70", "triangle")]
HEIGHT, LEFT = 170, 40


def chart(path, heading, columns, rows, top, step, x_label, every):
    """A curve for each of `columns` (label, aim or None) over the first word of each row."""
    picture = Picture(heading[0])
    picture.heading(*heading[1:])

    def sign(i):
        colour, shape = SIGNS[i % len(SIGNS)]
        return lambda x, y: picture.mark(x, y, shape, colour)

    picture.legend([(label, sign(i)) for i, (label, _) in enumerate(columns)])
    low, high, begin = rows[0][0], rows[-1][0], picture.y + 8
    x = lambda value: LEFT + (value - low) / (high - low) * (WIDTH - EDGE - LEFT)  # noqa: E731
    y = lambda value: begin + HEIGHT - min(value, top) / top * HEIGHT  # noqa: E731
    for value in range(0, top + 1, step):
        picture.line(LEFT, y(value), WIDTH - EDGE, y(value))
        picture.text(LEFT - 5, y(value) + 4, f"{value:,}", 11, "end", faint=True)
    for i, (_, aim) in enumerate(columns):
        colour, shape = SIGNS[i % len(SIGNS)]
        if aim is not None:
            picture.line(LEFT, y(aim), WIDTH - EDGE, y(aim), "hollow")
        points = " ".join(f"{x(row[0]):.1f},{y(row[i + 1]):.1f}" for row in rows)
        picture.parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
        for row in rows[every // 2 + i::every]:
            picture.mark(x(row[0]), y(row[i + 1]), shape, colour, 3)
    picture.y = begin + HEIGHT + 18
    picture.text(LEFT, picture.y, x_label, 11, faint=True)
    picture.text(WIDTH - EDGE, picture.y, f"{high:,}", 11, "end", faint=True)
    picture.y += 6
    picture.save(path)


def read(path):
    with open(path, encoding="utf-8") as f:
        return [[int(word) for word in line.split()] for line in f]


def draw(folder):
    at = lambda name: os.path.join(folder, name)  # noqa: E731
    chart(at("weights.svg"), ("Three that compute, one processor", "permille of the processor, each 20 ms; grey: what the",
                              "weights say"), [("weight 1", 1000 / 7), ("weight 2", 2000 / 7), ("weight 4", 4000 / 7)],
          read(at("weights.txt")), 1000, 250, "ms", 12)
    chart(at("cap.svg"), ("A cap, and a sleeper at chosen moments", "permille of the processor, each 20 ms"),
          [("capped at 25%", 250), ("9 ms of work, 1 ms of sleep", 375), ("computes", 375)], read(at("cap.txt")), 1000,
          250, "ms", 12)
    chart(at("rotation.svg"), ("Six that compute, four processors", "permille of a processor, each 20 ms; grey: four sixths"),
          [(f"vCPU {i}", 2000 / 3 if i == 0 else None) for i in range(6)], read(at("rotation.txt")), 1000, 250, "ms", 24)
    chart(at("latency.svg"), ("From a wake-up to running", "the longest of about 200, in microseconds, of one that needs",
                              "50 us each 20 ms, beside so many that only compute"),
          [("1 processor", None), ("2", None), ("4", None)], read(at("latency.txt")), 100, 25,
          "vCPUs that compute", 8)


if __name__ == "__main__":
    draw(sys.argv[1])
