# SPDX-License-Identifier: BSD-2-Clause
"""Is it a trace? `check.py FILE` holds a JSON trace against the format of Chrome's tracing, and against what a
schedule can be: the fields that each phase requires and no unknown phase; names for every process and thread,
once; events in the order of time; slices of a track one behind the other, B and E in pairs; an arrow's two ends,
each within a slice; no vCPU on two processors at a time, and running on its own track when it is on a processor's.
"""

import json
import math
import sys

PROCESSORS = 1
METADATA = {"process_name": "name", "thread_name": "name", "process_sort_index": "sort_index",
            "thread_sort_index": "sort_index"}
SLACK = 0.0005  # half a nanosecond, in microseconds


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class Check:
    """Collects what is wrong, in words; nothing: it is a trace."""

    def __init__(self, trace):
        self.problems = []
        self.tracks, self.flows, self.names, self.last = {}, {}, {}, 0
        events = trace.get("traceEvents") if isinstance(trace, dict) else None
        if not isinstance(events, list):
            self.wrong("no list traceEvents in an object")
            return
        if trace.get("displayTimeUnit", "ns") not in ("ns", "ms"):
            self.wrong("displayTimeUnit is neither ns nor ms")
        for at, event in enumerate(events):
            self.event(at, event)
        self.check_names()
        for track, slices in self.tracks.items():
            self.check_track(track, slices)
        for flow, ends in self.flows.items():
            self.check_flow(flow, ends)
        self.check_schedule()

    def wrong(self, text):
        self.problems.append(text)

    # ---- event by event ----

    def event(self, at, e):
        if not isinstance(e, dict) or not isinstance(e.get("ph"), str):
            self.wrong(f"event {at}: no object with a phase")
            return
        known = {"M": self.metadata, "X": self.complete, "B": self.begin, "E": self.end, "i": self.instant,
                 "s": self.flow, "t": self.flow, "f": self.flow}
        if e["ph"] not in known:
            self.wrong(f"event {at}: unknown phase {e['ph']!r}")
            return
        name = e.get("name")
        if not (isinstance(name, str) and name) and e["ph"] != "E":
            self.wrong(f"event {at}: no name")
        elif not (whole(e.get("pid")) and whole(e.get("tid"))):
            self.wrong(f"event {at}: pid and tid are whole numbers")
        elif not isinstance(e.get("args", {}), dict):
            self.wrong(f"event {at}: args is no object")
        elif not (number(e.get("ts")) and e["ts"] >= 0):
            self.wrong(f"event {at}: no time")
        else:
            if e["ph"] != "M" and e["ts"] < self.last:
                self.wrong(f"event {at}: earlier than the one before it")
            self.last = max(self.last, e["ts"]) if e["ph"] != "M" else self.last
            known[e["ph"]](at, e)

    def track(self, e):
        return self.tracks.setdefault((e["pid"], e["tid"]), [])

    def metadata(self, at, e):
        key = METADATA.get(e["name"])
        value = e.get("args", {}).get(key)
        good = isinstance(value, str) and value if key == "name" else whole(value)
        if not good:
            self.wrong(f"event {at}: metadata {e['name']} without its value")
            return
        who = (e["name"], e["pid"], e["tid"] if e["name"].startswith("thread") else None)
        if who in self.names:
            self.wrong(f"event {at}: {e['name']} of {who[1:]} comes twice")
        self.names[who] = value

    def complete(self, at, e):
        if not (number(e.get("dur")) and e["dur"] >= 0) or not isinstance(e.get("cat"), str):
            self.wrong(f"event {at}: a slice needs dur and cat")
        else:
            self.track(e).append(("X", e["ts"], e["ts"] + e["dur"], e["name"]))

    def begin(self, _, e):
        self.track(e).append(("B", e["ts"], None, e["name"]))

    def end(self, _, e):
        self.track(e).append(("E", e["ts"], None, e.get("name")))

    def instant(self, at, e):
        if e.get("s") not in ("t", "p", "g"):
            self.wrong(f"event {at}: an instant's scope is t, p or g")
        self.track(e)

    def flow(self, at, e):
        if not isinstance(e.get("id"), (int, str)) or not isinstance(e.get("cat"), str):
            self.wrong(f"event {at}: an arrow's end needs id and cat")
        elif e["ph"] == "f" and e.get("bp") != "e":
            self.wrong(f"event {at}: an arrow ends in the slice around it: bp is e")
        else:
            self.track(e)
            self.flows.setdefault((e["cat"], e["name"], e["id"]), []).append(e)

    # ---- all together ----

    def check_names(self):
        for pid, tid in self.tracks:
            for name, who in (("process_name", (pid, None)), ("thread_name", (pid, tid))):
                if (name, *who) not in self.names:
                    self.wrong(f"no {name} for {who}")

    def check_track(self, track, slices):
        """Here no slice is inside another one: neither can a processor run two, nor a vCPU be in two states."""
        open_since, until = None, 0
        for kind, ts, end, name in slices:
            if kind == "E":
                if open_since is None or name not in (None, open_since[1]):
                    self.wrong(f"track {track}: an E without its B at {ts}")
                open_since, until = None, ts
                continue
            if open_since is not None or ts < until - SLACK:
                self.wrong(f"track {track}: {name!r} begins at {ts} inside another slice")
            if kind == "B":
                open_since = (ts, name)
            else:
                until = max(until, end)
        if open_since is not None:
            self.wrong(f"track {track}: {open_since[1]!r} never ends")

    def inside(self, e):
        slices = self.tracks[(e["pid"], e["tid"])]
        return any(kind == "X" and begin - SLACK <= e["ts"] <= end + SLACK
                   for kind, begin, end, _ in slices)

    def check_flow(self, flow, ends):
        phases = "".join(e["ph"] for e in ends)
        if not (phases.startswith("s") and phases.endswith("f") and set(phases[1:-1]) <= {"t"} and len(ends) > 1):
            self.wrong(f"arrow {flow}: its ends are {phases!r}")
        for e in ends:
            if not self.inside(e):
                self.wrong(f"arrow {flow}: an end at {e['ts']} that is in no slice")

    def check_schedule(self):
        """A vCPU's slices on the processors are those of its own track in which it runs."""
        on_processors, own = {}, {}
        for (pid, tid), slices in self.tracks.items():
            for kind, begin, end, name in slices:
                if kind == "X" and pid == PROCESSORS:
                    on_processors.setdefault(name, []).append((begin, end))
                elif kind == "X" and name == "running":
                    own.setdefault(self.names.get(("thread_name", pid, tid)), []).append((begin, end))
        for name, slices in on_processors.items():
            slices.sort()
            for (_, end), (begin, _) in zip(slices, slices[1:]):
                if begin < end - SLACK:
                    self.wrong(f"{name} is on two processors at {begin}")
        if {n: sorted(s) for n, s in own.items()} != on_processors:
            self.wrong("who runs by its own track does not by the processors', or the other way round")


def check(trace):
    """What is wrong with a trace, in words; an empty list: nothing."""
    return Check(trace).problems


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        problems = check(json.load(f))
    for problem in problems[:20]:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
