/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IDE model at its registers: the standard's corner cases in a script, then hostile guests.
 *
 * A vulnerable model lets a guest run the data pointer out of its buffer, change the buffer while
 * the disk fills it, start an access beyond the end of the disk, walk a region table for ever or
 * into memory that is not the guest's, or keep its host busy with one access. Random accesses of
 * every kind, with completions at random moments and random tables, run under ASan here; host_ide.c
 * checks each disk access and counts the copies between two accesses, and every block operand has
 * its exact size.
 *
 * sources: pvguest/drivers/model/ide.c pvguest/drivers/model/ide_command.c
 * sources: pvguest/drivers/model/ide_identify.c pvguest/drivers/model/ide_master.c
 * sources: pvguest/drivers/model/pci.c tests/unit/host_ide.c
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_ide.h"
#include "model/pci.h"

enum { DATA, ERROR, COUNT, LBA0, LBA1, LBA2, DEVICE, STATUS, CONTROL };
#define FEATURES ERROR
#define COMMAND  STATUS

static struct machine machine;

static void power(uint64_t sectors)
{
    machine_start(&machine, sectors, false);
}

/* 1 MiB of guest memory but for frames 20, 60 and 61; random bytes in it. */
static void add_memory(void)
{
    for (unsigned n = 0; n < FRAMES; n++) {
        if (n == 20 || n == 60 || n == 61)
            continue;
        machine.frame[n] = malloc(4096);
        for (unsigned i = 0; i < 4096; i++)
            machine.frame[n][i] = (uint8_t)rand();
    }
}

static void setup(void)
{
    srand(1);
    power(5000);
    add_memory();
    ide_master_enable(&machine.model, true);
}

static void teardown(void)
{
    for (unsigned n = 0; n < FRAMES; n++)
        free(machine.frame[n]);
    machine_stop(&machine);
}

static uint8_t in(uint16_t reg)
{
    return (uint8_t)ide_model_in(&machine.model, reg, 1);
}

static void out(uint16_t reg, unsigned value)
{
    machine_access(&machine);
    ide_model_out(&machine.model, reg, 1, value);
}

static void command28(unsigned command, uint32_t lba, unsigned count)
{
    out(DEVICE, 0xe0 | lba >> 24);
    out(COUNT, count);
    out(LBA0, lba & 0xff);
    out(LBA1, lba >> 8 & 0xff);
    out(LBA2, lba >> 16 & 0xff);
    out(COMMAND, command);
}

static void command48(unsigned command, uint64_t lba, unsigned count)
{
    out(DEVICE, 0x40);
    out(COUNT, count >> 8);
    out(COUNT, count & 0xff);
    for (unsigned i = 0; i < 3; i++) {
        out((uint16_t)(LBA0 + i), (unsigned)(lba >> (8 * i + 24)) & 0xff);
        out((uint16_t)(LBA0 + i), (unsigned)(lba >> (8 * i)) & 0xff);
    }
    out(COMMAND, command);
}

static unsigned low_address(void)
{
    return in(LBA0) | (unsigned)in(LBA1) << 8;
}

/* The command has ended: status, error and whether an interrupt says so. */
static void ended(unsigned error)
{
    ck_assert(machine.line);
    ck_assert_uint_eq(in(STATUS), error ? 0x51 : 0x50);
    ck_assert(!machine.line);
    ck_assert_uint_eq(in(ERROR), error);
}

static void identify(uint16_t *words)
{
    out(DEVICE, 0xa0);
    out(COMMAND, 0xec);
    ck_assert(machine.line);
    ck_assert_uint_eq(in(STATUS), 0x58);
    ide_model_ins(&machine.model, DATA, 2, words, 256);
    ck_assert_uint_eq(in(STATUS), 0x50);
    ck_assert(!machine.line);
}

START_TEST(test_power_on)
{
    ck_assert_uint_eq(in(STATUS), 0x50);
    ck_assert_uint_eq(in(ERROR), 1);
    ck_assert_uint_eq(in(COUNT), 1);
    ck_assert_uint_eq(in(LBA0), 1);
    ck_assert_uint_eq(in(LBA1), 0);
    ck_assert_uint_eq(in(LBA2), 0);
    ck_assert_uint_eq(in(DEVICE), 0xa0);
    ck_assert(!machine.line);
}
END_TEST

START_TEST(test_ports)
{
    for (unsigned port = 0; port < 0x10000; port++) {
        int offset = ide_model_offset((uint16_t)port);
        int wanted = port >= 0x1f0 && port <= 0x1f7 ? (int)port - 0x1f0 : port == 0x3f6 ? 8 : -1;
        must(offset == wanted);
    }
}
END_TEST

START_TEST(test_identify)
{
    uint16_t id[256];
    const uint8_t *bytes = (const uint8_t *)id;
    uint8_t sum = 0;

    identify(id);
    for (unsigned i = 0; i < 512; i++)
        sum = (uint8_t)(sum + bytes[i]);
    ck_assert_uint_eq(sum, 0);
    ck_assert_uint_eq(bytes[510], 0xa5);
    ck_assert_uint_eq(id[0], 0x0040);
    ck_assert_uint_eq(id[1], 5000 / (16 * 63));
    ck_assert_uint_eq(id[47] & 0xff, 16);
    ck_assert_uint_eq(id[59], 0);
    ck_assert_uint_eq(id[60] | (uint32_t)id[61] << 16, 5000);
    ck_assert_uint_eq(id[100], 5000);
    ck_assert_uint_eq(id[49] & 0x0300, 0x0300);
    ck_assert_uint_eq(id[63], 0x0407);
    command28(0xc6, 0, 8);
    ended(0);
    identify(id);
    ck_assert_uint_eq(id[59], 0x0108);
}
END_TEST

START_TEST(test_identify_big)
{
    uint16_t id[256];

    machine_stop(&machine);
    for (unsigned n = 0; n < FRAMES; n++)
        free(machine.frame[n]);
    power(((uint64_t)1 << 40) + 7);
    identify(id);
    ck_assert_uint_eq(id[1], 16383);
    ck_assert_uint_eq(id[60] | (uint32_t)id[61] << 16, 0x0fffffff);
    ck_assert_uint_eq(id[100], 7);
    ck_assert_uint_eq(id[102], 0x100);
}
END_TEST

