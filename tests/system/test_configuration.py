# SPDX-License-Identifier: BSD-2-Clause
"""Damaged or missing configuration, image, disk: one clear line and a defined end."""

import os

import conf

CONFIGURATION, BUILD = 2, 3  # reasons of root's shutdown


def refused(system, configuration, message, reason, **options):
    with system.boot_demo(configuration, **options) as machine:
        machine.expect(message)
        end = machine.wait()
    system.check(end.orderly and end.reason == reason, f"after {message!r}: reason {reason}, not {end}")


def test_no_configuration(system):
    "without the configuration file root says so"
    with system.boot("root.elf", "pvguest.elf pvguest.elf") as machine:
        machine.expect(r"^root: there is no boot module paravane\.conf$")
        end = machine.wait()
    system.check(end.orderly and end.reason == CONFIGURATION, f"a defined end, not {end}")


def test_damaged_configuration(system):
    "each kind of damage is named with its line"
    for text, message in (
            ("", r"^root: paravane\.conf:\d+: no \[domain"),
            ("[domain a]\nimage = pvguest.elf\nmemroy = 8M\n", r"^root: paravane\.conf:3: unknown key"),
            ("[domain a]\nimage = pvguest.elf\n", r"^root: paravane\.conf:1: no memory"),
            ("[domain a]\nimage = pvguest.elf\nmemory = 8M", r"^root: paravane\.conf:3: no newline"),
            ("\x00\x01\x02\n", r"^root: paravane\.conf:1: a NUL byte")):
        refused(system, text, message, CONFIGURATION)


def test_no_image(system):
    "an image that is no boot module is named"
    refused(system, conf.domain("a", "idle", image="nothing.elf"),
            r"^root: a: there is no boot module 'nothing\.elf'$", BUILD)


def test_damaged_image(system):
    "images that are cut short or no ELF file at all are refused"
    with open(os.path.join(system.build, "pvguest.elf"), "rb") as f:
        good = f.read()
    text = conf.domain("a", "idle", image="bad.elf")
    bad = {"cut": good[:3000], "header": good[:40], "text": b"not an image\n" * 100,
           "flipped": good[:24] + bytes(8) + good[32:]}
    for name, data in bad.items():
        path = system.write("bad.elf", data)
        configuration = system.write("paravane.conf", text)
        with system.boot("root.elf", f"{path} bad.elf", f"{configuration} paravane.conf") as machine:
            machine.expect(r"^root: a: .+ \(error -?\d+\)$")
            end = machine.wait()
        system.check(end.orderly and end.reason == BUILD, f"{name}: a defined end, not {end}")


def test_no_disk(system):
    "a disk that the machine does not have is named"
    refused(system, conf.domain("a", "idle", disks=("vdc split",)),
            r"^root: a: there is no disk 'vdc'$", BUILD)
    refused(system, conf.domain("a", "idle", disks=("vda ide",)),
            r"^root: a: there is no disk 'vda'$", BUILD)


def test_too_much_memory(system):
    "a domain larger than the machine is refused"
    refused(system, conf.domain("a", "idle", memory="4G"), r"^root: a: .+ \(error -?\d+\)$", BUILD)


def test_host_refuses_images(system):
    "the demonstration refuses images that QEMU would not show as they are"
    odd = system.write("odd.img", b"x" * 1000)
    for path, message in (("/nonexistent.img", "no such file"), (odd, "multiple of 512"),
                          (system.write("empty.img", b""), "multiple of 512")):
        done = system.run("/usr/bin/python3", "tests/harness/demo.py", "--build", system.build,
                          "--disk", path)
        system.check(done.returncode == 2 and message in done.stdout,
                     f"{path}: refused, not {done.returncode}: {done.stdout}")
