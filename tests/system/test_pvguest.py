# SPDX-License-Identifier: BSD-2-Clause
"""pvguest's own parts, in a guest: threads, time, memory, user programs, a UART as console."""

import conf


def run(system, role, more=(), said=()):
    with system.boot_demo(conf.domain("a", role, more=more), root="poweroff=a") as machine:
        end = machine.wait()
    for text in said:
        system.check(text in machine.text, f"{text!r} on the console")
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
    return machine.text


def test_threads_time_memory(system):
    "threads, mutexes, timers and memory do what they promise"
    run(system, "selftest", said=("SELFTEST ok",))


def test_user_programs(system):
    "a user program makes calls and faults; one that strays or touches a port is killed alone"
    text = run(system, "user", more=("emulate = uart",),
               said=("user: 0 failures", "USER stray status=139", "USER ports status=139",
                     "ports: killed by fault 13, rip "))
    system.check("FAILED" not in text, "no check of the programs failed")


def test_uart_as_console(system):
    "all output goes through the ports of an emulated UART"
    run(system, "exit console=uart", more=("emulate = uart",), said=("[a.uart] exit",))


def storm(system, **options):
    """Four virtual CPUs, and what must not be lost."""
    text = conf.domain("a", "storm rounds=100", memory="32M", more=("vcpus = 4",))
    with system.boot_demo(text, root="poweroff=a", timeout=200, **options) as machine:
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
    system.check("storm: 4 of 4 CPUs met" in machine.text, "four at the same time")
    system.check("storm: 10 threads passed on" in machine.text, "nobody waits beside an idle one")
    system.check("STORM cpus=4 ok" in machine.text, machine.last_line())


def test_storm(system):
    "four virtual CPUs on one processor lose no count, no wake-up, no memory and no register"
    storm(system)


def test_storm_on_two(system):
    "nor on two processors at the same time"
    storm(system, cpus=2)


def test_disk_on_four_cpus(system):
    "a guest with four virtual CPUs has four queues, and reads and writes as one with one does"
    image = system.random_image((2 << 20) + 512, seed=17)
    drives, _ = conf.drives(system, image)
    text = conf.domain("a", "diskbench", disks=("vda split", "vdb split rw"), more=("vcpus = 4",))
    with system.boot_demo(text, root="poweroff=a", drives=drives, timeout=200) as machine:
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
    system.check("sectors, read-only, 4 queues\n" in machine.text, "a queue for each")
    found = conf.results(machine.text)
    system.check(found["split"]["sha256"] == system.sha256(image), "all data came through")
