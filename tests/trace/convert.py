# SPDX-License-Identifier: BSD-2-Clause
"""What root's `record` has printed, as a trace in the JSON format of Chrome's tracing, which Perfetto shows.

Process 1 has a track for each processor: which vCPU runs when, wake-ups as arrows from who was running
where the wake-up was made, kicks, sends, interrupts and timers as instants. Each domain is a process of
its own with a track for each vCPU: its run-state. Times are microseconds since the machine started.

Nothing is guessed: where a ring lost entries, what ran on that processor is unknown until the next one.
"""

import re

PROCESSORS = 1  # the process of their tracks; a domain's is 10 + its number
FIRST_DOMAIN = 10
NOBODY = (1 << 32) - 1
RUNNING, RUNNABLE, BLOCKED, OFFLINE = range(4)
# What a vCPU waits for, bit by bit: HV_WAIT_ of abi/hv_vcpu.h.
WAITS = ("event", "io", "paused", "down", "traced", "poll", "capped")


class Broken(Exception):
    """The text is not what root prints."""


class Record:
    """What was printed: domains, vCPUs as they were at the start, entries in the order of time."""

    def __init__(self, text):
        fields = [line.split()[1:] for line in re.findall(r"^RECORD [^\n]*$", text, re.M)]
        self.domains = {int(f[1]): f[2] for f in fields if f[0] == "domain"}
        self.vcpus = {(int(f[1]), int(f[2])): {k: int(v) for k, v in (w.split("=") for w in f[3:])}
                      for f in fields if f[0] == "vcpu"}
        self.lost = {int(f[1]): int(f[2].split("=")[1]) for f in fields if f[0] == "cpu"}
        self.entries = [Entry(*f[1:]) for f in fields if f[0] == "entry"]
        ends = [f for f in fields if f[0] == "end"]
        if len(ends) != 1 or not self.lost:
            raise Broken(f"{len(ends)} ends of a recording, {len(self.lost)} processors")
        end = {k: int(v) for k, v in (w.split("=") for w in ends[0][1:])}
        self.start, self.end = end["from"], end["to"]
        if len(self.entries) != end["entries"]:
            raise Broken(f"{len(self.entries)} entries came over the console, {end['entries']} were printed")
        self.mark_gaps()
        self.entries.sort(key=lambda e: (e.ns, e.cpu, e.seq))

    def mark_gaps(self):
        """The first entry behind what a ring has lost knows how many that were, and when the last one was."""
        last, found = {}, dict.fromkeys(self.lost, 0)
        for e in self.entries:
            before = last.get(e.cpu)
            if before and e.seq != before.seq + 1:
                if e.seq <= before.seq or e.ns < before.ns:
                    raise Broken(f"processor {e.cpu}: entry {e.seq} behind {before.seq}")
                e.gap, e.gap_from = e.seq - before.seq - 1, before.ns
                found[e.cpu] += e.gap
            last[e.cpu] = e
        if any(found[cpu] > self.lost[cpu] for cpu in found):
            raise Broken(f"entries are missing that were not lost: {found}, {self.lost}")

    def name(self, dom, vcpu):
        return f"{self.domains.get(dom, dom)}.{vcpu}"


class Entry:
    """One line: word[] as the event's line in abi/trace.def names them."""

    def __init__(self, cpu, seq, ns, event, domain, *word):
        self.cpu, self.seq, self.ns, self.event, self.domain = int(cpu), int(seq), int(ns), event, int(domain)
        self.word = [int(w, 16) for w in word]
        self.gap, self.gap_from = 0, 0
        if len(self.word) != 3:
            raise Broken(f"an entry of {len(self.word)} words")


class State:
    """What a vCPU does since when."""

    def __init__(self, state, wait, cpu, since):
        self.state, self.wait, self.cpu, self.since = state, wait, cpu, since

    def name(self):
        """The slice's name on the vCPU's track."""
        waits = [name for bit, name in enumerate(WAITS) if self.wait >> bit & 1]
        return {RUNNING: "running", RUNNABLE: "ready", BLOCKED: "blocked", OFFLINE: "offline"}[self.state] + \
            (": " + ", ".join(waits) if waits and self.state != RUNNING else "")