static void check_sector(const uint8_t *data, uint64_t lba)
{
    uint8_t expected[512];

    machine_sector(&machine, lba, expected);
    ck_assert_int_eq(memcmp(data, expected, 512), 0);
}

/* One interrupt a sector, none after the last byte. */
START_TEST(test_read_sectors)
{
    uint8_t data[512];

    command28(0x20, 4990, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(machine.line);
        ck_assert_uint_eq(in(CONTROL), 0x58);
        ck_assert(machine.line);
        ck_assert_uint_eq(in(STATUS), 0x58);
        ck_assert(!machine.line);
        ide_model_ins(&machine.model, DATA, 2, data, 256);
        check_sector(data, 4990 + i);
    }
    ck_assert_uint_eq(in(STATUS), 0x50);
    ck_assert_uint_eq(machine.edges, 3);
    ck_assert_uint_eq(machine.accesses, 3);
}
END_TEST

/* 37 sectors in blocks of 16: 16, 16 and 5. */
START_TEST(test_read_multiple)
{
    static uint8_t data[37 * 512];

    command28(0xc4, 0, 1);
    ended(0x04);
    command28(0xc6, 0, 16);
    ended(0);
    machine.edges = 0;
    command48(0x29, 4000, 37);
    ide_model_ins(&machine.model, DATA, 4, data, sizeof(data) / 4);
    for (unsigned i = 0; i < 37; i++)
        check_sector(data + i * 512, 4000 + i);
    ck_assert_uint_eq(machine.accesses, 3);
    in(STATUS);
    ck_assert_uint_eq(machine.edges, 1); /* the line stayed up: nobody read the status */
}
END_TEST

/* No interrupt for the first block, one for each block taken. */
START_TEST(test_write_sectors)
{
    uint8_t data[512];

    memset(data, 0x77, sizeof(data));
    command28(0x30, 4999, 1);
    ck_assert(!machine.line);
    ck_assert_uint_eq(in(STATUS), 0x58);
    ide_model_outs(&machine.model, DATA, 2, data, 255);
    ck_assert_uint_eq(machine.accesses, 0);
    ide_model_out(&machine.model, DATA, 2, 0x7777);
    ended(0);
    check_sector(data, 4999);
    command28(0x30, 4998, 2);
    ide_model_outs(&machine.model, DATA, 2, data, 256);
    ck_assert(machine.line);
    ck_assert_uint_eq(in(STATUS), 0x58);
    ide_model_outs(&machine.model, DATA, 2, data, 256);
    ended(0);
}
END_TEST

START_TEST(test_late_completion)
{
    uint8_t data[512], ones[512];

    machine.later = true;
    memset(ones, 0xff, sizeof(ones));
    command28(0x20, 100, 1);
    ck_assert_uint_eq(in(STATUS), 0x80);
    ide_model_ins(&machine.model, DATA, 2, data, 256);
    ck_assert_int_eq(memcmp(data, ones, 512), 0);
    ide_model_outs(&machine.model, DATA, 2, data, 256);
    out(COMMAND, 0xec); /* ignored */
    out(LBA0, 0x55);
    machine_complete(&machine);
    ck_assert_uint_eq(in(STATUS), 0x58);
    ide_model_ins(&machine.model, DATA, 2, data, 256);
    check_sector(data, 100);
    ck_assert_uint_eq(in(LBA0), 100);
}
END_TEST

START_TEST(test_range_errors)
{
    static const struct {
        uint32_t lba;
        unsigned count;
    } bad[] = { { 5000, 1 }, { 4999, 2 }, { 4745, 0 }, { 0x0fffffff, 0 }, { 0x0fffffff, 1 } };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        command28(0x20, bad[i].lba, bad[i].count);
        ended(0x10);
        command28(0x30, bad[i].lba, bad[i].count);
        ended(0x10);
        command28(0x40, bad[i].lba, bad[i].count);
        ended(0x10);
    }
    command48(0x24, 0xffffffffffff, 0);
    ended(0x10);
    command48(0x34, 0, 0); /* 65536 sectors */
    ended(0x10);
    command28(0x20, 4999, 2); /* the first sector that is not there is shown */
    ck_assert_uint_eq(low_address(), 5000);
    command28(0x20, 4744, 0); /* 256 that fit */
    ck_assert_uint_eq(in(STATUS), 0x58);
    ck_assert_uint_eq(machine.accesses, 1);
}
END_TEST

START_TEST(test_chs)
{
    uint8_t data[512];

    out(DEVICE, 0xa0 | 3); /* cylinder 2, head 3, sector 4 */
    out(COUNT, 1);
    out(LBA0, 4);
    out(LBA1, 2);
    out(LBA2, 0);
    out(COMMAND, 0x20);
    ide_model_ins(&machine.model, DATA, 2, data, 256);
    check_sector(data, (2 * 16 + 3) * 63 + 3);
    out(LBA0, 0);
    out(COMMAND, 0x20);
    ended(0x10);
    out(LBA0, 64);
    out(COMMAND, 0x20);
    ended(0x10);
    out(DEVICE, 0xa0 | 7); /* 8 heads, 10 sectors a track */
    out(COUNT, 10);
    out(COMMAND, 0x91);
    ended(0);
    out(DEVICE, 0xa0 | 8);
    out(COUNT, 1);
    out(LBA0, 1);
    out(COMMAND, 0x20);
    ended(0x10);
    out(COUNT, 0);
    out(COMMAND, 0x91);
    ended(0x04);
}
END_TEST

START_TEST(test_backend_errors)
{
    uint8_t data[512] = { 0 };

    machine.fail_in = 2;
    command28(0x20, 1000, 3);
    in(STATUS);
    ide_model_ins(&machine.model, DATA, 2, data, 256);
    ck_assert_uint_eq(low_address(), 1001);
    ended(0x40);
    machine.fail_in = 1;
    command28(0x30, 1000, 1);
    ide_model_outs(&machine.model, DATA, 2, data, 256);
    ended(0x04);
    machine.fail_in = 1;
    out(COMMAND, 0xe7);
    ended(0x04);
}
END_TEST

START_TEST(test_set_multiple)
{
    for (unsigned n = 0; n < 256; n++) {
        bool fits = n == 0 || n == 1 || n == 2 || n == 4 || n == 8 || n == 16;
        command28(0xc6, 0, n);
        ended(fits ? 0 : 0x04);
    }
    ck_assert_uint_eq(machine.model.multiple, 16); /* refusals change nothing */
}
END_TEST

