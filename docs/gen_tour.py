# SPDX-License-Identifier: BSD-2-Clause
"""The steps of the guided tour: `gen_tour.py FOLDER`.

A trace in docs/tour/ (made by `make tour`, held by tests/system/test_tour.py) is cut into the steps
below; each becomes tour-SCENARIO-N.inc: a drawing and the lines of the trace. A step begins at the first
line behind the step before that is of the function named; a step, a function or a source file that
is not there is an error, so the pages cannot tell what does not happen.
"""

import glob
import os
import re
import sys

from draw import Drawing

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "harness"))
import tour  # noqa: E402

SOURCES = {"hyp": ("hyp",), "guest": ("pvguest/kernel", "pvguest/guest", "pvguest/drivers/front",
                                      "pvguest/drivers/hw", "pvguest/arch/pv", "libhypercall"),
           "root": ("pvguest/root", "pvguest/drivers/back", "pvguest/drivers/model", "pvguest/drivers/hw",
                    "pvguest/kernel", "pvguest/arch/pv", "libhypercall")}
MEANINGS = {0x1f0: "data", 0x1f1: "error", 0x1f2: "sector count", 0x1f3: "sector, bits 0-7",
            0x1f4: "sector, bits 8-15", 0x1f5: "sector, bits 16-23", 0x1f6: "drive and sector, bits 24-27",
            0x3f6: "status, not acknowledging", 0xc000: "bus master's command", 0xc002: "bus master's status"}


class Missing(Exception):
    """Something the tour names that is not in the tree or in the trace."""


# Where an arrow of a scene goes, and its disc; all in the coordinates of scene().
ARROWS = {
    "guest>mem": ((76, 72, 76, 104), (90, 88)), "mem>guest": ((116, 104, 116, 72), (102, 88)),
    "root>mem": ((236, 72, 236, 88, 160, 88, 160, 104), (236, 88)),
    "mem>root": ((160, 104, 160, 88, 236, 88, 236, 72), (160, 88)),
    "guest>hyp": ((20, 72, 20, 170), (20, 112)), "hyp>guest": ((42, 170, 42, 72), (42, 130)),
    "root>hyp": ((222, 72, 222, 170), (222, 112)), "hyp>root": ((246, 170, 246, 72), (246, 130)),
    "root>disk": ((322, 72, 322, 246), (322, 140)), "disk>hyp": ((220, 246, 220, 214), (234, 230)),
    "disk>mem": ((290, 246, 290, 119, 194, 119), (290, 160)), "hyp>mem": ((130, 170, 130, 134), (144, 152)),
}


def scene(name, title, memory, active, arrows):
    """Guest and root above, memory between them, hyp and the disk below; the arrows of one step."""
    d = Drawing(name, title, 288 + 20 * len(arrows))
    d.box("guest", 8, 8, 150, 64, "guest", "ring 3", active="guest" in active)
    d.box("root", 192, 8, 150, 64, "root", "ring 3", active="root" in active)
    d.box("mem", 58, 104, 136, 30, memory, bold=False, active="mem" in active)
    d.box("hyp", 8, 170, 256, 44, "hyp", "ring 0", active="hyp" in active)
    d.box("hw", 180, 246, 162, 28, "disk", active="disk" in active)
    rows = []
    for number, (way, text) in enumerate(arrows, 1):
        if way:
            points, at = ARROWS[way]
            d.arrow(*points, dashed=way == "disk>mem")
            d.disc(*at, number)
        rows.append((number if way else None, text))
    d.legend(300, rows)
    return d