class Converter:
    """Goes through a record once. `events` are those of the trace, in no order yet."""

    def __init__(self, record):
        self.record, self.events, self.flows = record, [], 0
        self.runs = {}  # processor: vCPU
        self.states = {}  # vCPU: State; none: unknown
        self.woken = {}  # vCPU: the events of its last wake-up's arrow that has not ended
        first = {}
        for e in record.entries:
            if e.event == "state":
                first.setdefault((e.word[0], e.word[1]), e.ns)
        for who, at in record.vcpus.items():
            # What began during the recording is in it.
            if at["since"] < first.get(who, record.end) and at["since"] <= record.start:
                self.enter(who, State(at["state"], at["wait"], at["cpu"], record.start))

    def add(self, phase, name, category, ns, pid, tid, **more):
        self.events.append({"ph": phase, "name": name, "cat": category, "ts": ns / 1000, "pid": pid, "tid": tid, **more})

    def instant(self, e, name, category, **args):
        self.add("i", name, category, e.ns, PROCESSORS, e.cpu, s="t", args=args)

    # ---- states ----

    def enter(self, who, state):
        self.states[who] = state
        if state.state == RUNNING:
            self.runs[state.cpu] = who

    def leave(self, who, ns):
        """The end of what it did: a slice on its own track, and one on the processor's if it ran."""
        s = self.states.pop(who, None)
        if s is None:
            return
        if s.state == RUNNING:
            self.runs.pop(s.cpu, None)
        if ns <= s.since:
            return
        dom, vcpu = who
        args = {"processor": s.cpu} if s.state == RUNNING else {}
        dur = {"dur": (ns - s.since) / 1000}
        self.add("X", s.name(), "state", s.since, FIRST_DOMAIN + dom, vcpu, args=args, **dur)
        if s.state == RUNNING:
            self.add("X", self.record.name(dom, vcpu), "run", s.since, PROCESSORS, s.cpu, args={}, **dur)

    def arrow_begin(self, who, e):
        """A wake-up's arrow begins in the slice of whoever ran here; an idle processor has none."""
        self.woken.pop(who, None)
        waker = self.runs.get(e.cpu)
        if waker is not None and self.states[waker].since < e.ns:
            self.woken[who] = (e.ns, e.cpu)

    def arrow_end(self, who, e):
        begin = self.woken.pop(who, None)
        if begin is None:
            return
        self.flows += 1
        self.add("s", "wake-up", "wake", begin[0], PROCESSORS, begin[1], id=self.flows)
        self.add("f", "wake-up", "wake", e.ns, PROCESSORS, e.cpu, id=self.flows, bp="e")

    def on_state(self, e):
        who, state, wait = (e.word[0], e.word[1]), e.word[2] & 255, e.word[2] >> 8
        if state > OFFLINE:
            raise Broken(f"run-state {state}")
        old = self.states.get(who)
        if state == RUNNABLE and (old is None or old.state in (BLOCKED, OFFLINE)):
            self.instant(e, f"wake {self.record.name(*who)}", "wake")
            self.arrow_begin(who, e)
        if state == RUNNING:
            self.arrow_end(who, e)
        self.leave(who, e.ns)
        if state == RUNNING and e.cpu in self.runs:
            raise Broken(f"{self.record.name(*who)} runs on processor {e.cpu}, where another one does")
        self.enter(who, State(state, wait, e.cpu, e.ns))

    # ---- the rest ----

    def on_gap(self, e):
        who = self.runs.get(e.cpu)
        if who is not None:
            self.leave(who, max(e.gap_from, self.states[who].since))
        self.instant(e, f"{e.gap} entries lost", "lost", since=e.gap_from / 1000)

    def on_event(self, e):
        w, domain = e.word, self.record.domains.get
        if e.event == "state":
            self.on_state(e)
        elif e.event == "migrate":
            self.instant(e, f"move {self.record.name(w[0], w[1])} to {w[2]}", "move", steal=w[2] == e.cpu)
        elif e.event == "kick":
            self.instant(e, f"kick processor {w[0]}", "kick")
        elif e.event == "send":
            self.instant(e, f"send to {domain(w[0], w[0])} port {w[1]}", "send")
        elif e.event == "irq":
            self.instant(e, f"interrupt {w[0]}", "irq")
        elif e.event == "timer":
            self.instant(e, "timer", "timer", armed_for=w[0] / 1000, waiting=w[1])
        elif e.event == "line":
            self.instant(e, f"line {w[0]}: {domain(w[1], w[1])} port {w[2]}", "irq")
        elif e.event != "switch":  # which is told by the states already
            self.instant(e, f"{e.event} {w[0]:x} {w[1]:x} {w[2]:x}", "other")

    def metadata(self):
        def meta(kind, pid, tid=0, /, **args):
            self.events.append({"ph": "M", "name": kind, "pid": pid, "tid": tid, "ts": 0, "args": args})

        meta("process_name", PROCESSORS, name="processors")
        meta("process_sort_index", PROCESSORS, sort_index=0)
        for cpu in self.record.lost:
            meta("thread_name", PROCESSORS, cpu, name=f"processor {cpu}")
        for dom in {dom for dom, _ in self.threads}:
            meta("process_name", FIRST_DOMAIN + dom, name=f"domain {self.record.domains.get(dom, dom)}")
            meta("process_sort_index", FIRST_DOMAIN + dom, sort_index=1 + dom)
        for dom, vcpu in self.threads:
            meta("thread_name", FIRST_DOMAIN + dom, vcpu, name=self.record.name(dom, vcpu))

    def convert(self):
        for e in self.record.entries:
            if e.gap:
                self.on_gap(e)
            if self.record.start <= e.ns <= self.record.end:
                self.on_event(e)
        for who in list(self.states):
            self.leave(who, self.record.end)
        self.events.sort(key=lambda e: (e["ts"], e["ph"] != "X", -e.get("dur", 0)))
        self.threads = sorted(set(self.record.vcpus) |
                              {(e["pid"] - FIRST_DOMAIN, e["tid"]) for e in self.events if e["pid"] != PROCESSORS})
        timed, self.events = self.events, []
        self.metadata()
        lost = sum(self.record.lost.values())
        return {"traceEvents": self.events + timed, "displayTimeUnit": "ns",
                "otherData": {"lost": str(lost), "entries": str(len(self.record.entries)),
                              "from_us": str(self.record.start / 1000), "to_us": str(self.record.end / 1000)}}


def convert(text):
    """The trace of what `record` printed, as an object that JSON can hold."""
    return Converter(Record(text)).convert()