START_TEST(test_set_features)
{
    static const uint8_t good[] = { 0x02, 0x82, 0x55, 0xaa, 0x66, 0xcc };

    for (size_t i = 0; i < sizeof(good); i++) {
        out(FEATURES, good[i]);
        out(COMMAND, 0xef);
        ended(0);
    }
    for (unsigned mode = 0; mode < 256; mode++) {
        out(FEATURES, 0x03);
        out(COUNT, mode);
        out(COMMAND, 0xef);
        ended(mode < 2 || (mode >= 8 && mode <= 0x0c) || (mode >= 0x20 && mode <= 0x22) ? 0 : 0x04);
    }
    out(FEATURES, 0x90);
    out(COMMAND, 0xef);
    ended(0x04);
}
END_TEST

/* Without the write cache a write is on the disk when it ends. */
START_TEST(test_write_through)
{
    uint8_t data[512] = { 0 };

    out(FEATURES, 0x82);
    out(COMMAND, 0xef);
    ended(0);
    ck_assert_uint_eq(machine.flushes, 1);
    command28(0x30, 7, 1);
    ide_model_outs(&machine.model, DATA, 2, data, 256);
    ended(0);
    ck_assert_uint_eq(machine.flushes, 2);
}
END_TEST

START_TEST(test_other_commands)
{
    command28(0xf8, 0, 0);
    ended(0);
    ck_assert_uint_eq(low_address(), 4999);
    command48(0x27, 0, 0);
    ended(0);
    ck_assert_uint_eq(low_address(), 4999);
    out(CONTROL, 0x80);
    ck_assert_uint_eq(in(LBA0), 0);
    out(COMMAND, 0xe7);
    ended(0);
    out(COMMAND, 0xea);
    ended(0);
    ck_assert_uint_eq(machine.flushes, 2);
    out(COMMAND, 0xe5);
    ended(0);
    ck_assert_uint_eq(in(COUNT), 0xff);
    out(COMMAND, 0x90);
    ck_assert(machine.line);
    ck_assert_uint_eq(in(STATUS), 0x50);
    ck_assert_uint_eq(in(ERROR), 1);
    ck_assert_uint_eq(in(COUNT), 1);
}
END_TEST

/* Whatever is not a command of this disk is refused, and the disk stays ready. */
START_TEST(test_unknown_commands)
{
    static const uint8_t known[] = { 0x10, 0x20, 0x21, 0x24, 0x27, 0x29, 0x30, 0x31, 0x34,
                                     0x39, 0x40, 0x41, 0x42, 0x70, 0x90, 0x91, 0xc4, 0xc5,
                                     0xc6, 0xe0, 0xe1, 0xe2, 0xe3, 0xe5, 0xe7, 0xea, 0xec,
                                     0xef, 0xf8, 0xc8, 0xc9, 0xca, 0xcb, 0x25, 0x35 };

    for (unsigned c = 0; c < 256; c++) {
        if (memchr(known, (int)c, sizeof(known)))
            continue;
        out(COMMAND, c);
        ended(0x04);
    }
}
END_TEST

START_TEST(test_high_order_bytes)
{
    out(COUNT, 0x12);
    out(COUNT, 0x34);
    ck_assert_uint_eq(in(COUNT), 0x34);
    out(CONTROL, 0x80);
    ck_assert_uint_eq(in(COUNT), 0x12);
    out(LBA0, 1); /* any write to the command block ends it */
    ck_assert_uint_eq(in(COUNT), 0x34);
}
END_TEST

START_TEST(test_second_disk)
{
    out(DEVICE, 0xb0);
    ck_assert_uint_eq(in(STATUS), 0);
    ck_assert_uint_eq(in(CONTROL), 0);
    out(COMMAND, 0xec);
    ck_assert(!machine.line);
    out(DEVICE, 0xa0);
    ck_assert_uint_eq(in(STATUS), 0x50);
}
END_TEST

START_TEST(test_interrupt_enable)
{
    out(CONTROL, 0x02);
    out(COMMAND, 0xe0);
    ck_assert(!machine.line);
    out(CONTROL, 0x00);
    ck_assert(machine.line);
    out(CONTROL, 0x02);
    ck_assert(!machine.line);
    in(STATUS);
    out(CONTROL, 0x00);
    ck_assert(!machine.line);
}
END_TEST

START_TEST(test_soft_reset)
{
    command28(0xc6, 0, 16);
    in(STATUS);
    command28(0xc4, 50, 20);
    out(CONTROL, 0x04);
    ck_assert_uint_eq(in(CONTROL), 0x80);
    ck_assert(!machine.line);
    out(COMMAND, 0xec);
    out(CONTROL, 0x00);
    ck_assert_uint_eq(in(STATUS), 0x50);
    ck_assert_uint_eq(in(ERROR), 1);
    ck_assert_uint_eq(in(LBA0), 1);
    ck_assert_uint_eq(machine.model.multiple, 0);
    ck_assert(!machine.line);
}
END_TEST

/* A reset does not take the buffer back from the disk: BSY until the access has ended. */
START_TEST(test_reset_in_flight)
{
    machine.later = true;
    command28(0x20, 50, 1);
    out(CONTROL, 0x04);
    out(CONTROL, 0x00);
    ck_assert_uint_eq(in(STATUS), 0x80);
    out(COMMAND, 0x30);
    ck_assert_uint_eq(in(STATUS), 0x80);
    machine_complete(&machine);
    ck_assert_uint_eq(in(STATUS), 0x50);
    ck_assert(!machine.line);

    command28(0x20, 50, 1);
    out(CONTROL, 0x04);
    machine_complete(&machine);
    ck_assert_uint_eq(in(CONTROL), 0x80);
    out(CONTROL, 0x00);
    ck_assert_uint_eq(in(STATUS), 0x50);
    ide_model_complete(&machine.model, 0); /* one too many does nothing */
    ck_assert_uint_eq(in(STATUS), 0x50);
}
END_TEST

