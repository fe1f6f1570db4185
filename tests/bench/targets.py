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

XEN = {name: xen for name, (xen, _) in INTERFACE.items()}
AT_MOST = {(name, "pv"): most for name, (_, most) in INTERFACE.items()}
AT_MOST["boot.first_line", "pv"] = 20_000_000

# A 4 KiB read at depth 32 through the split driver costs at most a tenth of one by emulated PIO.
PV_OF_PIO = 0.1


def value(rows, name, mode):
    return next((r["value"] for r in rows if (r["name"], r["mode"]) == (name, mode)), None)


def missed(rows):
    """Lines about targets that are not met."""
    found = []
    for r in rows:
        most = AT_MOST.get((r["name"], r["mode"]))
        if most is not None and r["value"] > most:
            found.append(f"{r['name']} ({r['mode']}) is {r['value']}, at most {most} was the aim")
    pv = value(rows, "block.read_4k_q32", "pv")
    pio = value(rows, "block.read_4k", "emulated_pio")
    if pv is not None and pio is not None and pv > pio * PV_OF_PIO:
        found.append(f"block.read_4k_q32 (pv) is {pv}, at most {PV_OF_PIO} of {pio} was the aim")
    return found
