# SPDX-License-Identifier: BSD-2-Clause
"""`make trace`: the trace of a run is one, and what is none is refused."""

import copy
import os
import re
import sys


def modules(system):
    """The programs of tests/trace."""
    folder = os.path.join(system.top, "tests", "trace")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import check
    import convert
    import record as run
    return check, convert, run


def test_trace(system):
    "the schedule of a run on two processors is a valid trace, in which everybody does what they are there for"
    check, convert, run = modules(system)
    os.makedirs(system.path("out"))
    text = run.record(system.build, system.path("boot"), system.log, 2, 300)
    trace, problems = run.write(text, system.path("out"))
    system.check(not problems, f"a valid trace: {problems[:5]}")
    record, events = convert.Record(text), trace["traceEvents"]
    system.check(os.path.getsize(system.path("out/schedule.svg")) > 1000, "a picture")
    names = {e["args"]["name"] for e in events if e["name"] == "thread_name"}
    wanted = {"processor 0", "processor 1", "root.0", "reader.0", "reader.1", "light.0", "heavy.0"}
    system.check(names == wanted, f"all tracks, and no others: {names}")
    # What was lost is told: by the sum, and where it was.
    gaps = [int(e["name"].split()[0]) for e in events if e["ph"] == "i" and e["cat"] == "lost"]
    system.check(sum(gaps) <= sum(record.lost.values()) == int(trace["otherData"]["lost"]), f"losses: {gaps}")
    # Root slept and looked at the rings: it was woken, and it ran; so did others.
    ran = {e["name"] for e in events if e["ph"] == "X" and e["cat"] == "run"}
    system.check({"root.0"} < ran <= wanted, f"who ran: {ran}")
    woken = [e["name"] for e in events if e["ph"] == "i" and e["cat"] == "wake"]
    system.check("wake root.0" in woken, f"wake-ups: {set(woken)}")
    system.check({e["name"] for e in events if e["ph"] == "X" and e["cat"] == "state"} >= {"running"}, "states")
    # Together no more than the processors have.
    total = sum(e["dur"] for e in events if e["ph"] == "X" and e["cat"] == "run")
    system.check(0 < total <= 2 * (record.end - record.start) / 1000, f"{total} us on two processors")


RECORD = """RECORD domain 0 root
RECORD vcpu 0 0 state=0 wait=0 cpu=0 since=500
RECORD domain 1 a
RECORD vcpu 1 0 state=2 wait=1 cpu=1 since=600
RECORD cpu 0 lost=0
RECORD cpu 1 lost=5
RECORD entry 0 10 2000 send 0 1 7 0
RECORD entry 0 11 2100 state 0 1 0 1
RECORD entry 0 12 2200 kick 0 1 0 0
RECORD entry 1 3 2500 state 4294967295 1 0 0
RECORD entry 0 13 3000 state 0 0 0 102
RECORD entry 1 4 4000 timer 1 fa0 1 0
RECORD entry 1 10 6000 irq 1 30 0 0
RECORD entry 1 11 6500 state 1 1 0 102
RECORD end entries=8 from=1000 to=9000
"""


def test_converter(system):
    "of a small record each slice, arrow and gap is where it belongs; one that is not whole is refused"
    check, convert, _ = modules(system)
    trace = convert.convert(RECORD)
    system.check(check.check(trace) == [], f"valid: {check.check(trace)}")
    found = {(e["ph"], e["pid"], e["tid"], e["name"], e["ts"], e.get("dur")) for e in trace["traceEvents"] if e["ph"] != "M"}
    wanted = {
        # Root ran from the start of the recording until it blocked; then nobody is on its processor.
        ("X", 1, 0, "root.0", 1.0, 2.0), ("X", 10, 0, "running", 1.0, 2.0), ("X", 10, 0, "blocked: event", 3.0, 6.0),
        # a.0 was woken by it, and ran on the other one: until the ring lost something, and one knows no more.
        ("X", 11, 0, "blocked: event", 1.0, 1.1), ("X", 11, 0, "ready", 2.1, 0.4), ("X", 1, 1, "a.0", 2.5, 1.5),
        ("X", 11, 0, "running", 2.5, 1.5), ("X", 11, 0, "blocked: event", 6.5, 2.5),
        ("s", 1, 0, "wake-up", 2.1, None), ("f", 1, 1, "wake-up", 2.5, None),
        ("i", 1, 0, "send to a port 7", 2.0, None), ("i", 1, 0, "wake a.0", 2.1, None),
        ("i", 1, 0, "kick processor 1", 2.2, None), ("i", 1, 1, "timer", 4.0, None),
        ("i", 1, 1, "5 entries lost", 6.0, None), ("i", 1, 1, "interrupt 48", 6.0, None)}
    system.check(found == wanted, f"too much: {found - wanted}; missing: {wanted - found}")
    lines = RECORD.splitlines(keepends=True)
    for change, text in (("an entry is missing", "".join(lines[:8] + lines[9:])), ("no end", "".join(lines[:-1])),
                         ("two ends", RECORD + lines[-1]),
                         ("more is missing than was lost", RECORD.replace("lost=5", "lost=4")),
                         ("two on a processor", RECORD.replace("entry 1 11 6500 state 1 1 0 102", "entry 0 14 2800 state 1 1 0 0")),
                         ("an unknown state", RECORD.replace("1 0 102\n", "1 0 109\n"))):
        try:
            convert.convert(text)
            system.check(False, f"{change}: refused")
        except convert.Broken as why:
            system.check(str(why), "and why")