START_TEST(test_odd_accesses)
{
    uint8_t data[512];

    command28(0x20, 9, 1);
    ck_assert_uint_eq(ide_model_in(&machine.model, DATA, 1), 0xff);
    ide_model_ins(&machine.model, DATA, 2, data, 1);
    ide_model_ins(&machine.model, DATA, 4, data + 2, 127);
    ck_assert_uint_eq(ide_model_in(&machine.model, DATA, 4) >> 16, 0xffff); /* two bytes left */
    ck_assert_uint_eq(in(STATUS), 0x50);
    out(LBA0, 0x11);
    out(LBA1, 0x22);
    ck_assert_uint_eq(ide_model_in(&machine.model, LBA0, 2), 0x2211);
    ck_assert_uint_eq(ide_model_in(&machine.model, STATUS, 4), 0xffffff50);
    ck_assert_uint_eq(ide_model_in(&machine.model, CONTROL, 2), 0xff50);
    ck_assert_uint_eq(ide_model_in(&machine.model, 9, 1), 0xff);
    ck_assert_uint_eq(ide_model_in(&machine.model, 0xffff, 4), 0xffffffff);
    ide_model_out(&machine.model, LBA0, 2, 0x4433);
    ck_assert_uint_eq(in(LBA1), 0x44);
}
END_TEST

START_TEST(test_window)
{
    command28(0xc6, 0, 16);
    command28(0xc4, 0, 16);
    ck_assert_ptr_null(ide_model_ins_window(&machine.model, DATA, 2, 0));
    ck_assert_ptr_null(ide_model_ins_window(&machine.model, DATA, 1, 16));
    ck_assert_ptr_null(ide_model_ins_window(&machine.model, LBA0, 2, 16));
    ck_assert_ptr_null(ide_model_ins_window(&machine.model, DATA, 2, 2049));
    ck_assert_ptr_null(ide_model_ins_window(&machine.model, DATA, 4, UINT32_MAX));
    ck_assert_ptr_eq(ide_model_ins_window(&machine.model, DATA, 2, 2048), machine.buffer);
    ide_model_ins_done(&machine.model, 2, 2000);
    ck_assert_ptr_null(ide_model_ins_window(&machine.model, DATA, 2, 49));
    ck_assert_ptr_nonnull(ide_model_ins_window(&machine.model, DATA, 2, 48));
    ide_model_ins_done(&machine.model, 2, 48);
    ck_assert_ptr_eq(ide_model_ins_window(&machine.model, DATA, 4, 1024), machine.buffer + 4096);
    ide_model_ins_done(&machine.model, 4, 1024);
    ck_assert_uint_eq(in(STATUS), 0x50);
    ck_assert_ptr_null(ide_model_ins_window(&machine.model, DATA, 2, 1));
}
END_TEST

/* --- bus master ------------------------------------------------------------------------------ */

enum { MASTER_COMMAND = 0, MASTER_STATUS = 2, MASTER_TABLE = 4 };
#define TO_MEMORY 9u /* start, and the direction */
#define TO_DISK   1u
#define IDLE      0x20u /* what the status shows besides */
#define ACTIVE    0x21u
#define FAULT     0x22u
#define DONE      0x24u

static void master(uint16_t reg, unsigned size, uint32_t value)
{
    machine_access(&machine);
    ide_master_out(&machine.model, reg, size, value);
}

static unsigned master_status(void)
{
    return ide_master_in(&machine.model, MASTER_STATUS, 1);
}

static uint8_t *memory_at(uint32_t address)
{
    return machine.frame[address / 4096] + address % 4096;
}

static void region(uint32_t table, unsigned n, uint32_t address, uint32_t bytes, bool last)
{
    uint64_t entry = address | (uint64_t)(bytes & 0xffff) << 32 | (uint64_t)last << 63;

    memcpy(memory_at(table + n * 8), &entry, 8);
}

static void begin(uint32_t table, unsigned direction)
{
    master(MASTER_COMMAND, 1, 0);
    master(MASTER_STATUS, 1, 0x26);
    master(MASTER_TABLE, 4, table);
    master(MASTER_COMMAND, 1, direction);
}

static void check_memory(uint32_t address, uint64_t lba, unsigned sectors)
{
    uint8_t expected[512], found[512];

    for (unsigned i = 0; i < sectors; i++) {
        for (unsigned k = 0; k < 512; k++)
            found[k] = *memory_at(address + i * 512 + k);
        machine_sector(&machine, lba + i, expected);
        must(memcmp(found, expected, 512) == 0);
    }
}

/* The master has given up, the disk waits for it: nothing is raised, and a reset ends it. */
static void faulted(void)
{
    machine_settle(&machine);
    ck_assert_uint_eq(master_status(), FAULT);
    ck_assert(!machine.line);
    ck_assert_uint_eq(in(CONTROL), 0x80);
    out(CONTROL, 0x04);
    out(CONTROL, 0);
    ck_assert_uint_eq(in(STATUS), 0x50);
    master(MASTER_STATUS, 1, 0x26);
    ck_assert_uint_eq(master_status(), IDLE);
    master(MASTER_COMMAND, 1, 0);
}

/* 64 KiB: one disk access, one interrupt, nothing but the start's access to move them. _i: the
 * completion comes late, or there is no access because the disk is memory. */
START_TEST(test_dma_read)
{
    machine.later = _i == 1;
    machine.in_memory = _i == 2;
    region(0x1000, 0, 0x21002, 0x8ffe, false);
    region(0x1000, 1, 0x50000, 0x7002, true);
    command28(0xc8, 4000, 128);
    ck_assert_uint_eq(in(CONTROL), 0x80);
    ck_assert_uint_eq(machine.copied, 0);
    begin(0x1000, TO_MEMORY);
    machine_settle(&machine);
    ck_assert_uint_eq(master_status(), DONE);
    ended(0);
    ck_assert_uint_eq(machine.edges, 1);
    ck_assert_uint_eq(machine.accesses, _i == 2 ? 0 : 1);
    check_memory(0x21002, 4000, 71);
    check_memory(0x50000 + 2, 4072, 55);
    ck_assert_uint_eq(machine.copied, 65536 + 16 * 8);
    ck_assert_uint_eq(machine.copies_most, 3);
}
END_TEST

