/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IDE driver on the IDE model: neither knows the other, so each is the other's test. Disks of
 * odd sizes and beyond 28 bits, transfers of every shape, completions at once and late, interrupts
 * lost and spurious, failing sectors, a dead controller and none at all.
 *
 * sources: pvguest/drivers/hw/ide.c pvguest/drivers/model/ide.c
 * sources: pvguest/drivers/model/ide_command.c pvguest/drivers/model/ide_identify.c
 * sources: tests/unit/host_ide.c
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

static uint8_t in8(void *ctx, uint16_t port)
{
    must(ctx == &machine && ide_model_offset(port) > 0);
    machine.port_accesses++;
    if (absent)
        return 0xff;
    if (dead)
        return 0x80;
    /* Whoever polls gives the host time to work. */
    if (port == 0x3f6 && rand() % 4 == 0)
        machine_complete(&machine);
    return (uint8_t)ide_model_in(&machine.model, (uint16_t)ide_model_offset(port), 1);
}

static void out8(void *ctx, uint16_t port, uint8_t value)
{
    must(ctx == &machine && ide_model_offset(port) > 0);
    machine.port_accesses++;
    if (!absent && !dead)
        ide_model_out(&machine.model, (uint16_t)ide_model_offset(port), 1, value);
}

/* A string access reaches the model in pieces of a page at most, as hyp makes them. */
static void ins16(void *ctx, uint16_t port, void *buffer, uint32_t words)
{
    uint8_t *to = buffer;

    must(ctx == &machine && port == 0x1f0);
    while (words > 0) {
        uint32_t n = words < 2048 ? words : 2048;
        const void *window = ide_model_ins_window(&machine.model, IDE_DATA, 2, n);
        machine.port_accesses++;
        if (window && rand() % 2) {
            memcpy(to, window, n * 2);
            ide_model_ins_done(&machine.model, 2, n);
        } else {
            ide_model_ins(&machine.model, IDE_DATA, 2, to, n);
        }
        to += n * 2;
        words -= n;
    }
}

static void outs16(void *ctx, uint16_t port, const void *buffer, uint32_t words)
{
    const uint8_t *from = buffer;

    must(ctx == &machine && port == 0x1f0);
    while (words > 0) {
        uint32_t n = words < 2048 ? words : 2048;
        machine.port_accesses++;
        ide_model_outs(&machine.model, IDE_DATA, 2, from, n);
        from += n * 2;
        words -= n;
    }
}

static bool wait_irq(void *ctx, uint64_t deadline)
{
    must(ctx == &machine);
    if (spurious_interrupts && rand() % 3 == 0)
        return true;
    machine_complete(&machine);
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

static const struct ide_bus bus = {
    &machine, 0x1f0, 0x3f6, in8, out8, ins16, outs16, wait_irq, now
};

static void start(uint64_t sectors, bool read_only)
{
    lose_interrupts = spurious_interrupts = dead = absent = false;
    machine_start(&machine, sectors, read_only);
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
    must(ide_read(&disk, sector, count, data) == 0);
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
    must(ide_write(&disk, sector, count, data) == 0);
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
    ck_assert_int_eq(ide_read(&disk, 100, 1, data), IDE_ERANGE);
    ck_assert_int_eq(ide_read(&disk, 99, 2, data), IDE_ERANGE);
    ck_assert_int_eq(ide_write(&disk, 0, 101, data), IDE_ERANGE);
    ck_assert_int_eq(ide_read(&disk, UINT64_MAX, 2, data), IDE_ERANGE);
    ck_assert_int_eq(ide_read(&disk, 100, 0, data), 0);
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
        ck_assert_int_eq(ide_read(&disk, 0, 256, data), IDE_EIO);
        ck_assert_uint_eq(disk.last_error, 0x40);
        ck_assert_uint_eq(disk.block, 16);
        machine.fail_in = at;
        ck_assert_int_eq(ide_write(&disk, 0, 256, data), IDE_EIO);
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
    ck_assert_int_eq(ide_write(&disk, 0, 1, data), IDE_EIO);
    ck_assert_uint_eq(disk.last_error, 0x04);
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
    ck_assert_int_eq(ide_read(&disk, 0, 1, data), IDE_ETIMEOUT);
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
    static uint8_t data[128 * 512];

    probe(1000);
    machine.later = true;
    uint64_t before = machine.port_accesses;
    ck_assert_int_eq(ide_read(&disk, 0, 128, data), 0);
    ck_assert_uint_le(machine.port_accesses - before, 7 + 8 * 3);
    ck_assert_uint_eq(disk.stats.blocks, 8);
    machine_stop(&machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ide");
    TCase *tests = tcase_create("ide");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_probe);
    tcase_add_test(tests, test_every_small_size);
    tcase_add_loop_test(tests, test_random_transfers, 0, 16);
    tcase_add_test(tests, test_around_28_bits);
    tcase_add_test(tests, test_range);
    tcase_add_loop_test(tests, test_failing_sectors, 0, 2);
    tcase_add_test(tests, test_read_only_disk);
    tcase_add_test(tests, test_no_controller);
    tcase_add_test(tests, test_dead_controller);
    tcase_add_test(tests, test_accesses_are_few);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
