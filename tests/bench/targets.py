# SPDX-License-Identifier: BSD-2-Clause
"""What each row may cost at most, and what Xen takes for the same operation.

Xen's figures were measured the same way on the same QEMU (PV64, the cheapest of four builds of 4.17 and
a 4.23 development version with all hardening compiled out), in instructions per operation, from the
instruction before it in the guest to the one after it, stub included; rows of a batch are per entry. Its
memory.fork_1024 is the sum of the parts. A row may have a target before it is measured.
"""

# Row: (what Xen takes, what it may take here).
INTERFACE = {
    "hypercall.null": (221, 60),
    "event.send_masked": (398, 120),
    "event.roundtrip": (814, 220),
    "trap.syscall": (637, 110),
    "trap.page_fault": (793, 160),
    "trap.page_fault_map": (1675, 380),
    "trap.kernel_fault": (668, 140),
    "memory.map_one": (882, 200),
    "memory.map_batch": (632, 90),
    "memory.fill_512": (172217, 25000),
    "memory.fork_1024": (990000, 50000),
    "memory.switch": (1589, 110),
    "grant.map_unmap": (2430, 650),
    "grant.map_unmap_batch": (1787, 280),
    "grant.copy_4k": (1952, 800),
    "time.set_timer": (448, 140),
    "time.expiry_busy": (954, 300),
    "time.expiry_idle": (3219, 700),
    "sched.pingpong": (7427, 1400),
    "sched.yield": (5349, 800),
}

# Rows that begin at an instant of the clock, which no counting of instructions sees.
BY_CLOCK = {"time.expiry_busy", "time.expiry_idle"}

XEN = {name: xen for name, (xen, _) in INTERFACE.items()}
AT_MOST = {(name, "pv"): most for name, (_, most) in INTERFACE.items()}
AT_MOST["boot.first_line", "pv"] = 20_000_000

# A row in a mode, another, and how many times the other's figure it costs at most: a 4 KiB read at depth 32
# through the split driver beside the other paths; a switch among many beside one between two.
PV_READ = ("block.read_4k_q32", "pv")
RATIOS = [(PV_READ, ("block.read_4k", "emulated_pio"), 1 / 10),
          (PV_READ, ("block.read_4k", "emulated_dma"), 1 / 3),
          (PV_READ, ("block.read_4k", "native"), 2.5),
          (("sched.switch_1000", "pv"), ("sched.switch_2", "pv"), 1.5)]


def value(rows, name, mode):
    return next((r["value"] for r in rows if (r["name"], r["mode"], r["unit"]) ==
                 (name, mode, "instructions")), None)


def ratios(rows):
    """(what is compared, ratio, the most it may be) of the pairs that were measured."""
    pairs = [(one, other, value(rows, *one), value(rows, *other), most) for one, other, most in RATIOS]
    return [("{} ({}) of {} ({})".format(*one, *other), a / b, most) for one, other, a, b, most in pairs if a and b]