START_TEST(test_dma_write)
{
    static const uint8_t commands[] = { 0xca, 0xcb, 0x35 };

    machine.in_memory = _i == 1;
    for (unsigned i = 0; i < 3; i++) {
        region(0x1ff8, 0, 0x40000, 0, true); /* 0: 64 KiB */
        if (commands[i] == 0x35)
            command48(0x35, 4100, 128);
        else
            command28(commands[i], 4100, 128);
        begin(0x1ff8, TO_DISK);
        machine_settle(&machine);
        ck_assert_uint_eq(master_status(), DONE);
        ended(0);
        check_memory(0x40000, 4100, 128);
        memset(memory_at(0x41000), (int)i, 4096);
    }
    out(FEATURES, 0x82); /* without the write cache a flush comes before the interrupt */
    out(COMMAND, 0xef);
    in(STATUS);
    machine.flushes = 0;
    command28(0xca, 4100, 128);
    begin(0x1ff8, TO_DISK);
    ck_assert_uint_eq(machine.flushes, 1);
    ck_assert_uint_eq(master_status(), DONE);
    ended(0);
}
END_TEST

/* Longer than a chunk: in pieces, each continued by the host; 65536 sectors do not fit this disk.
 */
START_TEST(test_dma_long_requests)
{
    for (unsigned i = 0; i < 8; i++)
        region(0x2000, i, 0x80000 + (i & 3) * 0x10000, 0, i == 7);
    machine.later = _i & 1;
    machine.in_memory = _i & 2;
    command48(0x25, 2952, 1024);
    begin(0x2000, TO_MEMORY);
    ck_assert_uint_eq(master_status(), ACTIVE);
    machine_settle(&machine);
    ck_assert_uint_eq(master_status(), DONE);
    ended(0);
    check_memory(0x80000, 2952 + 512, 512);
    ck_assert_uint_le(machine.copies_most, 4);
    command48(0x25, 0, 0);
    ended(0x10);
}
END_TEST

/* A table that ends early: stopped, no interrupt, and the next start goes on with the rest. */
START_TEST(test_dma_short_table)
{
    region(0x1000, 0, 0x40000, 512 * 3 + 100, true);
    region(0x2000, 0, 0x40000 + 512 * 3 + 100, 512 * 5 - 100, true);
    command28(0xc8, 100, 8);
    begin(0x1000, TO_MEMORY);
    machine_settle(&machine);
    ck_assert_uint_eq(master_status(), IDLE);
    ck_assert(!machine.line);
    ck_assert_uint_eq(in(CONTROL), 0x80);
    begin(0x2000, TO_MEMORY);
    ck_assert_uint_eq(master_status(), DONE);
    ended(0);
    check_memory(0x40000, 100, 8);
}
END_TEST

/* A table that holds more than the request: Active stays, the rest is not touched. */
START_TEST(test_dma_long_table)
{
    memset(memory_at(0x40000), 0x5a, 4096);
    region(0x1000, 0, 0x40000, 4096, false);
    region(0x1000, 1, 0x60000, 4096, true);
    command28(0xc8, 100, 4);
    begin(0x1000, TO_MEMORY);
    ck_assert_uint_eq(master_status(), DONE | ACTIVE);
    ended(0);
    check_memory(0x40000, 100, 4);
    ck_assert_uint_eq(*memory_at(0x40000 + 2048), 0x5a);
    master(MASTER_COMMAND, 1, 0);
    ck_assert_uint_eq(master_status(), DONE);
}
END_TEST

START_TEST(test_dma_faults)
{
    static const struct {
        uint32_t table, address, bytes;
    } bad[] = {
        { 0x1000, 0x4fffe, 4 },      /* crosses 64 KiB */
        { 0x1000, 0x40002, 0 },      /* the same: 64 KiB from there on */
        { 0x1000, 0x14000, 512 },    /* no memory there */
        { 0x1000, 0x13f00, 512 },    /* not all of it */
        { 0x1000, 0x100000, 512 },   /* behind the end */
        { 0x1000, 0xfffff000, 512 }, /* far behind it */
    };

    machine.in_memory = _i & 1;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        region(bad[i].table, 0, bad[i].address, bad[i].bytes, true);
        command28(_i & 2 ? 0xca : 0xc8, 100, 1);
        begin(bad[i].table, _i & 2 ? TO_DISK : TO_MEMORY);
        faulted();
    }
    for (unsigned i = 0; i < 3;
         i++) { /* a table that is not there, behind the end, at the very end */
        command28(_i & 2 ? 0xca : 0xc8, 100, 1);
        begin(i == 0 ? 0x14000 : i == 1 ? 0x100000 : 0xfffffffc, _i & 2 ? TO_DISK : TO_MEMORY);
        faulted();
    }
    region(0x1000, 0, 0x40000, 512, true);
    command28(_i & 2 ? 0xca : 0xc8, 100, 1);
    begin(0x1000, _i & 2 ? TO_MEMORY : TO_DISK); /* the wrong direction */
    faulted();
    ide_master_enable(&machine.model, false);
    command28(_i & 2 ? 0xca : 0xc8, 100, 1);
    begin(0x1000, _i & 2 ? TO_DISK : TO_MEMORY);
    faulted();
    ide_master_enable(&machine.model, true);
    machine.later = true; /* switched off with the disk at work */
    command28(0xc8, 100, 1);
    begin(0x1000, TO_MEMORY);
    ide_master_enable(&machine.model, false);
    if (machine.pending)
        faulted();
}
END_TEST

/* Nothing of a write that lacks its data reaches the disk. */
START_TEST(test_dma_write_fault)
{
    uint8_t before[512], after[512];

    machine_sector(&machine, 4200, before);
    region(0x1000, 0, 0x40000, 256, false);
    region(0x1000, 1, 0x14000, 256, true);
    command28(0xca, 4200, 1);
    begin(0x1000, TO_DISK);
    faulted();
    machine_sector(&machine, 4200, after);
    ck_assert_int_eq(memcmp(before, after, 512), 0);
    ck_assert_uint_eq(machine.accesses, 0);
}
END_TEST

/* Bit 0 of addresses and counts does not exist. */
START_TEST(test_dma_odd_numbers)
{
    region(0x1000, 0, 0x40001, 513, true);
    command28(0xc8, 7, 1);
    begin(0x1003, TO_MEMORY);
    ck_assert_uint_eq(ide_master_in(&machine.model, MASTER_TABLE, 4), 0x1000);
    ck_assert_uint_eq(master_status(), DONE);
    check_memory(0x40000, 7, 1);
}
END_TEST

