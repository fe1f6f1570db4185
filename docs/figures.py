# SPDX-License-Identifier: BSD-2-Clause
"""The drawings of the pages: `figures.py FOLDER` writes NAME.svg for each."""

import os
import sys

from draw import Drawing


def layers():
    d = Drawing("layers", "The layers of Paravane: guests and root in ring 3, hyp in ring 0, hardware below", 440)
    d.box("guest", 8, 8, 160, 44, "user programs", "user view of a space")
    d.box("guest", 8, 66, 160, 62, "guest A: pvguest", "front ends, an ordinary", "IDE driver")
    d.box("guest", 8, 142, 160, 44, "guest B: yours", "libhypercall")
    d.box("root", 204, 8, 138, 178, "root", "back ends", "virtio driver", "device models",
          "builder", "console, prompt")
    d.arrow(168, 97, 204, 97, ends="both", number=1)
    d.arrow(60, 186, 60, 262, number=2)
    d.arrow(112, 262, 112, 186, number=3)
    d.arrow(273, 186, 273, 262, number=2)
    d.line(8, 224, 342, 224)
    d.text(342, 219, "ring 3", "f", anchor="end")
    d.text(342, 239, "ring 0", "f", anchor="end")
    d.box("hyp", 8, 264, 334, 62, "hyp", "frames, address spaces, traps, events,", "grants, scheduler, timers, domains")
    d.box("hw", 8, 340, 334, 30, "x86-64 with NX, SMEP, SMAP, FSGSBASE")
    d.legend(394, [(1, "rings in granted memory, and events"), (2, "hypercalls; root also for its children"),
                   (3, "upcalls: events and faults")])
    return d


def exchange(name, title, rows, height):
    """Messages between guest, hyp and root, from top to bottom. A row is (y, from, to, text) or (y, at, text)."""
    at = {"guest": 60, "hyp": 175, "root": 290}
    d = Drawing(name, title, height)
    for who, x in at.items():
        d.box(who, x - 50, 8, 100, 30, who)
        d.line(x, 38, x, height - 6)
    for row in rows:
        if row[2] in at:
            y, a, b, text = row
            d.arrow(at[a], y, at[b], y)
            d.text((at[a] + at[b]) / 2, y - 6, text, anchor="middle", room=112)
        else:
            y, who, *lines = row
            x = min(max(at[who], 72), 278)
            h = 10 + 17 * len(lines)
            d.box(who, x - 66, y, 132, h, *lines, bold=False)
    return d


def split_read():
    return exchange("split-read", "32 reads by the split driver: two events", [
        (50, "guest", "writes 32 slots"), (104, "guest", "hyp", "event_send"),
        (124, "hyp", "root", "upcall"),
        (136, "root", "checks each slot", "once; virtio DMA", "into guest's pages"),
        (224, "root", "hyp", "event_send"), (244, "hyp", "guest", "upcall"),
        (256, "guest", "takes 32 answers")], 300)


def emulated_read():
    return exchange("emulated-read", "One read by emulated IDE, programmed I/O: a trip for each access", [
        (62, "guest", "hyp", "IN: #GP"), (82, "hyp", "root", "request"), (92, "root", "model: one register"),
        (146, "root", "hyp", "io_complete"), (166, "hyp", "guest", "goes on"),
        (176, "guest", "… five more, then", "the command"), (248, "hyp", "guest", "interrupt"),
        (270, "guest", "hyp", "IN status: #GP"), (290, "hyp", "root", "request"),
        (312, "root", "hyp", "io_complete"), (340, "guest", "hyp", "REP INSW: #GP"),
        (360, "hyp", "root", "request"), (382, "root", "hyp", "io_complete"),
        (392, "hyp", "4 KiB copied"), (444, "hyp", "guest", "goes on")], 460)


