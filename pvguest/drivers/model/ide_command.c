/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IDE model's commands: what each takes from the registers, what it refuses, what it starts.
 *
 * Owns nothing; it runs with the disk idle. Every transfer is checked against the size of the disk
 * here, before it starts, so that no access beyond the end ever reaches the host.
 */
#include "model/ide_internal.h"

#define SECTORS_28 0x0fffffffu

/* How a transfer command addresses the disk and in which blocks it moves data. */
enum transfer_flags { WIDE = 1, MULTIPLE = 2, WRITE = 4, DMA = 8 };

static void abort_command(struct ide_model *m)
{
    ide_finish(m, ERROR_ABRT);
}

/* --- addresses ------------------------------------------------------------------------------ */

static uint64_t address_48(const struct ide_model *m)
{
    uint64_t lba = 0;

    for (unsigned i = 0; i < 3; i++) {
        lba |= (uint64_t)m->lba[i].now << (8 * i);
        lba |= (uint64_t)m->lba[i].before << (8 * i + 24);
    }
    return lba;
}

static uint64_t address_28(const struct ide_model *m)
{
    return (uint64_t)(m->device & 0x0f) << 24 | (uint64_t)m->lba[2].now << 16 |
           (uint64_t)m->lba[1].now << 8 | m->lba[0].now;
}

/* An address that the translation does not have is beyond every disk. */
static uint64_t address_chs(const struct ide_model *m)
{
    uint32_t cylinder = (uint32_t)m->lba[2].now << 8 | m->lba[1].now;
    uint32_t head = m->device & 0x0f;
    uint32_t sector = m->lba[0].now;

    if (sector == 0 || sector > m->track || head >= m->heads)
        return UINT64_MAX;
    return ((uint64_t)cylinder * m->heads + head) * m->track + sector - 1;
}

static uint64_t address(const struct ide_model *m)
{
    if (m->wide)
        return address_48(m);
    return m->device & DEVICE_LBA ? address_28(m) : address_chs(m);
}

static void show_chs(struct ide_model *m, uint64_t lba)
{
    uint64_t cylinder = lba / m->track / m->heads;

    m->lba[0].now = (uint8_t)(lba % m->track + 1);
    m->lba[1].now = (uint8_t)cylinder;
    m->lba[2].now = (uint8_t)(cylinder >> 8);
    m->device = (uint8_t)((m->device & 0xf0) | (lba / m->track % m->heads));
}

void ide_show_address(struct ide_model *m, uint64_t lba)
{
    if (!m->wide && !(m->device & DEVICE_LBA)) {
        show_chs(m, lba);
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        m->lba[i].now = (uint8_t)(lba >> (8 * i));
        if (m->wide)
            m->lba[i].before = (uint8_t)(lba >> (8 * i + 24));
    }
    if (!m->wide)
        m->device = (uint8_t)((m->device & 0xf0) | ((lba >> 24) & 0x0f));
}

/* --- transfers ------------------------------------------------------------------------------ */

/* Zero means the most that the register could say. */
static uint32_t transfer_count(const struct ide_model *m)
{
    if (!m->wide)
        return m->count.now ? m->count.now : 256;
    uint32_t count = (uint32_t)m->count.before << 8 | m->count.now;
    return count ? count : 65536;
}

/* Take address and count from the registers; false, with the command ended, when out of range. */
static bool take_range(struct ide_model *m, bool wide)
{
    m->wide = wide;
    m->next = address(m);
    m->left = transfer_count(m);
    if (m->next < m->sectors && m->left <= m->sectors - m->next)
        return true;
    if (m->next < m->sectors)
        ide_show_address(m, m->sectors);
    ide_finish(m, ERROR_IDNF);
    return false;
}

static void transfer(struct ide_model *m, unsigned flags)
{
    if ((flags & MULTIPLE) && m->multiple == 0) {
        abort_command(m);
        return;
    }
    if ((flags & WRITE) && m->read_only) {
        abort_command(m);
        return;
    }
    if (!take_range(m, flags & WIDE))
        return;
    m->block_limit = flags & MULTIPLE ? m->multiple : 1;
    m->dma = flags & DMA;
    if (flags & DMA)
        ide_begin_dma(m, flags & WRITE ? IDE_OP_WRITE : IDE_OP_READ);
    else if (flags & WRITE)
        ide_begin_write(m);
    else
        ide_begin_read(m);
}

/* READ VERIFY moves no data: every sector in range is good until it is read. */
static void verify(struct ide_model *m, bool wide)
{
    if (take_range(m, wide))
        ide_finish(m, 0);
}

/* --- settings ------------------------------------------------------------------------------- */

static void set_multiple(struct ide_model *m)
{
    uint8_t count = m->count.now;

    if (count > IDE_MULTIPLE_MAX || (count & (count - 1))) {
        abort_command(m);
        return;
    }
    m->multiple = count;
    ide_finish(m, 0);
}

