# SPDX-License-Identifier: BSD-2-Clause
"""The guest's kernel on the bare machine: the same disk, programs, threads, without a hypervisor."""

import os
import re
import socket
import tempfile

import conf
import qemu

SECTOR = 512


def run(system, command_line, reason=0, **options):
    with system.boot_native(command_line, **options) as machine:
        end = machine.wait()
    system.check(end.orderly and end.reason == reason,
                 f"{command_line}: an end with reason {reason}, not {end}; {machine.last_line()}")
    return machine.text


def test_sum_is_the_hosts(system):
    "the IDE driver reads what the host has, for sizes that are no multiple of 4 KiB"
    for seed, size in enumerate((SECTOR, 4096 + SECTOR, (2 << 20) + 3 * SECTOR)):
        image = system.random_image(size, seed=seed)
        text = run(system, "role=diskbench console=uart", drives=[qemu.ide_drive(image)])
        found = conf.results(text)
        system.check(list(found) == ["ide_dma", "ide_pio"], f"both ways, not {list(found)}")
        for way, of in found.items():
            system.check(of["sha256"] == system.sha256(image), f"{size} bytes by {way}: the sum")
            system.check(int(of["bytes"]) == size, f"{of['bytes']} bytes read")
            system.check("hypercalls" not in of, "nobody beneath counts hypercalls")


def test_accesses_are_traps(system):
    "the driver's port accesses are the same in number here and as a guest, where each is one trap"
    image = system.random_image((1 << 20) + 9 * SECTOR, seed=8)
    native = conf.results(run(system, "role=diskbench console=uart", drives=[qemu.ide_drive(image)]))
    with system.boot_demo(conf.domain("a", "diskbench", disks=("vda ide",)), root="poweroff=a",
                          drives=[qemu.drive(image)]) as machine:
        machine.wait()
    guest = conf.results(machine.text)
    for way in ("ide_dma", "ide_pio"):
        counts = [int(n) for n in (native[way]["accesses"], guest[way]["accesses"],
                                   guest[way]["port_traps"])]
        system.check(counts[0] >= 17 * 11 and len(set(counts)) == 1, f"{way}: {counts}")


def counts_of(text, key):
    """{row of the block benchmark: how many}"""
    return {row: int(n) for row, n in re.findall(rf"^(?:\[a\] )?COUNT (\S+ \S+) {key} (\d+) \d+$", text, re.M)}


def test_every_request_traps_as_it_accesses(system):
    "reads, writes of each size and flushes, by DMA and by PIO: one trap for each access of the same driver"
    options = "role=blockbench hda=dma hda.pio=pio medium=disk"
    image = system.write("rows.img", bytes(2 << 20))
    native = run(system, f"{options} console=uart", drives=[qemu.ide_drive(image)])
    with system.boot_demo(conf.domain("a", options[len("role="):], disks=("vda ide rw",)), root="poweroff=a",
                          drives=[qemu.drive(image)], timeout=120) as machine:
        machine.wait()
    there, here = counts_of(native, "port_accesses"), counts_of(machine.text, "port_accesses")
    system.check(len(here) == 22 and all(here.values()), f"eleven rows each way: {here}")
    system.check(there == here, f"accesses on the bare machine {there}, as a guest {here}")
    system.check(here == counts_of(machine.text, "port_traps"), "each access is one trap")


def test_no_disk(system):
    "without a disk the role says so and ends"
    text = run(system, "role=diskbench console=uart", reason=1)
    system.check("diskbench: there is no disk" in text, "a clear line")


def test_threads_time_memory(system):
    "threads, mutexes, timers and memory do what they promise"
    system.check("SELFTEST ok" in run(system, "role=selftest"), "the self test")


def test_storm(system):
    "threads and programs on all CPUs at once lose no count, no wake-up, no memory and no register"
    for cpus in (1, 2, 4, 8):
        text = run(system, "role=storm", cpus=cpus, timeout=120)
        system.check(f"STORM cpus={cpus} ok" in text, f"{cpus} CPUs: {text[-300:]}")
        system.check(f"storm: {cpus} of {cpus} CPUs met" in text, f"{cpus} CPUs at the same time")


def test_fewer_cpus(system):
    "the command line may ask for fewer CPUs than there are, not for more"
    for asked, found in ((1, 1), (3, 3), (9, 4)):
        text = run(system, f"role=storm rounds=20 cpus={asked}", cpus=4, timeout=60)
        system.check(f"STORM cpus={found} ok" in text, f"cpus={asked}: {found} of 4")


