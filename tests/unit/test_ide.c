/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IDE driver on the IDE model: neither knows the other, so each is the other's test. Disks of
 * odd sizes and beyond 28 bits, transfers of every shape, by PIO and by DMA with scattered frames,
 * completions at once and late, interrupts lost and spurious, failing sectors, buffers out of
 * reach, a master that fails, a dead controller and none at all.
 *
 * sources: pvguest/drivers/hw/ide.c pvguest/drivers/hw/ide_dma.c pvguest/drivers/model/ide.c
 * sources: pvguest/drivers/model/ide_command.c pvguest/drivers/model/ide_identify.c
 * sources: pvguest/drivers/model/ide_master.c tests/unit/host_ide.c
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_ide.h"
#include "hw/ide.h"

static struct machine machine;
static struct ide_disk disk;
static bool lose_interrupts, spurious_interrupts, dead, absent;
static bool no_master;        /* the controller has no bus master */
static enum ide_way way;      /* of the requests */
static uint64_t out_of_reach; /* added to every page's address */
static bool scattered;        /* frames in no order */
static unsigned mapped;

#define MASTER      0xc000u
#define TABLE_FRAME 0u
static _Alignas(4096) struct ide_region table[4096 / sizeof(struct ide_region)];

static uint8_t in8(void *ctx, uint16_t port)
{
    must(ctx == &machine && (port >= MASTER || ide_model_offset(port) > 0));
    machine.port_accesses++;
    machine_access(&machine);
    if (absent)
        return 0xff;
    if (dead)
        return 0x80;
    if (port >= MASTER)
        return (uint8_t)ide_master_in(&machine.model, (uint16_t)(port - MASTER), 1);
    /* Whoever polls gives the host time to work. */
    if (port == 0x3f6 && rand() % 4 == 0)
        machine_complete(&machine);
    return (uint8_t)ide_model_in(&machine.model, (uint16_t)ide_model_offset(port), 1);
}

static void out8(void *ctx, uint16_t port, uint8_t value)
{
    must(ctx == &machine && (port >= MASTER || ide_model_offset(port) > 0));
    machine.port_accesses++;
    machine_access(&machine);
    if (port >= MASTER)
        ide_master_out(&machine.model, (uint16_t)(port - MASTER), 1, value);
    else if (!absent && !dead)
        ide_model_out(&machine.model, (uint16_t)ide_model_offset(port), 1, value);
}

static void out32(void *ctx, uint16_t port, uint32_t value)
{
    must(ctx == &machine && port >= MASTER);
    machine.port_accesses++;
    machine_access(&machine);
    ide_master_out(&machine.model, (uint16_t)(port - MASTER), 4, value);
}

/* The driver's string accesses end with a page, but for a word that crosses into the next. */
static void check_piece(const void *buffer, uint32_t words)
{
    uintptr_t first = (uintptr_t)buffer;

    must(words == 1 || first / 4096 == (first + words * 2 - 1) / 4096);
}

static void ins16(void *ctx, uint16_t port, void *buffer, uint32_t words)
{
    const void *window = ide_model_ins_window(&machine.model, IDE_DATA, 2, words);

    must(ctx == &machine && port == 0x1f0);
    check_piece(buffer, words);
    machine.port_accesses++;
    machine_access(&machine);
    if (window && rand() % 2) {
        memcpy(buffer, window, words * 2);
        ide_model_ins_done(&machine.model, 2, words);
    } else {
        ide_model_ins(&machine.model, IDE_DATA, 2, buffer, words);
    }
}

static void outs16(void *ctx, uint16_t port, const void *buffer, uint32_t words)
{
    must(ctx == &machine && port == 0x1f0);
    check_piece(buffer, words);
    machine.port_accesses++;
    machine_access(&machine);
    ide_model_outs(&machine.model, IDE_DATA, 2, buffer, words);
}

/* A frame for each page of a buffer: one after the other, or in no order. */
static int map(void *ctx, const void *p, uint32_t pages, uint64_t *addresses)
{
    uintptr_t page = (uintptr_t)p & ~(uintptr_t)4095;

    must(ctx == &machine && pages <= IDE_DMA_PAGES);
    for (uint32_t i = 0; i < pages; i++) {
        uint32_t n = scattered ? 1 + i * 101 % 251 : 14 + i;
        must(!machine.frame[n]);
        machine.frame[n] = (uint8_t *)(page + i * 4096ul);
        addresses[i] = n * 4096ul + out_of_reach;
    }
    mapped += pages;
    return 0;
}

static void unmap(void *ctx, const uint64_t *addresses, uint32_t pages)
{
    must(ctx == &machine);
    for (uint32_t i = 0; i < pages; i++)
        machine.frame[(addresses[i] - out_of_reach) / 4096] = NULL;
    mapped -= pages;
}