/* INITIALIZE DEVICE PARAMETERS: the translation for CHS addresses. */
static void set_geometry(struct ide_model *m)
{
    uint32_t heads = (m->device & 0x0fu) + 1;
    uint32_t track = m->count.now;

    if (track == 0) {
        abort_command(m);
        return;
    }
    uint64_t cylinders = m->sectors / (heads * track);
    m->heads = (uint8_t)heads;
    m->track = (uint8_t)track;
    m->cylinders = cylinders > UINT16_MAX ? UINT16_MAX : (uint16_t)cylinders;
    ide_finish(m, 0);
}

/* PIO modes by default, with and without flow control, and multiword DMA: none takes any time. */
static void set_mode(struct ide_model *m, uint8_t mode)
{
    bool pio = mode <= 0x01 || (mode >= 0x08 && mode <= 0x0c);
    bool dma = mode >= 0x20 && mode <= 0x22;

    if (dma)
        m->dma_mode = mode & 3;
    ide_finish(m, pio || dma ? 0 : ERROR_ABRT);
}

static void set_features(struct ide_model *m)
{
    switch (m->features.now) {
    case 0x02:
        m->write_cache = true;
        ide_finish(m, 0);
        break;
    case 0x82: /* from now on writes end with a flush, and so must those before */
        m->write_cache = false;
        ide_begin_flush(m);
        break;
    case 0x03:
        set_mode(m, m->count.now);
        break;
    case 0x55: /* read look-ahead off and on, defaults kept and restored by a reset: no effect */
    case 0xaa:
    case 0x66:
    case 0xcc:
        ide_finish(m, 0);
        break;
    default:
        abort_command(m);
        break;
    }
}

static void read_native_max(struct ide_model *m, bool wide)
{
    uint64_t last = m->sectors ? m->sectors - 1 : 0;

    m->wide = wide;
    if (!wide && !(m->device & DEVICE_LBA)) {
        abort_command(m);
        return;
    }
    ide_show_address(m, !wide && last > SECTORS_28 ? SECTORS_28 : last);
    ide_finish(m, 0);
}

static void diagnose(struct ide_model *m)
{
    ide_set_signature(m);
    ide_finish(m, 0);
    m->error = 1; /* a diagnostic code, not an error: ERR stays clear */
}

/* --- dispatch ------------------------------------------------------------------------------- */

static void identify(struct ide_model *m)
{
    ide_fill_identify(m);
    ide_offer_sector(m);
}

static bool transfer_command(struct ide_model *m, uint8_t command)
{
    static const struct {
        uint8_t command;
        uint8_t flags;
    } table[] = {
        { 0x20, 0 },
        { 0x21, 0 },
        { 0x24, WIDE },
        { 0x29, WIDE | MULTIPLE },
        { 0xc4, MULTIPLE },
        { 0x30, WRITE },
        { 0x31, WRITE },
        { 0x34, WRITE | WIDE },
        { 0xc5, WRITE | MULTIPLE },
        { 0x39, WRITE | MULTIPLE | WIDE },
        { 0xc8, DMA },
        { 0xc9, DMA },
        { 0x25, DMA | WIDE },
        { 0xca, DMA | WRITE },
        { 0xcb, DMA | WRITE },
        { 0x35, DMA | WRITE | WIDE },
    };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].command == command) {
            transfer(m, table[i].flags);
            return true;
        }
    }
    return false;
}

static void other_command(struct ide_model *m, uint8_t command)
{
    switch (command) {
    case 0x27:
    case 0xf8:
        read_native_max(m, command == 0x27);
        break;
    case 0x40:
    case 0x41:
    case 0x42:
        verify(m, command == 0x42);
        break;
    case 0x91:
        set_geometry(m);
        break;
    case 0xc6:
        set_multiple(m);
        break;
    case 0xe7:
    case 0xea:
        ide_begin_flush(m);
        break;
    case 0xec:
        identify(m);
        break;
    case 0xef:
        set_features(m);
        break;
    case 0xe5: /* CHECK POWER MODE: always active */
        m->count.now = 0xff;
        ide_finish(m, 0);
        break;
    case 0x10: /* RECALIBRATE, SEEK and the power commands: there is nothing to move or stop */
    case 0x70:
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
        ide_finish(m, 0);
        break;
    default:
        abort_command(m);
        break;
    }
}

void ide_command(struct ide_model *m, uint8_t command)
{
    /* The diagnostic is for both disks; all else goes to the one selected. */
    if (command == 0x90) {
        diagnose(m);
        return;
    }
    if (m->device & DEVICE_SECOND)
        return;
    if (!transfer_command(m, command))
        other_command(m, command);
}