def address_space():
    d = Drawing("address-space", "The virtual address space: user half, hyp's part, the guest's kernel half", 552)
    y = 8
    for kind, first, h, lines in (
            ("guest", "0000000000000000", 58, ("slots 0-255: user half", "one space, both views")),
            ("none", "00007ffffffff000", 36, ("last page, and the hole",)),
            ("none", "ffff800000000000", 36, ("slots 256-259: unused",)),
            ("hyp", "ffff820000000000", 50, ("slot 260: hyp's image", "text RX, constants R, data RW")),
            ("hyp", "ffff830000000000", 50, ("slot 262: registers of", "LAPIC and I/O APIC, uncached")),
            ("hyp", "ffff838000000000", 50, ("slot 263: stacks", "with guard pages")),
            ("hyp", "ffff840000000000", 50, ("slots 264-327: all RAM", "RW, NX, without hyp's text")),
            ("none", "ffffa40000000000", 36, ("slots 328-503: unused",)),
            ("root", "fffffc0000000000", 58, ("slots 504-511: kernel half", "the guest's; kernel view only")),
            ("root", "ffffffff80000000", 50, ("image, start page, devices", "(kernel code model)"))):
        d.text(8, y + 16, first, "m")
        d.box(kind, 140, y, 202, h, *lines, bold=False, corner=0)
        y += h
    d.text(8, y + 22, "hyp's pages: supervisor, global, in both views of")
    d.text(8, y + 40, "every space. A guest's pages are user pages.")
    return d


def entry():
    d = Drawing("entry", "The ways from user mode and guest kernel into hyp and out again", 590)
    d.box("guest", 90, 8, 170, 44, "user mode", "user view")
    d.box("none", 4, 96, 342, 258, bold=False)
    d.text(14, 116, "hyp, ring 0", "b", 14)
    d.box("hyp", 14, 128, 150, 60, "syscall_user", "save area, flags,", "CR3, GS")
    d.box("hyp", 186, 128, 150, 60, "entry_from_guest", "a page fault takes", "the fast way, too")
    d.box("hyp", 14, 276, 150, 60, "return_to_user", "read once, check,", "unmask")
    d.box("hyp", 186, 276, 150, 60, "hypercall", "table, handler,", "result")
    d.box("hyp", 186, 200, 150, 64, "slow path", "trap_from_guest,", "then vcpu_leave")
    d.box("guest", 90, 404, 170, 62, "guest kernel", "kernel view, ring 3;", "masked, busy at entry")
    d.arrow(125, 52, 125, 128, number=1)
    d.arrow(225, 52, 225, 128, number=2)
    d.arrow(14, 306, 6, 306, 6, 30, 90, 30)
    d.disc(6 + 9, 70, 5)
    d.arrow(164, 176, 175, 176, 175, 404)
    d.disc(175, 232, 3)
    d.arrow(261, 188, 261, 200)
    d.arrow(261, 276, 261, 264)
    d.arrow(130, 404, 130, 336, number=4)
    d.arrow(215, 404, 215, 336)
    d.disc(215, 380, 4)
    d.arrow(245, 336, 245, 404)
    d.legend(496, [(1, "SYSCALL"), (2, "a fault, int n, an interrupt"), (3, "the registered entry point, by SYSRET"),
                   (4, "SYSCALL: a hypercall; one is return_to_user"), (5, "SYSRET or IRET")])
    return d


def kinds():
    d = Drawing("kinds", "Type 1, type 2 and microhypervisor: what is in ring 0", 500)
    d.text(8, 20, "Type 1, monolithic: ESX", "f")
    d.box("guest", 8, 30, 160, 32, "guest")
    d.box("guest", 182, 30, 160, 32, "guest")
    d.box("hyp", 8, 70, 334, 48, "hypervisor", "drivers, device models, policy", active=True)
    d.text(8, 156, "Type 2: the first VMware Workstation, QEMU", "f")
    d.box("guest", 8, 166, 160, 32, "guest")
    d.box("root", 8, 206, 160, 32, "monitor process")
    d.box("root", 182, 166, 160, 72, "other programs")
    d.box("hyp", 8, 246, 334, 48, "operating system", "drivers, a helper for the monitor", active=True)
    d.text(8, 332, "Microhypervisor: NOVA, Paravane", "f")
    d.box("guest", 8, 342, 160, 80, "guest")
    d.box("root", 182, 342, 160, 80, "root", "drivers, back ends,", "device models, policy")
    d.box("hyp", 8, 430, 334, 48, "hypervisor", "frames, spaces, traps, events, time", active=True)
    return d


