# SPDX-License-Identifier: BSD-2-Clause
"""The tools around the figures: two results compared, and figures that do not fit together refused."""

import json
import os
import re
import sys
import xml.etree.ElementTree

RUN, DIFF, PROFILE = "tests/bench/run.py", "tests/bench/diff.py", "tests/bench/profile.py"


def result(name, value, repeatable=True, mode="pv"):
    return {"name": name, "mode": mode, "unit": "instructions", "value": value, "min": value,
            "max": value, "runs": 9, "repeatable": repeatable}


def results(system, name, rows):
    return system.write(name, json.dumps({"schema": 1, "commit": "c", "qemu": "q",
                                          "results": rows}).encode())


def compared(system, old, new, status, *said):
    done = system.run("/usr/bin/python3", DIFF, old, new)
    system.check(done.returncode == status, f"exit status {status}, not {done.returncode}: {done.stdout}")
    for text in said:
        system.check(text in done.stdout, f"{text!r}, not {done.stdout!r}")


def test_diff_finds_what_became_worse(system):
    "a repeatable row that became dearer, or is gone, gives status 1; any other change does not"
    old = results(system, "old.json", [result("a", 100), result("b", 50), result("n", 10, False)])
    compared(system, old, old, 0, "3 rows, 0 differ")
    better = results(system, "better.json", [result("a", 90), result("b", 50), result("n", 99, False),
                                             result("c", 1)])
    compared(system, old, better, 0, "-10   -10.0%  better", "(worse; not repeatable)", "new")
    worse = results(system, "worse.json", [result("a", 90), result("b", 50.5), result("n", 9, False)])
    compared(system, old, worse, 1, "+0.50    +1.0%  WORSE", "a repeatable row has become worse")
    gone = results(system, "gone.json", [result("a", 100), result("n", 10, False)])
    compared(system, old, gone, 1, "GONE")


def test_diff_refuses_what_is_no_result(system):
    "a missing file, one that is not JSON, another schema, a broken row, too few files: one line, status 2"
    good = results(system, "good.json", [result("a", 1)])
    text = system.write("text.json", b"figures")
    other = system.write("other.json", b'{"schema": 2, "results": []}')
    broken = system.write("broken.json", b'{"schema": 1, "results": [{"name": "a"}]}')
    compared(system, good, system.path("missing.json"), 2, "missing.json: No such file")
    compared(system, text, good, 2, "text.json: not JSON")
    compared(system, good, other, 2, "other.json: not results of schema 1")
    compared(system, good, broken, 2, "broken.json: a result without")
    compared(system, good, "", 2, "two files are compared")


def test_no_such_row(system):
    "a word that no row's name can match is refused in one line, before anything is booted"
    for tool in (RUN, PROFILE):
        done = system.run("/usr/bin/python3", tool, "--build", system.build, "--out", system.scratch, "read_4k")
        system.check(done.returncode == 1 and re.fullmatch(r"bench.*: no row matches read_4k; .*\n", done.stdout),
                     f"{tool}: a refusal, not {done.returncode}: {done.stdout}")


def test_figures_have_to_agree(system):
    "a row whose layers do not sum up to the clock's figure, or that nobody's code took, is refused"
    sys.path.insert(0, os.path.join(system.top, "tests", "bench"))
    import run
    import scenario
    s = scenario.Scenario("s", ("a",), None, {"guest": "g", "hyp": "h"})
    counted = {"samples": 9, "wall": 1, "total": 30, "min": 30, "max": 31, "faults": 1, "interrupts": 0, "roots": 2,
               "below": 30, "above": 30, "second": 30}
    for key in ("instructions", "moved", "copying", "syscalls", "ports"):
        counted |= {f"{key}.{layer}": 0 for layer in ("guest", "hyp", "user", "other")}
    counted |= {"instructions.guest": 10, "instructions.hyp": 20, "syscalls.guest": 1}

    def refused(line, changes):
        rows = run.parse(s, line)
        try:
            run.merge(s, rows[0], counted | changes)
        except run.Failed as error:
            return str(error)
        return None
    line = "[a] BENCH x.y pv instructions 30 30 31 9 1\n[a] COUNT x.y pv events 9 9\n"
    system.check(refused(line, {}) is None, "figures that agree are taken")
    system.check(refused(line, {"below": 29, "total": 29, "min": 29}) is None, "one sample's difference is taken")
    system.check("value is 30 by the clock" in refused(line, {"below": 28, "above": 29}), "another sum is refused")
    system.check("min is 30 by the clock" in refused(line, {"min": 28, "second": 29}), "another minimum is refused")
    system.check("max is 31" in refused(line, {"max": 30}), "another maximum is refused")
    system.check("8" in refused(line, {"samples": 8}), "a run that the plugin has not seen is refused")
    system.check("no layer" in refused(line, {"instructions.other": 1}), "nobody's instructions are refused")
    rows = run.parse(s, line)
    run.merge(s, rows[0], counted)
    system.check(rows[0]["layers"] == {"guest": 10, "hyp": 20}, f"the layers, not {rows[0]['layers']}")
    system.check(rows[0]["counts"]["events"] == 1 and rows[0]["counts"]["transitions_all"] == 2, "the counts")


def drawn(value, layers, **counts):
    """What a picture needs of a request beyond the row."""
    return {"value": value, "layers": layers, "copy": {layer: 1 for layer in layers}, "counts": counts}


def test_pictures_hold_their_words(system):
    "every picture is well-formed and no word of it leaves the picture, whatever was measured"
    sys.path.insert(0, os.path.join(system.top, "tests", "bench"))
    import plot
    import targets
    rows = [result(name, xen // 5) for name, xen in targets.XEN.items()]
    for size, kib in plot.SIZES.items():
        for mode in plot.PATHS:
            for depth in ("", "_q32") if mode == "pv" else ("",):
                value = kib * 9_000
                rows.append(result(f"block.read_{size}{depth}", value, mode=mode) | drawn(
                    value, {"guest": value // 4, "hyp": value // 2, "root": value // 4},
                    transitions_all=12345, port_traps=6789, root_loads=4321))
    plot.draw({"results": rows}, system.scratch)
    for name in plot.PICTURES:
        tree = xml.etree.ElementTree.parse(system.path(name + ".svg"))
        texts = [t for t in tree.iter() if t.tag.endswith("}text")]
        system.check(len(texts) > 5, f"{name}.svg: only {len(texts)} texts")
        for t in texts:
            width = (0.62 if t.get("font-weight") else 0.56) * float(t.get("font-size")) * len(t.text)
            left = float(t.get("x")) - {"start": 0, "middle": width / 2, "end": width}[t.get("text-anchor")]
            system.check(left > -4 and left + width < plot.WIDTH + 4, f"{name}.svg: {t.text!r} leaves the picture")
    plot.draw({"results": []}, system.scratch)
    system.check(not os.path.exists(system.path("paths.svg")), "nothing is drawn of nothing")