def test_validator(system):
    "the validator takes a valid trace, and each single thing that is wrong with one is found"
    check, convert, _ = modules(system)
    good = convert.convert(RECORD)
    events = good["traceEvents"]

    def index(ph, name):
        return next(i for i, e in enumerate(events) if e["ph"] == ph and e["name"] == name)

    slice_of_root, arrow, instant = index("X", "root.0"), index("s", "wake-up"), index("i", "timer")
    thread, process = index("M", "thread_name"), index("M", "process_name")

    def broken(what, change):
        bad = copy.deepcopy(good)
        change(bad["traceEvents"])
        system.check(check.check(bad), f"{what} is found")

    def put(at, **fields):
        return lambda e: e[at].update(fields)

    def take(at, key):
        return lambda e: e[at].pop(key)

    def insert(at, **fields):
        return lambda e: e.insert(at, {**e[at], **fields})

    system.check(check.check(good) == [], "the good one")
    for bad in ([], {}, {"traceEvents": {}}, {**good, "displayTimeUnit": "s"}):
        system.check(check.check(bad), f"{str(bad)[:20]} is no trace")
    for key in ("ph", "name", "cat", "ts", "dur", "pid", "tid"):
        broken(f"a slice without {key}", take(slice_of_root, key))
    for fields in ({"ph": "Z"}, {"ph": 7}, {"name": ""}, {"ts": -1}, {"ts": "1"}, {"ts": float("nan")}, {"dur": -1},
                   {"dur": float("inf")}, {"pid": "1"}, {"tid": 1.5}, {"args": []}, {"cat": 3}):
        broken(f"a slice with {fields}", put(slice_of_root, **fields))
    broken("an instant without a scope", take(instant, "s"))
    broken("an instant of an unknown scope", put(instant, s="x"))
    broken("events out of order", put(instant, ts=0.5))
    broken("a name that comes twice", lambda e: e.append(e[thread]))
    broken("a thread without a name", lambda e: e.pop(thread))
    broken("a process without a name", lambda e: e.pop(process))
    broken("metadata of an unknown kind", put(thread, name="thread_colour"))
    broken("metadata without its value", put(thread, args={}))
    broken("an arrow without an end", lambda e: e.pop(index("f", "wake-up")))
    broken("an arrow without a beginning", lambda e: e.pop(arrow))
    broken("an arrow without a number", take(arrow, "id"))
    broken("an arrow that begins in no slice", put(arrow, tid=1))
    broken("an arrow that ends at nothing around it", take(index("f", "wake-up"), "bp"))
    broken("slices of a track that overlap", insert(slice_of_root, name="a.0"))
    broken("a vCPU on two processors", insert(slice_of_root, tid=1, dur=0.5))
    broken("a processor that runs who does not", put(slice_of_root, name="a.0"))
    broken("a vCPU that runs on no processor", lambda e: e.pop(slice_of_root))
    begin = {"ph": "B", "name": "x", "pid": 1, "tid": 0, "ts": 9.0}
    pair = [begin, {**begin, "ph": "E", "ts": 9.5}]
    system.check(check.check({"traceEvents": events + pair}) == [], "a pair of B and E is good")
    for what, more in (("a B without its E", pair[:1]), ("an E without its B", pair[1:]),
                       ("an E of another name", [begin, {**pair[1], "name": "y"}]), ("a B in a B", [begin] + pair)):
        system.check(check.check({"traceEvents": events + more}), f"{what} is found")


def test_record(system):
    "root's record refuses what is no time, and leaves the choice of events as it was"
    with system.boot_demo("[domain a]\nimage = pvguest.elf\nmemory = 8M\ncmdline = role=idle\n", talk=True) as machine:
        for words in ("", " 0", " x", " 10001", " 1x"):
            machine.expect(r"paravane> ")
            machine.send(f"record{words}\r")
            machine.expect(rf"record: '{words.strip()}' is no number of milliseconds")
        machine.expect(r"paravane> ")
        machine.send("trace off irq\rrecord 20\r")
        machine.expect(r"^RECORD end entries=\d+ from=\d+ to=\d+\n")
        machine.send("trace on\rquit\r")
        machine.expect(r"^recorded:(?: (?!irq)\w+)+$")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
    system.check(re.search(r"^RECORD vcpu 0 0 state=0 ", machine.text, re.M), "root itself ran")
