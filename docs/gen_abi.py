# SPDX-License-Identifier: BSD-2-Clause
"""Makes the reference pages of the two ABI lists: `gen_abi.py FOLDER`.

abi/hypercalls.def: a `/** */` comment, then HV_CALLn(number, name, type, argument, ...). A comment is prose with
labelled sentences: `Returns ...`, `Errors: NAME (condition), NAME.`, `Bound: ...`, `Only ...` (who
may call). abi/errors.def: HV_ERROR(number, NAME, "meaning"). The lint abi_docs uses the same parser,
so that what the pages show is what was checked.
"""

import glob
import os
import re
import sys
from dataclasses import dataclass, field

import gen_bench

REGISTERS = ("RDI", "RSI", "RDX", "R10", "R8", "R9")
CALL = re.compile(r"(?:/\*\*((?:(?!\*/).)*)\*/\s*)?^HV_CALL(\d)\((\d+),\s*(\w+)((?:,[^)]*)?)\)", re.S | re.M)
FAMILY = re.compile(r"^/\* -+ (.*?) -+ \*/$", re.M)
DRIVER = re.compile(r'^BOUND(?:_PART)?\((\w+),\s*(\d+),\s*\w+(?:,\s*"((?:[^"\\]|\\.)*)")?\);', re.M)
ERROR = re.compile(r'^HV_ERROR\((\d+),\s*(\w+),\s*"((?:[^"\\]|\\.)*)"\)', re.M)


@dataclass
class Call:
    """One hypercall of the list."""

    number: int
    name: str
    arity: int
    arguments: list  # of (type, name)
    text: str
    family: str = ""
    errors: list = field(default_factory=list)  # of (NAME, condition)
    bound: str = ""
    who: str = ""


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def sentence(label, text):
    """Cuts the labelled part out of text: up to the next label or the end. Returns (part, rest)."""
    labels = r"Errors:|Bound:|Returns |Only "
    found = re.search(rf"(?<![\w`]){label}\s*(.*?)(?=\s(?:{labels})|$)", text, re.S)
    if not found:
        return "", text
    return found.group(1).strip(), (text[:found.start()] + text[found.end():]).strip()


def split_errors(text):
    """"PERM, INVAL (a, b), FAULT." as (name, condition) pairs; a comma inside brackets separates nothing."""
    pairs, depth, start = [], 0, 0
    text = text.rstrip(". ")
    for at, c in enumerate(text + ","):
        depth += {"(": 1, ")": -1}.get(c, 0)
        if c == "," and not depth:
            match = re.match(r"\s*(\w+)\s*(?:\((.*)\))?\s*(.*)$", text[start:at], re.S)
            if match:
                condition = " ".join(p for p in (match.group(2), match.group(3)) if p)
                pairs.append((match.group(1), condition))
            start = at + 1
    return pairs


def parse_calls(path="abi/hypercalls.def"):
    text = read(path)
    families = [(m.start(), m.group(1)) for m in FAMILY.finditer(text)]
    calls = []
    for match in CALL.finditer(text):
        comment, arity, number, name, rest = match.groups()
        words = [w.strip() for w in rest.split(",")[1:]]
        prose = " ".join(line.strip(" *") for line in (comment or "").splitlines()).strip()
        call = Call(int(number), name, int(arity), list(zip(words[::2], words[1::2])), prose)
        call.family = next((f for at, f in reversed(families) if at < match.start()), "")
        errors, rest = sentence("Errors:", prose)
        call.errors = split_errors(errors) if errors else []
        call.bound, rest = sentence("Bound:", rest)
        # "Only root." says who may call; anything longer with a "with" inside is prose.
        only = re.search(r"(?:^|\. )(Only [^.]*)\.", rest)
        call.who = only.group(1) if only else ""
        call.text = rest
        calls.append(call)
    return calls


def parse_errors(path="abi/errors.def"):
    return [(int(n), name, text) for n, name, text in ERROR.findall(read(path))]


def parse_drivers():
    """Name: (ceiling, why it falls short of the bound) of what tests/guest/bounds drives."""
    found = [m for path in sorted(glob.glob("tests/guest/bounds/*.c")) for m in DRIVER.findall(read(path))]
    return {name: (int(ceiling), why) for name, ceiling, why in found}


def worst(call):
    """The most instructions that the call was seen to take, for a table."""
    seen = gen_bench.worst(call.name)
    return "(not measured)" if seen is None else f"{seen:,}"


def inline(text):
    """`x` as a literal; what reST would take for markup is escaped."""
    text = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"\0\1\0", text)
    text = text.replace("*", "\\*").replace("|", "\\|")
    text = re.sub(r"(\w)_(?=\W|$)", r"\1\\_", text)
    return text.replace("\0", "``")


def heading(text, mark):
    return [text, mark * len(text), ""]


def default_who(call):
    if call.who:
        return call.who
    if any(name == "dom" for _, name in call.arguments):
        return "Every domain, for itself (``HV_SELF``) and for its descendants"
    return "Every domain, for itself"


