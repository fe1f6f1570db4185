# SPDX-License-Identifier: BSD-2-Clause
"""Block requests by the split driver and by emulated IDE, against RAM disks in root: the same bytes
by both ways, and nothing in the figures but instructions. Beside them the same against QEMU's virtio
disk, in wall clock: modes ending in _disk, of which no two runs are alike. The
kernel on the bare machine has QEMU's IDE disk: its instructions, those of waiting left out, and its
wall clock; neither is the same twice, since the disk answers when the host does."""

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


def block_disk(build, log):
    folder = os.path.join(os.path.abspath(build), "bench")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "disk.img")
    with open(path, "wb") as disk:
        disk.truncate(DISK_BYTES)
    with open(os.path.join(HERE, "block.conf"), encoding="utf-8") as f:
        text = f.read().replace("vda=pv hda=emulated_pio",
                                "medium=disk vda=pv_disk hda=emulated_pio_disk")
    with open(os.path.join(folder, "disk.conf"), "w", encoding="utf-8") as f:
        f.write(text.replace("rd0", "vda").replace("rd1", "vdb"))
    initrd = qemu.modules("root.elf poweroff", "pvguest.elf", "bench/disk.conf paravane.conf")
    return qemu.Machine(build, log, initrd=initrd, timeout=240,
                        drives=[qemu.drive(path), qemu.drive(path, name="second")])


def native(build, log, options, **more):
    folder = os.path.join(os.path.abspath(build), "bench")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "native.img")
    with open(path, "wb") as disk:
        disk.truncate(DISK_BYTES)
    return qemu.Machine(build, log, kernel="native.elf", append=f"role=blockbench {options}",
                        kind="pc", drives=[qemu.ide_drive(path)], timeout=240, **more)


def block_native(build, log):
    # With sleep=off a wait for the disk would run the clock ahead to the driver's timeout.
    return native(build, log, "hda=native_pio busy=1", extra=["-icount", "shift=0"])


def block_native_disk(build, log):
    return native(build, log, "hda=native_pio_disk medium=disk")


SCENARIOS = [("block", block), ("block_disk", block_disk), ("block_native", block_native),
             ("block_native_disk", block_native_disk)]
