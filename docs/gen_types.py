# SPDX-License-Identifier: BSD-2-Clause
"""Makes the reference pages of structures and constants: `gen_types.py FOLDER`.

Names and comments come from abi/*.h, sizes, offsets and values from tests/lint/abi-layout.golden, which
two compilers have agreed on. What is in one and not in the other is an error, so that the pages are
complete. The lint abi_docs uses the same parser.
"""

import glob
import os
import re
import sys
from dataclasses import dataclass, field

from gen_abi import heading, index, inline, read

GOLDEN = "tests/lint/abi-layout.golden"
DOC = re.compile(r"/\*\*(?!<)(.*?)\*/", re.S)
DEFINE = re.compile(r"^#define[ \t]+(HV_[A-Z0-9_]+)(?:[ \t]|\\\n)+((?:[^\n\\/]|\\\n|/(?!\*))*)(?:/\*\*<(.*?)\*/)?", re.M | re.S)
STRUCT = re.compile(r"^struct (\w+) \{", re.M)
MEMBER = re.compile(r"\s*([\w\s]+?[\s*])(\w+)((?:\s*\[[^\]]*\])*)\s*;(?:\s*/\*\*<(.*?)\*/)?", re.S)
TRAILING = re.compile(r"\s*/\*\*<(.*?)\*/", re.S)


class Incomplete(Exception):
    """The headers and the golden layout do not have the same."""


@dataclass
class Constant:
    """A #define of the interface; text is its own comment or, for the first of a group, empty."""

    name: str
    value: str
    text: str


@dataclass
class Group:
    """Constants that stand together, with the comment above them."""

    text: str
    constants: list = field(default_factory=list)


@dataclass
class Field:
    """A member of a structure; its name is dotted in an inner structure."""

    name: str
    kind: str
    offset: int
    size: int
    text: str


@dataclass
class Structure:
    """A structure with all its members."""

    name: str
    size: int
    text: str
    fields: list


def prose(comment):
    """The words of a comment, without its stars."""
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip("\\ ") for line in (comment or "").splitlines()]
    return " ".join(" ".join(lines).split())


def golden():
    """{structure: size}, {structure.field: (offset, size)}, {constant: value}."""
    sizes, places, values = {}, {}, {}
    for line in read(GOLDEN).splitlines():
        if found := re.fullmatch(r"struct (\w+) size (\d+) align \d+", line):
            sizes[found[1]] = int(found[2])
        elif found := re.fullmatch(r"struct (\S+) offset (\d+) size (\d+)", line):
            places[found[1]] = int(found[2]), int(found[3])
        elif found := re.fullmatch(r"(HV_\w+) = (\S+)", line):
            values[found[1]] = found[2]
    return sizes, places, values


def value_text(name, written, values):
    """A value as one reads it: small numbers in decimal, large ones in hexadecimal, strings as written."""
    if name not in values:
        return " ".join(written.split())
    number = int(values[name], 0)
    return str(number) if number < 0x10000 else f"{number:#x}"


def groups(path, values):
    """The constants of a header in groups. A comment is for what follows it without a blank line."""
    text = read(path)
    found = [(m.start(), m.end(), "doc", m) for m in DOC.finditer(text)]
    found += [(m.start(), m.end(), "define", m) for m in DEFINE.finditer(text)]
    out, last, group = [], 0, None
    for start, end, kind, match in sorted(found, key=lambda f: f[:2]):
        if re.search(r"\n[ \t]*\n|\}|;", text[last:start]):
            group = None
        last = end
        if kind == "doc":
            group = Group(prose(match[1]))
            out.append(group)
        elif match[1] != "HV_STATIC_ASSERT" and match[2].strip():
            if group is None:
                out.append(group := Group(""))
            group.constants.append(Constant(match[1], value_text(match[1], match[2], values), prose(match[3])))
    return [g for g in out if g.constants]


def close(text, at):
    """The place of the brace that closes the one before `at`."""
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return at - 1


def members(text, prefix=""):
    """(dotted name, type, comment) of each member."""
    at, out = 0, []
    while at < len(text):
        inner = re.compile(r"\s*struct \{").match(text, at)
        if inner:
            end = close(text, inner.end())
            tail = re.compile(r"\}\s*(\w+);(?:\s*/\*\*<(.*?)\*/)?", re.S).match(text, end)
            out.append((prefix + tail[1], "struct", prose(tail[2])))
            out += members(text[inner.end():end], f"{prefix}{tail[1]}.")
            at = tail.end()
            continue
        member = MEMBER.match(text, at)
        if not member:
            break
        kind = " ".join(member[1].split()) + "".join(member[3].split())
        out.append((prefix + member[2], kind, prose(member[4])))
        at = member.end()
    return out


