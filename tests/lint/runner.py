# SPDX-License-Identifier: BSD-2-Clause
"""The runner's own verdicts: what a console and an end mean.

A runner that calls a crash a success would make every other test worthless; so its judgement is
tried on consoles written here.
"""

import os
import sys
from types import SimpleNamespace

from _tree import finish

sys.path.insert(0, os.path.join("tests", "harness"))
import qemu  # noqa: E402
from run import Guest  # noqa: E402

ORDERLY, REASON_3, PANIC, RESET = 33, (0x13 << 1) | 1, 127, 0
OK = "TEST: SUCCESS\nhyp: audit: ok (9 frames, 1 domains)\n"

# (console, exit status, timed out, debug build, expected result)
CASES = [
    (OK, ORDERLY, False, True, "SUCCESS"),
    ("TEST: SUCCESS\n", ORDERLY, False, False, "SUCCESS"),
    ("TEST: SUCCESS\n", ORDERLY, False, True, "ERROR"),
    ("", ORDERLY, False, True, "ERROR"),
    ("hyp: something\n", ORDERLY, False, True, "ERROR"),
    ("hyp: something\n", RESET, False, True, "CRASH"),
    (OK, RESET, False, True, "CRASH"),
    (OK, PANIC, False, True, "CRASH"),
    (OK + "hyp: PANIC: no\n", ORDERLY, False, True, "CRASH"),
    (OK, 0, True, True, "TIMEOUT"),
    ("TEST: SKIP no such device\n" + OK.split("\n", 1)[1], ORDERLY, False, True, "SKIP"),
    ("TEST: FAILURE 1 is not 2\n", REASON_3, False, True, "FAILURE"),
    ("TEST: ERROR no child\n", REASON_3, False, True, "ERROR"),
    ("TEST: FINE\n", ORDERLY, False, True, "ERROR"),
    ("TEST: SUCCESS\nTEST: FAILURE late\n", ORDERLY, False, True, "FAILURE"),
    ("TEST: SUCCESS\nhyp: audit: frame 12 leaked\n", ORDERLY, False, True, "FAILURE"),
    ("TEST: SUCCESS\naudit: ok\naudit: frame 12 leaked\n", ORDERLY, False, True, "FAILURE"),
    # A child's output carries its domain's number: it can neither pass nor fail the test.
    ("[1] TEST: SUCCESS\n", ORDERLY, False, True, "ERROR"),
    (OK + "[1] TEST: FAILURE\n", ORDERLY, False, True, "SUCCESS"),
]

problems = []
for text, status, timed_out, debug, expected in CASES:
    machine = SimpleNamespace(text=text, errors=b"", last_line=lambda: "")
    guest = SimpleNamespace(debug=debug, timeout=1.0)
    result, why = Guest.judge(guest, machine, qemu.Exit(status, timed_out))
    if result != expected:
        problems.append(f"{text!r}, exit {status}: {result} ({why}) instead of {expected}")
finish(problems, f"{len(CASES)} consoles")