def pair():
    d = Drawing("pair", "A driver pair: front end, back end, and the pages between them", 346)
    d.box("guest", 8, 8, 334, 32, "front end: owns all pages")
    d.box("root", 8, 240, 334, 32, "back end: windows, guarded")
    d.box("mem", 8, 96, 98, 88, "device page", "state, offer;", "state, answer", bold=False)
    d.box("mem", 126, 96, 98, 88, "request ring", "index,", "slots", bold=False)
    d.box("mem", 244, 96, 98, 88, "answer ring", "index,", "slots", bold=False)
    d.arrow(40, 40, 40, 96, number=1)
    d.arrow(80, 240, 80, 184, number=2)
    d.arrow(155, 40, 155, 96, number=1)
    d.arrow(195, 184, 195, 240, number=3)
    d.arrow(273, 96, 273, 40, number=3)
    d.arrow(313, 240, 313, 184, number=2)
    d.legend(296, [(1, "the front end writes"), (2, "the back end writes"), (3, "the other reads once, and checks the copy")])
    return d


def columns(name, title, left, right, rows):
    """Two parties and what each does, from top to bottom. A row is ("left" or "right", lines...) or
    (">", "<" or "=", what crosses)."""
    at = {"left": 88, "right": 262}
    parts, y = [], 54
    for kind, *lines in rows:
        if kind in at:
            parts.append((kind, y, lines))
            y += 18 + 17 * len(lines)
        else:
            parts.append((kind, y + 14, lines))
            y += 28
    d = Drawing(name, title, y + 8)
    d.box("guest", at["left"] - 80, 8, 160, 30, left)
    d.box("root", at["right"] - 80, 8, 160, 30, right)
    for x in at.values():
        d.line(x, 38, x, y)
    for kind, y, lines in parts:
        if kind in at:
            d.box("guest" if kind == "left" else "root", at[kind] - 80, y, 160, 10 + 17 * len(lines), *lines, bold=False)
        else:
            a, b = (at["left"], at["right"]) if kind == ">" else (at["right"], at["left"])
            d.arrow(a, y, b, y, ends="both" if kind == "=" else "last")
            d.text((a + b) / 2, y - 5, lines[0], anchor="middle", room=170)
    return d


def device_page():
    return columns("device-page", "How front end and back end meet in the device page", "front end", "back end", [
        ("left", "RESET"), ("right", "RESET"),
        ("left", "grants, sizes,", "generation + 1: OFFER"), (">", "port raised"),
        ("right", "reads it once, checks,", "maps everything"), ("right", "features, config: ACK"), ("<", "port raised"),
        ("left", "checks them: RUN"), (">", "port raised"), ("right", "RUN"),
        ("=", "requests, answers"), ("left", "RESET"), (">", "port raised"), ("right", "unmaps all: RESET")])


def grant_life():
    return columns("grant-life", "The life of a grant", "owner", "peer", [
        ("left", "grant_create", "(peer, frames, rights)"), (">", "reference, by any means"),
        ("right", "grant_map:", "into windows,", "at an address"), ("right", "uses it"),
        ("right", "grant_unmap"), ("<", "by any means"), ("left", "grant_end", "(reference, 0)")])


DRAWINGS = (kinds, pair, device_page, grant_life, layers, split_read, emulated_read, address_space, entry)


def write(folder):
    """Writes all of them into folder."""
    os.makedirs(folder, exist_ok=True)
    for make in DRAWINGS:
        drawing = make()
        with open(os.path.join(folder, drawing.name + ".svg"), "w", encoding="utf-8") as f:
            f.write(drawing.svg())


if __name__ == "__main__":
    write(sys.argv[1])
