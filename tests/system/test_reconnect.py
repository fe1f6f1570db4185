# SPDX-License-Identifier: BSD-2-Clause
"""A front end and a back end part and meet again in the middle of the work."""

import conf


def test_reconnecting_loses_nothing(system):
    "the digest is the host's although the connection is made anew every few milliseconds"
    reconnect(system, "", "1 queue")


def test_over_four_queues(system):
    "the same over four queues, which all are made anew"
    reconnect(system, " queues=4", "4 queues")


def test_more_queues_than_there_are(system):
    "a front end that asks for more queues than a device can have gets those"
    reconnect(system, " queues=9", "8 queues")


def reconnect(system, options, queues):
    """Reads the disk while the connection ends again and again."""
    image = system.random_image((6 << 20) + 512, seed=11)
    drives, _ = conf.drives(system, image)
    text = conf.domain("a", "reconnect ms=3" + options, disks=("vda split",))
    with system.boot_demo(text, root="poweroff=a", drives=drives, timeout=120.0) as machine:
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
    found = conf.results(machine.text)
    system.check(f"sectors, read-only, {queues}\n" in machine.text, f"served over {queues}")
    system.check("reconnect" in found, "the pass ran")
    system.check(found["reconnect"]["sha256"] == system.sha256(image), "all data came through")
    system.check(int(found["reconnect"]["restarts"]) >= 2,
                 f"{found['reconnect']['restarts']} restarts")
