# SPDX-License-Identifier: BSD-2-Clause
"""Configurations for the system tests, and what they have in common to check."""

import re

import qemu


def domain(name, role, *, memory="16M", disks=(), image="pvguest.elf", more=()):
    """A section of paravane.conf."""
    lines = [f"[domain {name}]", f"image = {image}", f"memory = {memory}", f"cmdline = role={role}"]
    lines += [f"disk = {d}" for d in disks]
    return "\n".join(lines + list(more)) + "\n\n"


# The demonstration's domains, with the disks' order that its guest expects.
READER = domain("a", "diskbench", disks=("vda split", "vda ide", "vdb split rw"),
                more=("emulate = uart",))
# How that guest reaches the disk, pass by pass: the last two by the same emulated controller.
WAYS = ("split", "ide_dma", "ide_pio")
COUNTER = domain("b", "counter", memory="8M")


def drives(system, image, scratch_bytes=2 << 20, persist=False):
    """The disk to read and a scratch disk of zeros; the scratch disk's path is returned too."""
    scratch = system.write("scratch.img", bytes(scratch_bytes))
    return [qemu.drive(image, persist=persist),
            qemu.drive(scratch, persist=persist, name="scratch")], scratch


def results(text):
    """The RESULT lines of a console: {pass: {key: value}}. What the hypervisor prints on another
    processor may stand in the middle of one."""
    found = {}
    for line in re.findall(r"RESULT (pass=.*)$", re.sub(r"hyp: .*\n", "", text), re.M):
        fields = dict(field.split("=", 1) for field in line.split())
        found[fields["pass"]] = fields
    return found