def test_all_on_four_cpus(system):
    "disk, threads, time, memory and programs on four CPUs as on one"
    image = system.random_image((2 << 20) + SECTOR, seed=11)
    text = run(system, "role=diskbench console=uart", cpus=4, drives=[qemu.ide_drive(image)])
    for way, of in conf.results(text).items():
        system.check(of["sha256"] == system.sha256(image), f"the sum by {way}")
    system.check("SELFTEST ok" in run(system, "role=selftest", cpus=4), "the self test")


def test_user_programs(system):
    "a user program makes calls and faults; one that strays or touches a port is killed alone"
    text = run(system, "role=user")
    for said in ("user: 0 failures", "USER stray status=139", "USER ports status=139",
                 "ports: killed by fault 13, rip "):
        system.check(said in text, f"{said!r} on the console")
    system.check("FAILED" not in text, "no check of the programs failed")


def test_same_programs_same_work(system):
    "the programs take as many faults and pages as in a guest of the hypervisor"
    native = re.findall(r"USER \w+ status.*", run(system, "role=user"))
    with system.boot_demo(conf.domain("a", "user"), root="poweroff=a") as machine:
        machine.wait()
    # How often a program reads the clock differs with the time it takes; faults and pages do not.
    strip = [re.sub(r"syscalls=\d+ ", "", line) for line in native]
    guest = [re.sub(r"syscalls=\d+ ", "", line)
             for line in re.findall(r"USER \w+ status.*", machine.text)]
    system.check(len(strip) == 3 and strip == guest, f"{strip} against {guest}")


def test_console_input(system):
    "what is typed on the serial line reaches the kernel by an interrupt"
    with system.boot_native("role=counter console=uart", talk=True) as machine:
        machine.expect("^counter: ")
        machine.send("quit\n")
        machine.expect("^COUNTER count=")
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")


def test_panics_are_clear(system):
    "a fault of the kernel ends in a panic that says what, where, and the way there"
    text = run(system, "role=fault address=4096", reason=1)
    system.check(re.search(r"^page fault in the kernel, thread main$", text, re.M), "what")
    found = re.search(r"^panic: page fault: reading 1000 at (ffffffff8[0-9a-f]+)$", text, re.M)
    system.check(found, "where")
    system.check(f"rip {found.group(1)}" in text, "the registers")
    trail = re.search(r"called from:((?: ffffffff8[0-9a-f]+)+)", text)
    system.check(trail, "the way there")
    names = system.run("addr2line", "-fe", f"{system.build}/native.elf", found.group(1)).stdout
    system.check(names.splitlines()[0] == "role_fault", f"the place is role_fault, not {names}")


def test_unknown_role_and_codes(system):
    "reasons reach the exit status; an unknown role is named"
    system.check("no such role: 'none'" in run(system, "role=none", reason=1), "a clear line")
    run(system, "role=exit code=5", reason=5)


def test_small_and_high_memory(system):
    "the kernel finds its memory on a small machine and above 4 GiB"
    kinds = {"pc": (16, 12), "pc,max-ram-below-4g=64M": (192, 185), "q35": (64, 60)}
    for kind, (memory, least) in kinds.items():
        text = run(system, "role=selftest", kind=kind, memory=memory)
        free = int(re.search(r"on the bare machine: (\d+) MiB free", text).group(1))
        system.check(least <= free <= memory, f"{kind}, {memory} MiB: {free} MiB free")


def mappings(machine, place):
    """What QEMU's monitor sees in the page tables: (address, flags) of every leaf."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(10)
        monitor.connect(place)
        # What is not yet sent when QEMU quits is lost: quit behind the second prompt.
        monitor.sendall(b"info tlb\n")
        text = b""
        while text.count(b"(qemu) ") < 2 or not text.endswith(b"(qemu) "):
            text += monitor.recv(1 << 16)
        monitor.sendall(b"quit\n")
        while monitor.recv(1 << 16):
            pass
    machine.wait()
    return [(int(address, 16), flags) for address, flags in
            re.findall(r"^([0-9a-f]{16}): [0-9a-f]{16} ([-A-Z]{9})\r?$", text.decode(), re.M)]


def test_writable_or_executable(system):
    "no page is both writable and executable, none of the kernel is the user's, low memory is not mapped"
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "monitor")
        with system.boot_native("role=loop", memory=16,
                                extra=["-monitor", f"unix:{place},server=on,wait=off"]) as machine:
            machine.expect("^loop$")
            found = mappings(machine, place)
    # Flags: X is no-execute, then global, large, dirty, accessed, cache, write-through, U, W.
    system.check(len(found) > 100, f"only {len(found)} mappings seen")
    system.check(any("X" not in flags for _, flags in found), "the kernel's text is there")
    for address, flags in found:
        system.check("X" in flags or "W" not in flags, f"{address:x}: {flags}: writable and executable")
        system.check("U" not in flags, f"{address:x}: {flags}: the user's")
        system.check(address >> 47 == 0x1FFFF, f"{address:x}: in the user's half")
