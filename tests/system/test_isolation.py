# SPDX-License-Identifier: BSD-2-Clause
"""A guest that loops, faults, exits or attacks leaves root and the other guest at work."""

import conf

GUEST_FAILED = 4


def beside(system, name, role, reason=GUEST_FAILED, said=None):
    """The whole main job, with another guest beside it."""
    image = system.random_image(200 * 1024 + 512, seed=9)
    drives, _ = conf.drives(system, image)
    text = conf.domain(name, role, memory="8M") + conf.READER
    with system.boot_demo(text, root="poweroff=a", drives=drives, timeout=50.0) as machine:
        end = machine.wait()
    found = conf.results(machine.text)
    for way in conf.WAYS:
        system.check(way in found and found[way]["sha256"] == system.sha256(image),
                     f"the reader's {way} pass is right beside a guest that does {role}")
    if said:
        system.check(said in machine.text, f"root says {said!r}")
    system.check(end.orderly and end.reason == reason, f"reason {reason}, not {end}")


def test_looping_guest(system):
    "a guest that never gives the CPU back does not stop the job"
    beside(system, "x", "loop", reason=0, said="root: x runs on, taking it away")


def test_faulting_guest(system):
    "a guest that faults ends alone"
    beside(system, "x", "fault", said="root: x ended with reason 14")


def test_guest_that_touches_hyp(system):
    "a guest that reads the hypervisor's memory ends alone"
    address = 0xFFFF820000100000
    beside(system, "x", f"fault address={address}", said="root: x ended with reason 14")


def test_exiting_guest(system):
    "a guest that ends with an error is reported and the others go on"
    beside(system, "x", "exit code=7", said="root: x ended with reason 7")


def test_good_exit(system):
    "a guest that ends well early is no failure"
    beside(system, "x", "exit", reason=0, said="root: x ended well")


def test_hostile_front_end(system):
    "malformed requests, jumping indices and grants pulled away hurt neither root nor the others"
    image = system.random_image(200 * 1024 + 512, seed=9)
    drives, _ = conf.drives(system, image)
    text = conf.domain("x", "hostile", disks=("vda split",)) + conf.READER
    with system.boot_demo(text, root="poweroff=all", drives=drives, timeout=55.0) as machine:
        machine.expect(r"\[x\] HOSTILE ok")
        end = machine.wait()
    found = conf.results(machine.text)
    system.check(found["split"]["sha256"] == system.sha256(image), "the other guest reads its disk")
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_random_hypercalls(system):
    "a guest that calls the hypervisor at random, whatever becomes of it, disturbs nobody"
    image = system.random_image(100 * 1024, seed=10)
    for seed in range(1, 9):
        drives, _ = conf.drives(system, image)
        text = conf.domain("x", f"fuzz seed={seed} calls=60000", memory="8M") + conf.READER
        with system.boot_demo(text, root="poweroff=all", drives=drives, timeout=50.0) as machine:
            end = machine.wait()
        found = conf.results(machine.text)
        system.check("no such role" not in machine.text, "the image has the role")
        system.check(end.orderly and end.reason in (0, GUEST_FAILED), f"seed {seed}: {end}")
        for way in conf.WAYS:
            system.check(way in found and found[way]["sha256"] == system.sha256(image),
                         f"seed {seed}: the reader's {way} pass")


def test_console_flood(system):
    "a guest that prints without end is slowed down, and nobody else"
    beside(system, "x", "flood", reason=0, said="root: x runs on, taking it away")
