# SPDX-License-Identifier: BSD-2-Clause
"""The library's examples, and what they show of a guest's first instructions."""

import os

ENOUGH = 20_000_000  # instructions from hyp's first line to the guest's


def test_hello(system):
    "the smallest guest prints its line and ends with reason 0"
    with system.boot("hello.elf") as machine:
        machine.expect(r"^hello from domain 0, ABI version \d+\.\d+, at TSC \d+$")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a clean end, not: {end}")


def test_pingpong(system):
    "two domains built from one image play 1,000 rounds over a grant and a port"
    with system.boot("pingpong.elf", "pingpong.elf again", icount=True, timeout=40) as machine:
        played = machine.expect(r"^pingpong: 1000 round trips, (\d+) ns each$")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a clean end, not: {end}")
    system.check(int(played[1]) < 10_000, f"10,000 instructions a round trip, not {played[1]}")


def test_parallel(system):
    "four vCPUs of one guest add up numbers"
    with system.boot("parallel.elf") as machine:
        machine.expect(r"^parallel: 1 \+ 2 \+ \.\.\. \+ 1000000 = 500000500000, by 4 vCPUs$")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a clean end, not: {end}")


def test_pingpong_alone(system):
    "without a second module pingpong says what it misses"
    with system.boot("pingpong.elf") as machine:
        machine.expect(r"^pingpong: start me with my own image as second module")
        end = machine.wait()
    system.check(end.orderly and end.reason == 1, f"reason 1, not: {end}")


def note_of(image):
    """Where the descriptor of the ABI note is in an image."""
    at = image.index(b"\x09\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00Paravane\x00")
    return at + 24


def damaged(system):
    """Images that must be refused: (what is wrong with it, the image)."""
    with open(os.path.join(system.build, "pingpong.elf"), "rb") as f:
        good = f.read()
    other = bytearray(good)
    other[note_of(good) + 2] += 1  # major version
    nameless = good.replace(b"\x01\x00\x00\x00Paravane", b"\x01\x00\x00\x00paravane")
    writable = bytearray(good)
    for i in range(4):  # every segment writable and executable
        writable[64 + 56 * i + 4] = 7
    return [("built for another ABI version", bytes(other)),
            ("no Paravane ABI note", nameless),
            ("a segment is writable and executable", bytes(writable)),
            ("too short for an ELF file", good[:40]),
            ("a segment lies outside the file", good[:5000]),
            ("not a 64-bit little-endian ELF file", b"#!/bin/sh\n" + bytes(200))]


def test_builder_refuses(system):
    "the builder refuses damaged images with one clear line, and root goes on"
    for number, (why, image) in enumerate(damaged(system)):
        path = system.write(f"{number}.elf", image)
        with system.boot("pingpong.elf", path) as machine:
            said = machine.expect(r"^pingpong: (.*) \(-2\)$")
            end = machine.wait()
        system.check(said[1].startswith(why), f"{why!r}, not {said[1]!r}")
        system.check(end.orderly and end.reason == 1, f"{why}: {end}")


def test_hyp_refuses(system):
    "hyp refuses a root image of another ABI version, or that is none, with one clear line"
    for number, (why, image) in enumerate(damaged(system)):
        path = system.write(f"{number}.elf", image)
        with system.boot(path) as machine:
            machine.expect(r"^hyp: cannot start root: .+$")
            end = machine.wait()
        system.check(end.orderly and end.reason != 0, f"{why}: {end}")


def test_time_to_first_line(system):
    "from hyp's first line to the guest's it takes less than 20 million instructions"
    with system.boot("hello.elf", "hello.elf", icount=True) as machine:
        boot = machine.expect(r"^hyp: boot: first line at TSC (\d+), now \d+; "
                              r"zeroing (\d+), calibration (\d+)\s")
        root = machine.expect(r"^hyp: boot: root starts at TSC \d+; zeroing its memory (\d+)\s")
        hello = machine.expect(r"^hello from .* at TSC (\d+)\s")
        machine.wait()
    first, zeroing, calibration = map(int, boot.groups())
    apart = zeroing + calibration + int(root[1])
    spent = int(hello[1]) - first - apart
    system.check(spent < ENOUGH, f"under {ENOUGH} instructions, not {spent} (and {apart} for zeroing "
                 "and calibration)")


def test_ticker(system):
    "a guest's timer ticks five times through a port that it raises itself"
    with system.boot("ticker.elf") as machine:
        machine.expect(r"^tick 1 on port \d+ at \d+ ms$")
        machine.expect(r"^tick 5 on port \d+ at \d+ ms$")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a clean end, not: {end}")


def test_boxes(system):
    "a driver pair serves four front ends, three of which try to break it"
    with system.boot("boxes.elf", "boxes.elf") as machine:
        machine.expect(r"^boxes: liar: reason 0, 32 served, 3 refused, 0 broken$")
        machine.expect(r"^boxes: jumper: reason 0, 32 served, 0 refused, 1 broken$")
        machine.expect(r"^boxes: thief: reason 0, 32 served, 0 refused, 1 broken$")
        machine.expect(r"^boxes: all front ends served, none believed$")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a clean end, not: {end}")