# scenario: memory's name, steps of (who, first function, title, active boxes, arrows).
STEPS = {
    "split": ("ring and buffers", [
        ("guest", "block_read", "The guest writes a request", ("guest", "mem"),
         [("guest>mem", "one slot: read 8 sectors into buffer 0")]),
        ("hyp", "hc_event_send", "It rings the bell", ("hyp",),
         [("guest>hyp", "event_send: the only word about the read")]),
        ("guest", "arch_idle", "It waits", ("guest", "hyp"),
         [("guest>hyp", "block: nothing to do until an event"),
          ("hyp>root", "root runs, with its port pending")]),
        ("root", "hv_entry_kernel", "The back end checks and passes on", ("root", "mem", "disk"),
         [("mem>root", "the slot is copied once, the copy checked"),
          ("root>disk", "virtio: addresses of the guest's own frames")]),
        ("root", "arch_idle", "Everybody waits for the disk", ("disk", "mem"),
         [("root>hyp", "block: root too has nothing to do"),
          ("disk>mem", "DMA: the data go where they belong")]),
        ("hyp", "irq_dispatch", "The interrupt becomes an event", ("hyp",),
         [("disk>hyp", "a message-signalled interrupt"), ("hyp>root", "an upcall, for the port bound to it")]),
        ("root", "virtio_queue_next", "The back end answers", ("root", "mem"),
         [("root>mem", "one slot: request 0 is done")]),
        ("hyp", "hc_event_send", "The bell on the other side", ("hyp",),
         [("root>hyp", "event_send: the guest asked to be told"), ("hyp>guest", "it runs again, with an upcall")]),
        ("guest", "hv_entry_kernel", "The guest has its data", ("guest", "mem"),
         [("mem>guest", "the answer; the data lie in the buffer")]),
    ]),
    "ide": ("request page", [
        ("guest", "block_read", "An ordinary driver begins", ("guest",),
         [(None, "It knows the ports of a PC, and nothing else.")]),
        ("guest", "bus_in8", "The first port access faults", ("guest", "hyp", "mem"),
         [("guest>hyp", "IN in ring 3: general protection fault"),
          ("hyp>mem", "what was wanted: port, size, value"), ("hyp>root", "root's port is raised; the guest stops")]),
        ("root", "hv_entry_kernel", "The model does what a register would", ("root", "mem"),
         [("mem>root", "the request"), ("root>hyp", "io_complete: done")]),
        ("hyp", "io_complete", "The guest goes on behind the instruction", ("hyp", "guest"),
         [("hyp>guest", "the status in RAX, RIP behind the IN")]),
        ("guest", "bus_out8", "The same again, five times", ("guest", "hyp", "root"),
         [("guest>hyp", "OUT"), ("hyp>root", "request"), ("root>hyp", "io_complete"),
          ("hyp>guest", "goes on")]),
        ("guest", "bus_out8 0x1f7", "The last register is the command", ("root", "disk"),
         [("guest>hyp", "OUT 0x1f7: READ MULTIPLE"), ("hyp>root", "request"),
          ("root>disk", "virtio: into the model's buffer"), ("root>hyp", "io_complete")]),
        ("guest", "arch_idle", "The guest waits for the interrupt", ("hyp", "root", "disk"),
         [("guest>hyp", "block"), ("disk>hyp", "the real interrupt, to root"),
          ("root>hyp", "the model's interrupt: event_send"), ("hyp>guest", "an upcall: line 14")]),
        ("guest", "bus_in8 0x1f7", "The status, at the price of a trip", ("guest", "hyp", "root"),
         [("guest>hyp", "IN 0x1f7"), ("hyp>root", "request"), ("root>hyp", "io_complete: ready"),
          ("hyp>guest", "goes on")]),
        ("guest", "bus_ins16", "The data, by REP INSW", ("guest", "hyp", "root", "mem"),
         [("guest>hyp", "one trap for 2,048 words"), ("hyp>root", "request"),
          ("root>hyp", "io_complete, with the data"), ("hyp>guest", "hyp copies 4 KiB, then goes on")]),
        ("guest", "block_finish", "The guest has its data", ("guest",),
         [(None, "Nine accesses, each a trip to root and back.")]),
    ]),
    "dma": ("guest's buffer", [
        ("guest", "block_read", "The same registers, by the same trips", ("guest", "hyp", "root"),
         [("guest>hyp", "OUT, six times"), ("hyp>root", "request"), ("root>hyp", "io_complete"),
          ("hyp>guest", "goes on")]),
        ("guest", "bus_out8 0x1f7", "READ DMA, and start", ("root", "disk"),
         [("guest>hyp", "OUT 0x1f7, then OUT to the bus master"), ("hyp>root", "request"),
          ("root>disk", "virtio: into the model's buffer"), ("root>hyp", "io_complete")]),
        ("guest", "arch_idle", "The model writes the guest's frames", ("root", "hyp", "mem"),
         [("disk>hyp", "the real interrupt, to root"), ("root>hyp", "domain_copy, by the table of regions"),
          ("hyp>mem", "hyp copies 4 KiB into the guest's frames"), ("hyp>guest", "an upcall: line 14")]),
        ("guest", "ide_interrupt", "Two statuses, and stop", ("guest", "hyp", "root"),
         [("guest>hyp", "IN, IN, OUT"), ("hyp>root", "request"), ("root>hyp", "io_complete"),
          ("hyp>guest", "goes on")]),
    ]),
}


# A step that repeats what was shown in full: only these are told.
SHORT = {("dma", "block_read"): ("block_read", "ide_read", "bus_out8", "ide_model_out"),
         ("dma", "bus_out8 0x1f7"): ("bus_out8", "ide_model_out", "block_submit", "virtio_queue_kick"),
         ("dma", "ide_interrupt"): ("ide_interrupt", "bus_in8", "bus_out8", "ide_model_in", "block_finish"),
         ("ide", "bus_out8"): ("bus_out8", "ide_model_out")}