static bool wait_irq(void *ctx, uint64_t deadline)
{
    must(ctx == &machine);
    if (spurious_interrupts && rand() % 3 == 0)
        return true;
    machine_settle(&machine);
    if (!machine.edge || lose_interrupts) {
        machine.time = deadline;
        machine.edge = false;
        return false;
    }
    machine.edge = false;
    return true;
}

static uint64_t now(void *ctx)
{
    must(ctx == &machine);
    return machine.time += 1000000;
}

static const struct ide_dma_bus master = { MASTER, table, TABLE_FRAME * 4096 };
static struct ide_bus bus = { &machine, 0x1f0, 0x3f6,   in8,   out8, ins16, outs16,
                              wait_irq, now,   &master, out32, map,  unmap };

static void start(uint64_t sectors, bool read_only)
{
    lose_interrupts = spurious_interrupts = dead = absent = scattered = false;
    out_of_reach = 0;
    bus.master = no_master ? NULL : &master;
    machine_start(&machine, sectors, read_only);
    machine.frame[TABLE_FRAME] = (uint8_t *)table;
    ide_master_enable(&machine.model, true);
}

static void probe(uint64_t sectors)
{
    start(sectors, false);
    ck_assert_int_eq(ide_probe(&disk, &bus), 0);
    ck_assert_uint_eq(disk.sectors, sectors);
}

START_TEST(test_probe)
{
    static const uint64_t sizes[] = { 1,
                                      2,
                                      63,
                                      1007,
                                      1008,
                                      20480,
                                      ((uint64_t)1 << 28) - 1,
                                      (uint64_t)1 << 28,
                                      ((uint64_t)1 << 28) + 5,
                                      (uint64_t)1 << 40 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        probe(sizes[i]);
        ck_assert_uint_eq(disk.block, 16);
        ck_assert(disk.lba48);
        ck_assert_str_eq(disk.model, "PARAVANE EMULATED DISK");
        machine_stop(&machine);
    }
}
END_TEST

/* Read a stretch into a buffer of its exact size and compare each sector with the store. */
static void check_read(uint64_t sector, uint32_t count)
{
    uint8_t *data = malloc((size_t)count * 512 + 1), expected[512];

    data[(size_t)count * 512] = 0x5a;
    must(ide_read(&disk, way, sector, count, data) == 0);
    for (uint32_t i = 0; i < count; i++) {
        machine_sector(&machine, sector + i, expected);
        must(memcmp(data + (size_t)i * 512, expected, 512) == 0);
    }
    must(data[(size_t)count * 512] == 0x5a);
    free(data);
}

static void check_write(uint64_t sector, uint32_t count)
{
    uint8_t *data = malloc((size_t)count * 512 + 1), found[512];

    for (size_t i = 0; i < (size_t)count * 512; i++)
        data[i] = (uint8_t)rand();
    must(ide_write(&disk, way, sector, count, data) == 0);
    for (uint32_t i = 0; i < count; i++) {
        machine_sector(&machine, sector + i, found);
        must(memcmp(data + (size_t)i * 512, found, 512) == 0);
    }
    free(data);
}

START_TEST(test_every_small_size)
{
    probe(700);
    for (uint32_t count = 0; count <= 70; count++) {
        check_read(count * 3, count);
        check_write(700 - count, count);
    }
    check_read(0, 700);
    check_write(0, 700);
    check_read(0, 256);
    check_read(0, 257);
    machine_stop(&machine);
}
END_TEST

/* Random transfers; _i chooses late completions, spurious and lost interrupts, sector by sector. */
START_TEST(test_random_transfers)
{
    static const uint64_t sizes[] = { 1, 17, 2048, 100000, ((uint64_t)1 << 28) + 1000 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        srand((unsigned)_i + 1);
        probe(sizes[i]);
        scattered = i % 2;
        machine.in_memory = _i % 3 == 0;
        machine.later = _i & 1;
        spurious_interrupts = _i & 2;
        lose_interrupts = _i & 4;
        if (_i & 8)
            disk.block = 1;
        for (int round = 0; round < 40; round++) {
            uint64_t first = machine.store_first;
            uint64_t span = sizes[i] - first;
            uint64_t sector = first + (uint64_t)rand() % span;
            uint32_t most = (uint32_t)(sizes[i] - sector < 300 ? sizes[i] - sector : 300);
            uint32_t count = (uint32_t)rand() % (most + 1);
            if (rand() & 1)
                check_read(sector, count);
            else
                check_write(sector, count);
        }
        ck_assert_int_eq(ide_flush(&disk), 0);
        ck_assert_uint_eq(machine.flushes, 1);
        ck_assert_uint_eq(disk.stats.errors, 0);
        machine_stop(&machine);
    }
}
END_TEST

