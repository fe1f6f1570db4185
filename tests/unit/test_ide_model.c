/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IDE model at its registers: the standard's corner cases in a script, then hostile guests.
 *
 * A vulnerable model lets a guest run the data pointer out of its buffer, change the buffer while
 * the disk fills it, or start an access beyond the end of the disk. Random accesses of every kind,
 * with completions at random moments, run under ASan here; host_ide.c checks each disk access, and
 * every block operand has its exact size.
 *
 * sources: pvguest/drivers/model/ide.c pvguest/drivers/model/ide_command.c
 * sources: pvguest/drivers/model/ide_identify.c tests/unit/host_ide.c
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_ide.h"

enum { DATA, ERROR, COUNT, LBA0, LBA1, LBA2, DEVICE, STATUS, CONTROL };
#define FEATURES ERROR
#define COMMAND  STATUS

static struct machine machine;

static void power(uint64_t sectors)
{
    machine_start(&machine, sectors, false);
}

static void setup(void)
{
    srand(1);
    power(5000);
}

static void teardown(void)
{
    machine_stop(&machine);
}

static uint8_t in(uint16_t reg)
{
    return (uint8_t)ide_model_in(&machine.model, reg, 1);
}

static void out(uint16_t reg, unsigned value)
{
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
    ck_assert_uint_eq(id[49] & 0x0300, 0x0200);
    command28(0xc6, 0, 8);
    ended(0);
    identify(id);
    ck_assert_uint_eq(id[59], 0x0108);
}
END_TEST

START_TEST(test_identify_big)
{
    uint16_t id[256];

    teardown();
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
        ended(mode < 2 || (mode >= 8 && mode <= 0x0c) ? 0 : 0x04);
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
    static const uint8_t known[] = { 0x10, 0x20, 0x21, 0x24, 0x27, 0x29, 0x30, 0x31, 0x34, 0x39,
                                     0x40, 0x41, 0x42, 0x70, 0x90, 0x91, 0xc4, 0xc5, 0xc6, 0xe0,
                                     0xe1, 0xe2, 0xe3, 0xe5, 0xe7, 0xea, 0xec, 0xef, 0xf8 };

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

/* Mostly commands that start something, so that the interesting phases are reached. */
static void random_command(void)
{
    static const uint8_t starters[] = { 0x20, 0x24, 0x29, 0x30, 0x34, 0x39, 0xc4,
                                        0xc5, 0xc6, 0xec, 0xef, 0x91, 0xe7, 0x90 };
    unsigned command = rand() % 4 ? starters[rand() % 14] : (unsigned)rand() % 256;

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

    switch (rand() % 9) {
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
    must((m->phase == IDE_DISK || m->phase == IDE_RESET) == !!(m->status & 0x80));
    must(machine.line == m->irq_level);
    must(m->irq_level == (m->irq_pending && !(m->control & 0x02)));
    must(m->heads > 0 && m->track > 0);
}

START_TEST(test_hostile_guest)
{
    static const uint64_t sizes[] = { 1, 15, 300, 70000, ((uint64_t)1 << 28) + 3 };
    uint64_t accesses = 0;

    for (unsigned seed = 0; seed < 10; seed++) {
        srand(seed * 31 + (unsigned)_i);
        machine_stop(&machine);
        machine_start(&machine, sizes[seed % 5], seed == 9);
        machine.later = _i & 1;
        for (int i = 0; i < 12000; i++) {
            random_access();
            check_invariants();
            if (rand() % 500 == 0)
                machine.fail_in = 1;
        }
        accesses += machine.accesses;
    }
    ck_assert_uint_gt(accesses, 1000); /* else the noise never got anywhere */
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
    tcase_add_loop_test(hostile, test_hostile_guest, 0, 4);
    suite_add_tcase(suite, script);
    suite_add_tcase(suite, hostile);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