/* A table without an end stops at the next multiple of 64 KiB, after bounded pieces of work. */
START_TEST(test_dma_endless_table)
{
    unsigned pieces = 0;

    for (uint32_t n = 0; n < 8192; n++)
        if (0x70000 + n * 8 < 0x80000)
            region(0x70000, n, 0x90000 + n % 100 * 4, 2, false);
    command48(0x25, 0, 2000);
    begin(0x70000, TO_MEMORY);
    for (; machine.again; pieces++) {
        ck_assert_uint_eq(master_status(), ACTIVE);
        machine.again = false;
        machine.copies = 0;
        ide_model_continue(&machine.model);
    }
    ck_assert_uint_eq(pieces, 8192 / 64);
    ck_assert_uint_le(machine.copied, 8192 * (2 + 8));
    faulted();
}
END_TEST

/* Starts in one string of accesses: one of them works, whatever there is to do. */
START_TEST(test_dma_string_of_starts)
{
    region(0x1000, 0, 0x40000, 0, true);
    machine.in_memory = true;
    master(MASTER_TABLE, 4, 0x1000);
    machine_access(&machine);
    for (int i = 0; i < 1000; i++) {
        ide_master_out(&machine.model, MASTER_COMMAND, 1, 0);
        ide_master_out(&machine.model, MASTER_COMMAND, 1, TO_MEMORY);
        ide_model_out(&machine.model, COUNT, 1, 128);
        ide_model_out(&machine.model, DEVICE, 1, 0xe0);
        ide_model_out(&machine.model, COMMAND, 1, 0xc8);
    }
    ck_assert_uint_le(machine.copied, 65536 + 128);
    ck_assert(machine.again);
    machine_settle(&machine);
    ck_assert_uint_eq(master_status(), DONE);
}
END_TEST

/* The table lies in what is read: an entry that was fetched is not looked at again. */
START_TEST(test_dma_into_its_own_table)
{
    region(0x1000, 0, 0x1000, 512, false);
    region(0x1000, 1, 0x40000, 512, true);
    command28(0xc8, 300, 2);
    begin(0x1000, TO_MEMORY);
    machine_settle(&machine);
    ck_assert_uint_eq(master_status(), DONE);
    check_memory(0x1000, 300, 1);
    check_memory(0x40000, 301, 1);
}
END_TEST

/* Stopped while the disk works: nothing is moved until it is started again. */
START_TEST(test_dma_stop)
{
    machine.later = true;
    region(0x1000, 0, 0x40000, 512, true);
    command28(0xc8, 9, 1);
    begin(0x1000, TO_MEMORY);
    ck_assert_uint_eq(master_status(), ACTIVE);
    master(MASTER_COMMAND, 1, 0);
    ck_assert_uint_eq(master_status(), IDLE);
    machine_settle(&machine);
    ck_assert_uint_eq(machine.copied, 0);
    ck_assert(!machine.line);
    begin(0x1000, TO_MEMORY);
    ck_assert_uint_eq(master_status(), DONE);
    ck_assert_uint_eq(machine.accesses, 1);
    ended(0);
    check_memory(0x40000, 9, 1);
}
END_TEST

START_TEST(test_dma_reset)
{
    machine.later = _i;
    region(0x1000, 0, 0x40000, 512, true);
    command28(0xc8, 9, 1);
    if (_i)
        begin(0x1000, TO_MEMORY);
    out(CONTROL, 0x04);
    out(CONTROL, 0);
    machine_settle(&machine);
    ck_assert_uint_eq(in(STATUS), 0x50);
    begin(0x1000, TO_MEMORY); /* nobody has asked for it: it waits */
    machine_settle(&machine);
    ck_assert_uint_eq(machine.copied, 0);
    ck_assert(!machine.line);
    command28(0xc8, 9, 1); /* the other order: start, then command */
    machine_settle(&machine);
    ck_assert_uint_eq(master_status(), DONE);
    ended(0);
    check_memory(0x40000, 9, 1);
}
END_TEST

START_TEST(test_dma_backend_errors)
{
    region(0x1000, 0, 0x40000, 0, true);
    machine.fail_in = 1;
    command28(0xc8, 1000, 128);
    begin(0x1000, TO_MEMORY);
    ck_assert_uint_eq(master_status(), DONE | ACTIVE);
    ended(0x40);
    ck_assert_uint_eq(low_address(), 1000);
    machine.fail_in = 1;
    command28(0xca, 1000, 128);
    begin(0x1000, TO_DISK);
    machine_settle(&machine);
    ended(0x04);
}
END_TEST

/* No interrupt is raised with nIEN set, on the line or in the master's status. */
START_TEST(test_dma_interrupt_enable)
{
    region(0x1000, 0, 0x40000, 512, true);
    out(CONTROL, 0x02);
    command28(0xc8, 9, 1);
    begin(0x1000, TO_MEMORY);
    ck_assert_uint_eq(master_status(), IDLE);
    ck_assert_uint_eq(machine.edges, 0);
    out(CONTROL, 0);
    ck_assert_uint_eq(master_status(), DONE);
    ck_assert_uint_eq(machine.edges, 1);
    master(MASTER_STATUS, 1, 0x42); /* of the bits that clear, just that one; the note changes */
    ck_assert_uint_eq(master_status(), 0x44);
    master(MASTER_STATUS, 1, 0x24);
    ck_assert_uint_eq(master_status(), IDLE);
}
END_TEST

START_TEST(test_master_registers)
{
    for (unsigned i = 0; i < 8; i++) {
        if (i == 0 || i == 2)
            continue;
        master((uint16_t)i, 1, 0xff);
        ck_assert_uint_eq(ide_master_in(&machine.model, (uint16_t)i, 1), i < 4    ? 0
                                                                         : i == 4 ? 0xfc
                                                                                  : 0xff);
    }
    master(MASTER_COMMAND, 4, 0xfffffff6);
    ck_assert_uint_eq(ide_master_in(&machine.model, MASTER_COMMAND, 4), 0x00600000);
    ck_assert_uint_eq(ide_master_in(&machine.model, 6, 4), 0xffff);
    ck_assert_uint_eq(ide_master_in(&machine.model, 0xfff0, 2), 0);
    master(0xfff0, 4, 1);
}
END_TEST

/* --- configuration space ---------------------------------------------------------------------- */

static struct pci_model pci;

static uint32_t config(uint32_t reg)
{
    pci_model_out(&pci, 0, 4, 0x80000800 | reg);
    return pci_model_in(&pci, 4, 4);
}

static void set_config(uint32_t reg, uint32_t value)
{
    pci_model_out(&pci, 0, 4, 0x80000800 | reg);
    pci_model_out(&pci, 4, 4, value);
}

