# SPDX-License-Identifier: BSD-2-Clause
"""The same ISO by BIOS and by UEFI: both firmwares lead to the same sums."""

import conf


def iso(system, firmware, timeout):
    image = system.random_image((300 << 10) + 512, seed=21)
    drives, _ = conf.drives(system, image)
    smbios = ["-smbios", "type=11,value=paravane:poweroff=a"]
    with system.boot_iso(firmware=firmware, drives=drives, extra=smbios,
                         timeout=timeout) as machine:
        end = machine.wait()
    system.check("by multiboot 2" in machine.text, f"GRUB brought it: {machine.last_line()}")
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
    found = conf.results(machine.text)
    for way in conf.WAYS:
        system.check(way in found and found[way]["sha256"] == system.sha256(image),
                     f"the {way} pass gives the host's sum")


def test_bios(system):
    "the hybrid ISO boots by BIOS and reads the disk by both paths"
    iso(system, "bios", 40.0)


def test_uefi(system):
    "the same ISO boots by UEFI: its memory map, modules in low memory, ACPI 2"
    iso(system, "uefi", 80.0)