def table(rows, widths):
    out = [".. list-table::", f"   :widths: {' '.join(map(str, widths))}", ""]
    for row in rows:
        for at, cell in enumerate(row):
            out.append(f"   {'* -' if at == 0 else '  -'} {cell}")
    return out + [""]


def index(*names):
    """Entries of the general index for what follows."""
    return [".. index::", *(f"   single: {n}" for n in names), ""]


def linked(text, structures):
    """inline(), with structures as links to their page."""
    def link(match):
        return f":ref:`struct {match[1]} <struct-{match[1]}>`" if match[1] in structures else match[0]

    return re.sub(r"\bstruct (hv_\w+)\b", link, inline(text))


def call_section(call, meanings, structures):
    signature = ", ".join(f"{t} {n}" for t, n in call.arguments) or "void"
    out = [f".. _hv_{call.name}:", ""] + index(f"hv_{call.name} (hypercall)", f"HV_NR_{call.name}")
    out += heading(f"hv_{call.name}", "-")
    out += [".. code-block:: c", "", f"   int64_t hv_{call.name}({signature});", ""]
    out += [linked(call.text, structures), ""]
    rows = [("Number", f"{call.number} (``HV_NR_{call.name}``)"), ("Who may call", inline(default_who(call)))]
    if call.arguments:
        rows.append(("Arguments", ", ".join(f"``{n}`` in {r}" for (_, n), r in
                                            zip(call.arguments, REGISTERS))))
    rows.append(("Bound on work", inline(call.bound or "Constant.")))
    ceiling, short = parse_drivers()[call.name]
    rows.append(("Worst seen", f"{worst(call)} instructions{', ' + short if short else ''}; "
                 f"a test fails above {ceiling:,}"))
    out += table(rows, (20, 80))
    if call.errors:
        out += table([(f":ref:`HV_E{name} <hv_e{name.lower()}>`",
                       inline(condition or meanings.get(name, "")))
                      for name, condition in call.errors], (20, 80))
    else:
        out += ["It does not fail.", ""]
    return out


def calls_page(calls, errors, structures):
    meanings = {name: text for _, name, text in errors}
    out = heading("Hypercalls", "=")
    out += ["This page is made from ``abi/hypercalls.def``. The number goes into RAX, arguments into RDI, RSI,",
            "RDX, R10, R8 and R9, in this order; the result is in RAX: a value if it is not negative, else",
            "``-HV_E…`` (:doc:`errors`). RCX and R11 are lost, every other register is kept. A ``gpa`` names",
            "a buffer by guest physical address in the caller's memory, which must not cross a page. A ``dom``",
            "is ``HV_SELF`` or the number of a descendant. :doc:`calls` has all of them in one table.", ""]
    for call in calls:
        out += call_section(call, meanings, structures)
    return "\n".join(out) + "\n"


def summary_page(calls):
    """All calls in one table, family by family."""
    out = heading("All calls on one page", "=")
    out += [f"{len(calls)} calls, with what each can return beside its value. Where a ``dom`` is among the arguments,",
            "a domain may name itself or a descendant. The last column is the largest number of instructions that",
            "was seen, with the most expensive input that the bound beside it allows, from the guest's instruction",
            "before the call to the one behind it (``make bench``, rows ``bound.*``).", ""]
    for family in dict.fromkeys(c.family for c in calls):
        rows = [(f"{c.number}", f":ref:`hv_{c.name} <hv_{c.name}>` ({', '.join(n for _, n in c.arguments)})",
                 ", ".join(f":ref:`{name} <hv_e{name.lower()}>`" for name, _ in c.errors) or "never fails",
                 inline(c.bound or "constant"), worst(c))
                for c in calls if c.family == family]
        out += heading(family[:1].upper() + family[1:], "-")
        out += table([("", "call", "errors", "bound", "worst seen"), *rows], (6, 34, 22, 26, 12))
    return "\n".join(out) + "\n"


def errors_page(calls, errors):
    out = heading("Errors", "=")
    out += ["This page is made from ``abi/errors.def``. A call that fails returns the negated number and has",
            "changed nothing, unless its description says how far it came.", ""]
    for number, name, text in errors:
        users = [f":ref:`hv_{c.name} <hv_{c.name}>`" for c in calls if name in dict(c.errors)]
        out += [f".. _hv_e{name.lower()}:", ""] + index(f"HV_E{name}") + heading(f"HV_E{name}", "-")
        out += [f"Number {number}: {inline(text)}.", ""]
        out += ["Returned by " + ", ".join(users) + "." if users else "Any call may return it.", ""]
    return "\n".join(out) + "\n"


def names():
    """All names that a reader may look for."""
    return [prefix + c.name for c in parse_calls() for prefix in ("hv_", "HV_NR_")] + \
        [f"HV_E{name}" for _, name, _ in parse_errors()]


def write(folder, structures=()):
    """Writes the pages into folder; names of structures become links."""
    os.makedirs(folder, exist_ok=True)
    calls, errors = parse_calls(), parse_errors()
    for name, page in (("hypercalls.rst", calls_page(calls, errors, structures)),
                       ("calls.rst", summary_page(calls)), ("errors.rst", errors_page(calls, errors))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(page)


if __name__ == "__main__":
    write(sys.argv[1])