START_TEST(test_pci)
{
    pci_model_init(&pci, 0xc000);
    ck_assert_uint_eq(config(0), 0x70108086);
    ck_assert_uint_eq(config(8), 0x01018000);
    ck_assert_uint_eq(config(4), 0x02800001);
    ck_assert_uint_eq(config(0x20), 0xc001);
    ck_assert_uint_eq(pci_model_in(&pci, 0, 4), 0x80000820);
    ck_assert(pci_model_decodes(&pci) && !pci_model_masters(&pci));
    set_config(4, ~0u);
    ck_assert_uint_eq(config(4), 0x02800005);
    ck_assert(pci_model_masters(&pci));
    set_config(0x20, ~0u); /* how its size is asked */
    ck_assert_uint_eq(config(0x20), 0xfff1);
    ck_assert(!pci_model_decodes(&pci));
    set_config(0x20, 0xc00f);
    ck_assert_uint_eq(config(0x20), 0xc001);
    ck_assert(pci_model_decodes(&pci));
    for (uint32_t reg = 0; reg < 256; reg += 4) {
        uint32_t before = config(reg);
        if (reg == 4 || reg == 0x20 || reg == 0x3c)
            continue;
        set_config(reg, ~before);
        ck_assert_uint_eq(config(reg), before);
    }
    pci_model_out(&pci, 0, 4, 0x80000804); /* bytes and words */
    pci_model_out(&pci, 4, 1, 0);
    ck_assert(!pci_model_decodes(&pci) && !pci_model_masters(&pci));
    pci_model_out(&pci, 5, 1, 0xff);
    pci_model_out(&pci, 6, 2, 0xffff);
    ck_assert_uint_eq(config(4), 0x02800000);
    ck_assert_uint_eq(pci_model_in(&pci, 6, 2) & 0xffff, 0x0280);
}
END_TEST

/* No other function answers, nor ours without the enable bit; ports beside the two do nothing. */
START_TEST(test_pci_elsewhere)
{
    pci_model_init(&pci, 0xc000);
    for (uint32_t name = 0; name < 65536; name++) {
        pci_model_out(&pci, 0, 4, 0x80000000 | name << 8);
        must(pci_model_in(&pci, 4, 4) == (name == 8 ? 0x70108086 : 0xffffffff));
    }
    pci_model_out(&pci, 0, 4, 0x80000904);
    pci_model_out(&pci, 4, 4, 0xffff);
    pci_model_out(&pci, 0, 4, 0x00000804);
    ck_assert_uint_eq(pci_model_in(&pci, 4, 4), 0xffffffff);
    pci_model_out(&pci, 4, 4, 0xffff);
    ck_assert_uint_eq(config(4), 0x02800001);
    for (unsigned size = 1; size <= 4; size *= 2) {
        for (uint16_t at = 0; at < 4; at++) {
            if (at == 0 && size == 4)
                continue;
            ck_assert_uint_eq(pci_model_in(&pci, at, size), 0xffffffff);
            pci_model_out(&pci, at, size, 0);
        }
    }
    ck_assert_uint_eq(pci_model_in(&pci, 0, 4), 0x80000804);
    ck_assert_uint_eq(pci_model_in(&pci, 0xffff, 4), 0xffffffff);
}
END_TEST

/* --- hostile ------------------------------------------------------------------------------- */

static void block_access(uint16_t offset, unsigned size)
{
    uint32_t count = (uint32_t)(rand() % (rand() % 2 ? 20 : 4200));
    uint8_t *block = malloc((size_t)count * size + 1);

    memset(block, rand(), (size_t)count * size);
    if (rand() & 1)
        ide_model_ins(&machine.model, offset, size, block, count);
    else
        ide_model_outs(&machine.model, offset, size, block, count);
    free(block);
}

/* Somewhere in memory or a little beyond it, often at an edge. */
static uint32_t random_address(void)
{
    uint32_t at = (uint32_t)rand() % (FRAMES + 4) * 4096;

    if (rand() % 16 == 0)
        return (uint32_t)rand() * 2u;
    return at + (rand() % 2 ? 0 : rand() % 2 ? 4096 - 16 : (uint32_t)rand() % 4096);
}

/* A table of a few entries, most of them good. */
static void random_table(uint32_t table)
{
    unsigned entries = 1 + (unsigned)rand() % 40;

    for (unsigned i = 0; i < entries; i++) {
        uint32_t at = rand() % 3 ? 0x10000 + (uint32_t)rand() % 64 * 512 : random_address();
        uint32_t bytes = rand() % 3 ? 512u << rand() % 5 : (uint32_t)rand();
        if (table / 4096 < FRAMES && (table + i * 8) % 4096 <= 4088 &&
            (table + i * 8) / 4096 < FRAMES && machine.frame[(table + i * 8) / 4096])
            region(table, i, at, bytes, rand() % 8 == 0 || i + 1 == entries);
    }
}

static void random_master(void)
{
    static const unsigned starts[] = { TO_MEMORY, TO_MEMORY, TO_DISK, 0 };
    uint32_t table = rand() % 4 ? 0x2000 + (uint32_t)rand() % 16 * 4 : random_address();

    switch (rand() % 6) {
    case 0:
        master((uint16_t)(rand() % 12), 1u << rand() % 3, (uint32_t)rand());
        break;
    case 1:
        ide_master_enable(&machine.model, rand() % 8);
        break;
    case 2:
        master(MASTER_COMMAND, 1, 0);
        break;
    default:
        random_table(table & ~3u);
        begin(table, starts[rand() % 4]);
        break;
    }
    ide_master_in(&machine.model, (uint16_t)(rand() % 12), 1u << rand() % 3);
}

/* Mostly commands that start something, so that the interesting phases are reached. */
static void random_command(void)
{
    static const uint8_t starters[] = {
        0x20, 0x24, 0x29, 0x30, 0x34, 0x39, 0xc4, 0xc5, 0xc6, 0xec,
        0xef, 0x91, 0xe7, 0x90, 0xc8, 0xca, 0x25, 0x35, 0xc8, 0xca
    };
    unsigned command = rand() % 4 ? starters[rand() % 20] : (unsigned)rand() % 256;

    if (rand() % 8)
        out(DEVICE, 0xe0 & (unsigned)rand());
    if (rand() % 2)
        out(COUNT, 1u << (rand() % 6));
    for (uint16_t reg = LBA0; reg <= LBA2; reg++)
        out(reg, rand() % 4 ? 0 : (unsigned)rand() % (rand() % 2 ? 4 : 256));
    out(COMMAND, command);
}