def structures(path, sizes, places):
    text = read(path)
    out = []
    for match in STRUCT.finditer(text):
        name = match[1]
        above = re.search(r"/\*\*(?!<)((?:(?!\*/).)*)\*/\s*$", text[:match.start()], re.S)
        fields = []
        for dotted, kind, words in members(text[match.end():close(text, match.end())]):
            if f"{name}.{dotted}" not in places:
                raise Incomplete(f"{path}: {name}.{dotted} is not in {GOLDEN}")
            fields.append(Field(dotted, kind, *places[f"{name}.{dotted}"], words))
        out.append(Structure(name, sizes[name], prose(above[1]) if above else "", fields))
    return out


def parse():
    """{header: (structures, groups of constants)}; all that the golden layout has is in it."""
    sizes, places, values = golden()
    out = {}
    for path in sorted(glob.glob("abi/*.h")):
        out[os.path.basename(path)] = structures(path, sizes, places), groups(path, values)
    have = {s.name for found, _ in out.values() for s in found}
    have |= {f"{s.name}.{f.name}" for found, _ in out.values() for s in found for f in s.fields}
    have |= {c.name for _, found in out.values() for g in found for c in g.constants}
    want = set(sizes) | set(places) | {v for v in values if not re.match(r"HV_NR_[a-z]|HV_E[A-Z]+$", v)}
    if want - have:
        raise Incomplete(f"{GOLDEN} has {', '.join(sorted(want - have))}, the headers do not")
    return out


def table(header, rows, widths):
    """Rows of (left, name, detail, words): two columns, so that a phone has room for the words."""
    out = [".. list-table::", "   :header-rows: 1", "   :class: reference", f"   :widths: {' '.join(map(str, widths))}", "",
           f"   * - {header[0]}", f"     - {header[1]}"]
    for left, name, detail, words in rows:
        out += [f"   * - {left}", f"     - | {name} {detail}".rstrip()]
        out += [f"       | {words}"] if words else []
    return out + [""]


def structure_section(s):
    out = [f".. _struct-{s.name}:", ""] + index(f"{s.name} (structure)") + heading(f"struct {s.name}", "^")
    out += [inline(s.text), ""] if s.text else []
    out += [f"{s.size} bytes.", ""]
    rows = [(f"{f.offset:#x}", f"``{f.name}``", f"``{f.kind}``", inline(f.text)) for f in s.fields]
    return out + table(("offset", "field, type"), rows, (14, 86))


def structures_page(parsed):
    out = heading("Structures", "=")
    out += ["Every structure of the interface with every field, made from ``abi/*.h``. Offsets and sizes are in",
            "bytes, as two compilers agree on them. Fields called ``rsvd`` are 0 in what a guest gives, and are given",
            "as 0. A structure that a hypercall takes or fills must not cross a page (:doc:`/abi/conventions`).", ""]
    for header, (found, _) in parsed.items():
        if found:
            out += heading(header, "-")
            for s in found:
                out += structure_section(s)
    return "\n".join(out) + "\n"


def constants_page(parsed):
    out = heading("Constants", "=")
    out += ["Every constant of the interface with its value, made from ``abi/*.h``. The numbers of hypercalls are in",
            ":doc:`hypercalls`, those of errors in :doc:`errors`.", ""]
    for header, (_, found) in parsed.items():
        if not found:
            continue
        out += heading(header, "-")
        for g in found:
            out += [inline(g.text), ""] if g.text else []
            out += index(*(c.name for c in g.constants))
            out += table(("value", "constant"), [(c.value.replace("*", "\\*"), f"``{c.name}``", "", inline(c.text))
                                                 for c in g.constants], (26, 74))
    return "\n".join(out) + "\n"


def names(parsed):
    """All names that a reader may look for."""
    return [s.name for found, _ in parsed.values() for s in found] + \
        [c.name for _, found in parsed.values() for g in found for c in g.constants]


def write(folder, parsed):
    """Writes both pages into folder."""
    for name, page in (("structures.rst", structures_page(parsed)), ("constants.rst", constants_page(parsed))):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            f.write(page)


if __name__ == "__main__":
    write(sys.argv[1], parse())
