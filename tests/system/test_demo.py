# SPDX-License-Identifier: BSD-2-Clause
"""The main job: one disk read through both paths, a scratch disk written, sums that are true."""

import re
import struct

import conf

SECTOR = 512


def boot(system, image, root="poweroff=a", **options):
    drives, scratch = conf.drives(system, image, persist=options.pop("persist", False))
    machine = system.boot_demo(conf.READER + conf.COUNTER, root=root, drives=drives,
                               timeout=options.pop("timeout", 50.0), **options)
    return machine, scratch


def job(system, size, seed):
    image = system.random_image(size, seed=seed)
    machine, _ = boot(system, image)
    with machine:
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"{size} bytes: a good end, not {end}")
    found = conf.results(machine.text)
    for way in conf.WAYS:
        system.check(way in found, f"{size} bytes: no result of pass {way}")
        system.check(found[way]["sha256"] == system.sha256(image),
                     f"{size} bytes: the {way} pass read something else")
        system.check(int(found[way]["bytes"]) == size, f"{way}: {found[way]['bytes']} bytes read")
    return found


def test_sums_are_the_hosts(system):
    "all passes give the host's SHA-256 for images that are no multiple of 4 KiB"
    for seed, size in enumerate((SECTOR, 4096 + SECTOR, (1 << 20) + 3 * SECTOR)):
        job(system, size, seed)


def test_split_path_copies_nothing(system):
    "the split driver copies no data; emulated, a request is 11 traps, or 31 without DMA"
    found = job(system, 2 << 20, 7)
    split, dma, pio = (found[way] for way in conf.WAYS)
    system.check(int(split["copied"]) < 4096, f"{split['copied']} bytes copied by the split path")
    system.check(int(split["port_traps"]) == 0, "the split path touches no port")
    # 64 KiB a request: registers, start, end. By PIO a status and two pages for each 16 sectors; the
    # first request after DMA finds the disk known to be idle.
    for way, traps in ((dma, 32 * 11), (pio, 32 * 31 - 1)):
        system.check(int(way["port_traps"]) == traps, f"{way['port_traps']} traps, not {traps}")
    for way in (dma, pio):
        system.check((2 << 20) <= int(way["copied"]) <= (2 << 20) + 32 * 128,
                     f"{way['copied']} bytes copied: each of them once, and a table for a request")


def test_one_bad_sector_changes_one_sum(system):
    "a wrong bit in the emulated path changes its sums alone, and the run fails"
    image = system.random_image((256 << 10) + SECTOR, seed=3)
    machine, _ = boot(system, image, root="poweroff=a corrupt=ide:77")
    with machine:
        end = machine.wait()
    found = conf.results(machine.text)
    system.check(sorted(found) == sorted(conf.WAYS), "all passes ran")
    system.check(found["split"]["sha256"] == system.sha256(image), "the split sum is the host's")
    for way in conf.WAYS[1:]:
        system.check(found[way]["sha256"] != system.sha256(image), f"that of {way} is not")
    system.check(end.orderly and end.reason == 4, f"the exit status says so, not {end}")


def expected(sector):
    """What the guest writes to a sector of the scratch disk."""
    words = (((sector << 16 | i) * 0x9E3779B97F4A7C15) & (1 << 64) - 1 for i in range(SECTOR // 8))
    return struct.pack(f"<{SECTOR // 8}Q", *words)


def test_written_data_reach_the_host(system):
    "what the guest wrote is on the disk afterwards when it is written through"
    image = system.random_image(64 << 10, seed=4)
    before = system.sha256(image)
    machine, scratch = boot(system, image, persist=True)
    with machine:
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
    with open(scratch, "rb") as f:
        for sector in range(2048):
            system.check(f.read(SECTOR) == expected(sector), f"sector {sector} as written")
    system.check(system.sha256(image) == before, "the disk that is only read stays as it was")


def test_nothing_is_written_otherwise(system):
    "without PERSIST no image changes"
    image = system.random_image(64 << 10, seed=5)
    machine, scratch = boot(system, image)
    before = system.sha256(image), system.sha256(scratch)
    with machine:
        end = machine.wait()
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
    system.check((system.sha256(image), system.sha256(scratch)) == before, "images unchanged")


def test_batches_at_depth(system):
    "at depth 32 a request costs at most a quarter of a transition and of a hypercall, root's included"
    # How many answers of a real disk come at once is the host's affair.
    image = system.write("disk.img", bytes(8 << 20))
    text = conf.domain("a", "blockbench deep=1 vda=pv", disks=("rd0 split rw",))
    with system.boot_demo(text, root="poweroff=a", ramdisk=image, icount=True, timeout=50.0) as machine:
        requests = machine.expect(r"disk rd0 \(rw\): \w+, requests (\d+),")
        own = machine.expect(r"root: domain 0, since the start\n  hypercalls (\d+), transitions (\d+),")
        end = machine.wait()
    # Of the guest, the last pass of each row; of root, everything from its start on.
    for unit in ("transitions", "hypercalls"):
        for row in re.findall(rf"BENCH \S+_q32 pv {unit} (\d+) \d+ \d+ 1 (\d+)", machine.text):
            system.check(int(row[0]) * 4 <= int(row[1]), f"{row[0]} {unit} for {row[1]} requests")
    for value in own.groups():
        system.check(int(value) * 4 <= int(requests[1]), f"{own[0]} for {requests[1]} requests")
    system.check(end.orderly and end.reason == 0, f"a good end, not {end}")