START_TEST(test_around_28_bits)
{
    uint64_t limit = (uint64_t)1 << 28;

    probe(limit + 600);
    check_write(limit - 16, 16);
    check_write(limit - 16, 32);
    check_write(limit - 1, 1);
    check_write(limit, 1);
    check_write(limit + 599, 1);
    check_read(limit - 300, 600);
    machine_stop(&machine);
}
END_TEST

START_TEST(test_range)
{
    uint8_t data[512];

    probe(100);
    uint64_t before = machine.port_accesses;
    ck_assert_int_eq(ide_read(&disk, way, 100, 1, data), IDE_ERANGE);
    ck_assert_int_eq(ide_read(&disk, way, 99, 2, data), IDE_ERANGE);
    ck_assert_int_eq(ide_write(&disk, way, 0, 101, data), IDE_ERANGE);
    ck_assert_int_eq(ide_read(&disk, way, UINT64_MAX, 2, data), IDE_ERANGE);
    ck_assert_int_eq(ide_read(&disk, way, 100, 0, data), 0);
    ck_assert_uint_eq(machine.port_accesses, before);
    machine_stop(&machine);
}
END_TEST

/* The failing block ends the request; after it the channel works as before. */
START_TEST(test_failing_sectors)
{
    static uint8_t data[256 * 512];

    probe(1000);
    machine.later = _i & 1;
    for (unsigned at = 1; at <= 16; at++) {
        machine.fail_in = at;
        ck_assert_int_eq(ide_read(&disk, way, 0, 256, data), IDE_EIO);
        ck_assert_uint_eq(disk.last_error, 0x40);
        ck_assert_uint_eq(disk.block, 16);
        machine.fail_in = at;
        ck_assert_int_eq(ide_write(&disk, way, 0, 256, data), IDE_EIO);
        ck_assert_uint_eq(disk.last_error, 0x04);
        check_read(3, 40);
    }
    machine.fail_in = 1;
    ck_assert_int_eq(ide_flush(&disk), IDE_EIO);
    ck_assert_int_eq(ide_flush(&disk), 0);
    ck_assert_uint_eq(disk.stats.errors, 33);
    machine_stop(&machine);
}
END_TEST

START_TEST(test_read_only_disk)
{
    uint8_t data[512] = { 0 };

    start(100, true);
    ck_assert_int_eq(ide_probe(&disk, &bus), 0);
    ck_assert_int_eq(ide_write(&disk, way, 0, 1, data), IDE_EIO);
    ck_assert_uint_eq(disk.last_error, 0x04);
    ck_assert(disk.dma);
    check_read(0, 100);
    machine_stop(&machine);
}
END_TEST

START_TEST(test_no_controller)
{
    start(100, false);
    absent = true;
    ck_assert_int_eq(ide_probe(&disk, &bus), IDE_ENODEV);
    ck_assert_uint_eq(disk.sectors, 0);
    machine_stop(&machine);
}
END_TEST

/* A controller that stays busy for ever costs the timeouts and no more. */
START_TEST(test_dead_controller)
{
    uint8_t data[512];

    probe(100);
    dead = true;
    ck_assert_int_eq(ide_read(&disk, way, 0, 1, data), IDE_ETIMEOUT);
    ck_assert_uint_ge(disk.stats.timeouts, 1);
    dead = false;
    machine_complete(&machine);
    check_read(0, 100);
    machine_stop(&machine);
}
END_TEST

/* The reads behind 64 KiB: what a hypervisor traps. Few accesses are what MULTIPLE is for. */
START_TEST(test_accesses_are_few)
{
    static _Alignas(4096) uint8_t data[128 * 512];

    probe(1000);
    machine.later = true;
    for (int i = 0; i < 3; i++) {
        uint64_t before = machine.port_accesses, counted = disk.stats.accesses;
        ck_assert_int_eq(ide_read(&disk, way, 0, 128, data), 0);
        /* The status of the command before is known but after a read by PIO. */
        ck_assert_uint_eq(machine.port_accesses - before,
                          way == IDE_DMA ? 11 : 6 + (i > 0) + 8 * 3);
        ck_assert_uint_eq(disk.stats.accesses - counted, machine.port_accesses - before);
    }
    ck_assert_uint_eq(disk.stats.blocks, way == IDE_DMA ? 0 : 3 * 8);
    machine_stop(&machine);
}
END_TEST

/* --- by DMA alone ---------------------------------------------------------------------------- */