def sources(who, function):
    """The file that defines a function of an image."""
    known = rf"(?m)^(?:{function}:|(?:[\w\s\*]+\b)?{function}\([^;{{]*\)\s*\{{)"
    found = []
    for folder in SOURCES[who]:
        for path in sorted(glob.glob(f"{folder}/**/*.[cS]", recursive=True)):
            if "/arch/native/" in path or "/examples/" in path:
                continue
            with open(path, encoding="utf-8") as f:
                if re.search(known, f.read()):
                    found.append(path)
    if not found:
        raise Missing(f"no source of {who} defines {function}")
    return found[0]


def matches(line, who, wanted):
    """Is a line of this function? "bus_out8 0x1f7" wants that number among its arguments, too."""
    function, _, number = wanted.partition(" ")
    return line.who == who and line.function == function and \
        (not number or f"={number}" in [w[w.index("="):] for w in line.words.split()])


def cut(scenario):
    """The lines of each step."""
    lines = tour.read_trace(f"docs/tour/{scenario}.trace")
    starts = []
    for who, first, title, _, _ in STEPS[scenario][1]:
        at = next((n for n in range(starts[-1] + 1 if starts else 0, len(lines))
                   if matches(lines[n], who, first)), None)
        if at is None:
            raise Missing(f"{scenario}: no {first} of {who} for the step '{title}'")
        starts.append(at)
    return [lines[a:b] for a, b in zip(starts, [*starts[1:], len(lines)])]


def meaning(line):
    """What a port access is about, for who does not know the registers by heart."""
    port = re.search(r"port=0x([0-9a-f]+)", line.words)
    if not port or line.who != "guest":
        return ""
    number = int(port[1], 16)
    if number == 0x1f7:
        return "status" if line.function == "bus_in8" else "command"
    return MEANINGS.get(number, "")


def table(lines):
    """The lines of a trace as a table: ring; who, on which tables; function with its file."""
    out = [".. list-table::", "   :class: trace", "   :widths: 8 20 72", ""]
    for line in lines:
        words = "  ".join(line.words.split()) + (f" ({meaning(line)})" if meaning(line) else "")
        out += [f"   * - {line.ring}", f"     - | {line.who}", f"       | {line.cr3:x}",
                f"     - | ``{line.function}`` {words}".rstrip(),
                f"       | ``{sources(line.who, line.function)}``"]
    return out + [""]


def count(lines):
    """What happened in a recording: (what, how often)."""
    def of(who, *functions):
        return sum(line.who == who and line.function in functions for line in lines)

    tables = [line.cr3 for line in lines]
    return (("faults of port instructions", of("hyp", "io_trap")),
            ("hypercalls", sum(line.function.startswith("hc_") for line in lines)),
            ("of these, events sent", of("hyp", "hc_event_send")),
            ("times that the scheduler chose", of("hyp", "sched_pick")),
            ("changes of address space", sum(a != b for a, b in zip(tables, tables[1:]))),
            ("interrupts of the disk", of("hyp", "msi_handler")))


def summary():
    counted = [count(tour.read_trace(f"docs/tour/{scenario}.trace")) for scenario in STEPS]
    out = [".. list-table::", "   :header-rows: 1", "   :widths: 40 20 20 20", "", "   * - what", "     - split driver",
           "     - IDE, programmed I/O", "     - IDE, DMA"]
    for row in zip(*counted):
        out += [f"   * - {row[0][0]}"] + [f"     - {times}" for _, times in row]
    return "\n".join(out) + "\n"


def write(folder, figures):
    """Writes the steps into folder and their drawings into figures."""
    for scenario, (memory, steps) in STEPS.items():
        for n, ((_, first, title, active, arrows), lines) in enumerate(zip(steps, cut(scenario)), 1):
            name = f"tour-{scenario}-{n}"
            with open(os.path.join(figures, name + ".svg"), "w", encoding="utf-8") as f:
                f.write(scene(name, title, memory, active, arrows).svg())
            if (scenario, first) in SHORT:
                lines = [line for line in lines if line.function in SHORT[scenario, first]]
            text = [f".. image:: /figures/{name}.svg", f"   :alt: {title}", ""] + table(lines)
            with open(os.path.join(folder, name + ".inc"), "w", encoding="utf-8") as f:
                f.write("\n".join(text) + "\n")
    with open(os.path.join(folder, "tour-sum.inc"), "w", encoding="utf-8") as f:
        f.write(summary())


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[1])
