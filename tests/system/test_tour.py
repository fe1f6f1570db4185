# SPDX-License-Identifier: BSD-2-Clause
"""The guided tour shows what happens: the sequences in docs/tour/ come when the reads are made again."""

import os

import tour


def difference(wanted, found):
    """Where the nearest of the reads leaves the recorded way."""
    def common(lines):
        names = tour.names(lines)
        return next((n for n, (a, b) in enumerate(zip(wanted, names)) if a != b), min(len(wanted), len(names)))

    nearest = max(found, key=common, default=[])
    at = common(nearest)
    here, there = (" of ".join(reversed(w[at])) if at < len(w) else "the end"
                   for w in (wanted, tour.names(nearest)))
    return f"step {at + 1} is {there}, not {here}; `make tour` records anew, docs/tour.rst tells it"


def follow(system, scenario):
    wanted = tour.names(tour.read_trace(os.path.join(system.top, f"docs/tour/{scenario}.trace")))
    # The disk answers when the host does, so not every read goes the same way.
    for attempt in range(8):
        found = tour.record(system.build, system.log, system.path(str(attempt)), scenario)
        if wanted in map(tour.names, found):
            break
    system.check(found, f"{scenario}: no read at all in the trace")
    system.check(wanted in map(tour.names, found), f"{scenario}: {difference(wanted, found)}")


def test_split(system):
    "a read by the split driver goes the way that the guided tour shows, function by function"
    follow(system, "split")


def test_dma(system):
    "a read by the emulated disk's bus master goes the way that the guided tour shows"
    follow(system, "dma")


def test_ide(system):
    "a read by the emulated disk goes the way that the guided tour shows, function by function"
    follow(system, "ide")
