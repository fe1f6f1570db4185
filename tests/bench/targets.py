# SPDX-License-Identifier: BSD-2-Clause
"""What each row may cost at most, and what Xen takes for the same operation.

Xen's figures were measured the same way on the same QEMU (PV64, the cheapest of four builds of 4.17 and
a 4.23 development version with all hardening compiled out), in instructions per operation, from the
instruction before it in the guest to the one after it, stub included.
"""

AT_MOST = {
    ("hypercall.null", "pv"): 60,
    ("event.send_masked", "pv"): 120,
    ("event.roundtrip", "pv"): 220,
    ("trap.syscall", "pv"): 110,
    ("trap.page_fault", "pv"): 160,
    ("trap.kernel_fault", "pv"): 140,
    ("memory.map_one", "pv"): 200,
    ("memory.map_batch", "pv"): 90,
    ("memory.switch", "pv"): 110,
    ("boot.first_line", "pv"): 20_000_000,
}

XEN = {
    "hypercall.null": 221,
    "event.send_masked": 398,
    "event.roundtrip": 814,
    "trap.syscall": 637,
    "trap.page_fault": 793,
    "trap.kernel_fault": 668,
    "memory.map_one": 882,
    "memory.map_batch": 632,
    "memory.switch": 1589,
}

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