static void random_access(void)
{
    static const unsigned sizes[] = { 1, 2, 4 };
    uint16_t offset = (uint16_t)(rand() % 20 ? rand() % 9 : rand());
    unsigned size = sizes[rand() % 3];

    machine_access(&machine);
    switch (rand() % 12) {
    case 9:
    case 10:
        random_master();
        break;
    case 11:
        machine.in_memory = rand() & 1;
        machine_settle(&machine);
        break;
    case 8: /* lest a reset that something else began lasts for ever */
        out(CONTROL, (unsigned)rand() & 0x82);
        break;
    case 0:
        ide_model_in(&machine.model, offset, size);
        break;
    case 1:
        if (offset != CONTROL || rand() % 8 == 0)
            ide_model_out(&machine.model, offset, size, (uint32_t)rand());
        break;
    case 2:
        block_access(offset, size);
        break;
    case 3:
    case 4:
        block_access(DATA, 2);
        break;
    case 5:
        machine_complete(&machine);
        break;
    case 6:
        ide_model_ins_done(&machine.model, size, (uint32_t)rand() % 2100);
        break;
    default:
        random_command();
        break;
    }
}

static void check_invariants(void)
{
    const struct ide_model *m = &machine.model;
    bool data = m->phase == IDE_DATA_IN || m->phase == IDE_DATA_OUT;

    must(!data || m->offset < m->block * IDE_SECTOR);
    must(!data || m->block * IDE_SECTOR <= IDE_BUFFER_BYTES);
    must(m->in_flight == machine.pending);
    must(!m->in_flight || m->phase == IDE_DISK || m->phase == IDE_RESET);
    must(m->phase != IDE_DISK || m->in_flight);
    must(data == !!(m->status & 0x08));
    must((m->phase == IDE_DISK || m->phase == IDE_RESET || m->phase == IDE_DMA_DATA) ==
         !!(m->status & 0x80));
    must(m->phase != IDE_DMA_DATA || (m->dma && m->block > 0 && m->block <= IDE_CHUNK));
    must(m->phase != IDE_DMA_DATA || m->offset <= m->block * IDE_SECTOR);
    must((m->master.table & 3) == 0 && m->master.at + (uint64_t)m->master.left <= (uint64_t)1
                                                                                      << 32);
    must(m->master.taken <= m->master.fetched && m->master.fetched <= 16);
    must(machine.line == m->irq_level);
    must(m->irq_level == (m->irq_pending && !(m->control & 0x02)));
    must(m->heads > 0 && m->track > 0);
}

START_TEST(test_hostile_guest)
{
    static const uint64_t sizes[] = { 1, 15, 300, 70000, ((uint64_t)1 << 28) + 3 };
    uint64_t accesses = 0, copied = 0;

    for (unsigned seed = 0; seed < 10; seed++) {
        srand(seed * 31 + (unsigned)_i);
        teardown();
        machine_start(&machine, sizes[seed % 5], seed == 9);
        add_memory();
        machine.later = _i & 1;
        for (int i = 0; i < 12000; i++) {
            random_access();
            check_invariants();
            if (rand() % 500 == 0)
                machine.fail_in = 1;
        }
        accesses += machine.accesses;
        copied += machine.copied;
    }
    ck_assert_uint_gt(accesses, 1000); /* else the noise never got anywhere */
    ck_assert_uint_gt(copied, 1000000);
}
END_TEST

static void add_script(TCase *t)
{
    tcase_add_test(t, test_power_on);
    tcase_add_test(t, test_ports);
    tcase_add_test(t, test_identify);
    tcase_add_test(t, test_identify_big);
    tcase_add_test(t, test_read_sectors);
    tcase_add_test(t, test_read_multiple);
    tcase_add_test(t, test_write_sectors);
    tcase_add_test(t, test_late_completion);
    tcase_add_test(t, test_range_errors);
    tcase_add_test(t, test_chs);
    tcase_add_test(t, test_backend_errors);
    tcase_add_test(t, test_set_multiple);
    tcase_add_test(t, test_set_features);
    tcase_add_test(t, test_write_through);
    tcase_add_test(t, test_other_commands);
    tcase_add_test(t, test_unknown_commands);
    tcase_add_test(t, test_high_order_bytes);
    tcase_add_test(t, test_second_disk);
    tcase_add_test(t, test_interrupt_enable);
    tcase_add_test(t, test_soft_reset);
    tcase_add_test(t, test_reset_in_flight);
    tcase_add_test(t, test_odd_accesses);
    tcase_add_test(t, test_window);
}

static void add_master(TCase *t)
{
    tcase_add_loop_test(t, test_dma_read, 0, 3);
    tcase_add_loop_test(t, test_dma_write, 0, 2);
    tcase_add_loop_test(t, test_dma_long_requests, 0, 4);
    tcase_add_test(t, test_dma_short_table);
    tcase_add_test(t, test_dma_long_table);
    tcase_add_loop_test(t, test_dma_faults, 0, 4);
    tcase_add_test(t, test_dma_write_fault);
    tcase_add_test(t, test_dma_odd_numbers);
    tcase_add_test(t, test_dma_endless_table);
    tcase_add_test(t, test_dma_string_of_starts);
    tcase_add_test(t, test_dma_into_its_own_table);
    tcase_add_test(t, test_dma_stop);
    tcase_add_loop_test(t, test_dma_reset, 0, 2);
    tcase_add_test(t, test_dma_backend_errors);
    tcase_add_test(t, test_dma_interrupt_enable);
    tcase_add_test(t, test_master_registers);
    tcase_add_test(t, test_pci);
    tcase_add_test(t, test_pci_elsewhere);
}

int main(void)
{
    Suite *suite = suite_create("ide_model");
    TCase *script = tcase_create("script");
    TCase *hostile = tcase_create("hostile");

    tcase_add_checked_fixture(script, setup, teardown);
    tcase_add_checked_fixture(hostile, setup, teardown);
    tcase_set_timeout(script, 60);
    tcase_set_timeout(hostile, 120);
    add_script(script);
    add_master(script);
    tcase_add_loop_test(hostile, test_hostile_guest, 0, 4);
    suite_add_tcase(suite, script);
    suite_add_tcase(suite, hostile);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
