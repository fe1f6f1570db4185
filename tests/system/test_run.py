# SPDX-License-Identifier: BSD-2-Clause
"""The host's side of `make run`: which disks it refuses, before anything is booted."""


def refused(system, disk, message, *more):
    """Runs the demonstration on disk and expects a refusal that says message."""
    done = system.run("/usr/bin/python3", "tests/harness/demo.py", "--build", system.build,
                      "--disk", disk, *more)
    system.check(done.returncode == 2, f"exit status 2, not {done.returncode}: {done.stdout}")
    system.check(message in done.stdout, f"{message!r}, not {done.stdout!r}")
    system.check(len(done.stdout.splitlines()) == 1, f"one line, not {done.stdout!r}")


def test_refuses_an_odd_size(system):
    "an image whose size is no multiple of 512 is refused, with the way out"
    refused(system, system.write("odd.img", b"x" * 1000), "1000 bytes; a disk is a positive multiple")
    refused(system, system.write("empty.img", b""), "0 bytes; a disk is a positive multiple")


def test_refuses_what_is_no_image(system):
    "a missing file and a folder are refused by name"
    refused(system, system.path("missing.img"), "missing.img: no such file")
    refused(system, system.scratch, "not a regular file")
