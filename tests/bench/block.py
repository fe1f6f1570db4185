# SPDX-License-Identifier: BSD-2-Clause
"""Block requests by the split driver and by emulated IDE, against RAM disks in root: the same bytes
by both ways, and nothing in the figures but instructions."""

import os
import shutil

import qemu

HERE = os.path.dirname(os.path.abspath(__file__))
DISK_BYTES = 8 << 20


def block(build, log):
    folder = os.path.join(build, "bench")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "disk.img"), "wb") as disk:
        disk.truncate(DISK_BYTES)
    shutil.copy(os.path.join(HERE, "block.conf"), os.path.join(folder, "paravane.conf"))
    initrd = qemu.modules("root.elf poweroff", "pvguest.elf", "bench/paravane.conf",
                          "bench/disk.img ramdisk", "bench/disk.img ramdisk")
    return qemu.Machine(build, log, initrd=initrd, icount=True, timeout=240)


SCENARIOS = [("block", block)]
