# SPDX-License-Identifier: BSD-2-Clause
"""The ABI's documentation is in step with its lists.

Every hypercall has a contract above it, in the form that the reference pages are made from; the
errors it names exist; numbers are dense and within their limits; every structure, field and constant of
the golden layout gets into the reference, structures and constants with a word about them; and what
the documentation calls hv_..., HV_E... or HV_NR_... is in abi/.
"""

import os
import re
import sys

from _tree import files, finish, read

sys.path.insert(0, "docs")
import gen_abi  # noqa: E402
import gen_types  # noqa: E402

MAX_CALLS, MAX_ERRORS = 64, 16


def check_lists(calls, errors):
    names = {name for _, name, _ in errors}
    declared = len(re.findall(r"^HV_CALL\d\(", read("abi/hypercalls.def"), re.M))
    if declared != len(calls):
        yield f"abi/hypercalls.def: {declared} entries, {len(calls)} understood"
    if [c.number for c in calls] != list(range(len(calls))):
        yield "abi/hypercalls.def: the numbers are not 0, 1, 2, ..."
    if [n for n, _, _ in errors] != list(range(1, len(errors) + 1)):
        yield "abi/errors.def: the numbers are not 1, 2, 3, ..."
    if len(calls) > MAX_CALLS or len(errors) > MAX_ERRORS:
        yield f"{len(calls)} calls and {len(errors)} errors: the limits are {MAX_CALLS} and {MAX_ERRORS}"
    for call in calls:
        where = f"abi/hypercalls.def: {call.name}"
        if not call.text:
            yield f"{where}: no contract above it"
        if not call.bound:
            yield f"{where}: no bound on its work"
        if not call.errors and "ever fails" not in call.text:
            yield f"{where}: neither errors nor the word that it never fails"
        if call.arity != len(call.arguments):
            yield f"{where}: HV_CALL{call.arity} with {len(call.arguments)} arguments"
        for error, _ in call.errors:
            if error not in names:
                yield f"{where}: names the error {error}, which errors.def does not have"


def check_types():
    try:
        parsed = gen_types.parse()
    except gen_types.Incomplete as why:
        yield str(why)
        return
    for header, (structures, groups) in parsed.items():
        for s in structures:
            if not s.text:
                yield f"abi/{header}: no word about struct {s.name}"
        for group in groups:
            for c in group.constants:
                if not group.text and not c.text:
                    yield f"abi/{header}: no word about {c.name}"


def check_prose(calls, errors):
    text = "".join(read(p) for p in files(".h", ".def", folders=("abi", "libhypercall")))
    known = set(re.findall(r"\b[Hh][Vv]_\w+", text))
    known |= {f"hv_{c.name}" for c in calls} | {f"HV_NR_{c.name}" for c in calls}
    known |= {f"HV_E{name}" for _, name, _ in errors}
    for path in files(".rst", folders=("docs",)) + ["README.md"]:
        for name in sorted(set(re.findall(r"\b(?:hv|HV)_\w+\b(?!\.h\b)", read(path)))):
            if name not in known and not name.endswith("_"):
                yield f"{path}: {name} is not in the ABI"


if not os.path.exists("abi/hypercalls.def"):
    finish([], "no ABI yet")
found_calls, found_errors = gen_abi.parse_calls(), gen_abi.parse_errors()
finish([*check_lists(found_calls, found_errors), *check_types(), *check_prose(found_calls, found_errors)],
       f"{len(found_calls)} calls, {len(found_errors)} errors")