START_TEST(test_regions)
{
    probe(1000);
    ck_assert(disk.dma);
    ck_assert_uint_eq(machine.model.dma_mode, 2);
    for (int i = 0; i < 2; i++, scattered = true) {
        check_read(0, 256);
        check_write(300, 255);
        check_read(3, 700);
    }
    ck_assert_uint_eq(disk.stats.transfers, 2 * (1 + 1 + 3));
    ck_assert_uint_eq(disk.stats.blocks, 0);
    ck_assert_uint_eq(mapped, 0);
    machine_stop(&machine);
}
END_TEST

/* A buffer that the controller does not reach is moved by the processor, and nothing is lost. */
START_TEST(test_out_of_reach)
{
    static const uint64_t beyond[] = { (uint64_t)1 << 32, ((uint64_t)1 << 32) - 20 * 4096,
                                       UINT64_MAX << 40 };
    static uint8_t data[3 * 512 + 1];
    uint8_t expected[512];

    probe(1000);
    for (size_t i = 0; i < 3; i++) {
        out_of_reach = beyond[i];
        check_read(10, 128);
        check_write(10, 128);
    }
    out_of_reach = 0;
    ck_assert_int_eq(ide_read(&disk, way, 500, 3, data + 1), 0);
    machine_sector(&machine, 502, expected);
    ck_assert_int_eq(memcmp(data + 1 + 1024, expected, 512), 0);
    ck_assert_uint_eq(disk.stats.transfers, 0);
    ck_assert_uint_eq(disk.stats.errors, 0);
    ck_assert(disk.dma);
    ck_assert_uint_eq(mapped, 0);
    machine_stop(&machine);
}
END_TEST

/* What fails by DMA goes by PIO; where that works three times, DMA was to blame and is given up. */
START_TEST(test_master_to_blame)
{
    probe(1000);
    if (_i == 0)
        ide_master_enable(&machine.model, false);
    for (unsigned i = 1; i <= 4; i++) {
        machine.fail_in = _i && disk.dma ? 1 : 0;
        check_read(i * 7, 100);
        ck_assert_uint_eq(disk.stats.errors, i < 3 ? i : 3);
        ck_assert(disk.dma == (i < 3));
        ck_assert_uint_eq(disk.block, 16);
    }
    ck_assert_uint_eq(disk.stats.transfers, 3);
    machine_stop(&machine);
}
END_TEST

/* A sector that cannot be read by PIO either is the disk's fault: DMA stays. */
START_TEST(test_disk_to_blame)
{
    static uint8_t data[512];

    probe(1000);
    for (unsigned i = 1; i <= 5; i++) {
        machine.fail_all = true;
        ck_assert_int_eq(ide_read(&disk, way, 3, 1, data), IDE_EIO);
        machine.fail_all = false;
        ck_assert_uint_eq(disk.stats.errors, 2 * i);
        ck_assert(disk.dma);
        check_read(3, 1);
    }
    ck_assert_uint_eq(disk.stats.transfers, 10);
    machine_stop(&machine);
}
END_TEST

START_TEST(test_no_master)
{
    no_master = true;
    probe(1000);
    no_master = false;
    ck_assert(!disk.dma);
    check_read(0, 300);
    check_write(0, 300);
    ck_assert_uint_eq(disk.stats.transfers, 0);
    machine_stop(&machine);
}
END_TEST

static void by_pio(void)
{
    way = IDE_PIO;
}

static void by_dma(void)
{
    way = IDE_DMA;
}

static void add_both(TCase *tests)
{
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_probe);
    tcase_add_test(tests, test_every_small_size);
    tcase_add_loop_test(tests, test_random_transfers, 0, 16);
    tcase_add_test(tests, test_around_28_bits);
    tcase_add_test(tests, test_range);
    tcase_add_test(tests, test_read_only_disk);
    tcase_add_test(tests, test_no_controller);
    tcase_add_test(tests, test_dead_controller);
    tcase_add_test(tests, test_accesses_are_few);
}

int main(void)
{
    Suite *suite = suite_create("ide");
    TCase *pio = tcase_create("pio");
    TCase *dma = tcase_create("dma");

    tcase_add_checked_fixture(pio, by_pio, NULL);
    add_both(pio);
    tcase_add_loop_test(pio, test_failing_sectors, 0, 2);
    tcase_add_checked_fixture(dma, by_dma, NULL);
    add_both(dma);
    tcase_add_test(dma, test_regions);
    tcase_add_test(dma, test_out_of_reach);
    tcase_add_loop_test(dma, test_master_to_blame, 0, 2);
    tcase_add_test(dma, test_disk_to_blame);
    tcase_add_test(dma, test_no_master);
    suite_add_tcase(suite, pio);
    suite_add_tcase(suite, dma);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
