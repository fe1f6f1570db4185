/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IDE by programmed I/O: probe, READ and WRITE MULTIPLE, FLUSH CACHE, interrupt driven.
 *
 * Owns the channel while a function runs. Accesses are few on purpose: on a real controller each
 * costs a microsecond, behind a hypervisor a trap. One status read a block, one string instruction
 * a block, and 48-bit addresses only where 28 do not reach. Nothing a disk says can overrun a
 * buffer: the driver moves what it asked for, block by block, or gives up.
 */
#include "hw/ide.h"
#include "kstring.h"

enum { DATA, ERROR, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE, COMMAND, STATUS = COMMAND };

#define STATUS_ERR  0x01u
#define STATUS_DRQ  0x08u
#define STATUS_DF   0x20u
#define STATUS_DRDY 0x40u
#define STATUS_BSY  0x80u

#define CONTROL_NIEN 0x02u
#define CONTROL_SRST 0x04u
#define DEVICE_LBA   0xe0u

#define READ_SECTORS       0x20u
#define READ_SECTORS_EXT   0x24u
#define READ_MULTIPLE_EXT  0x29u
#define WRITE_SECTORS      0x30u
#define WRITE_SECTORS_EXT  0x34u
#define WRITE_MULTIPLE_EXT 0x39u
#define READ_MULTIPLE      0xc4u
#define WRITE_MULTIPLE     0xc5u
#define SET_MULTIPLE       0xc6u
#define FLUSH_CACHE        0xe7u
#define FLUSH_CACHE_EXT    0xeau
#define IDENTIFY           0xecu

#define COMMAND_SECTORS 256u
#define LIMIT_28        ((uint64_t)1 << 28)
#define SECOND          ((uint64_t)1000000000)
#define TIMEOUT         (10 * SECOND)
#define RESET_TIMEOUT   (31 * SECOND) /* what the standard allows a disk */
#define SRST_TIME       ((uint64_t)5000)

/* --- ports ---------------------------------------------------------------------------------- */

static uint8_t get(const struct ide_disk *d, unsigned reg)
{
    return d->bus->in8(d->bus->ctx, (uint16_t)(d->bus->command + reg));
}

static void put(const struct ide_disk *d, unsigned reg, uint64_t value)
{
    d->bus->out8(d->bus->ctx, (uint16_t)(d->bus->command + reg), (uint8_t)value);
}

static void put_control(const struct ide_disk *d, uint8_t value)
{
    d->bus->out8(d->bus->ctx, d->bus->control, value);
}

/* Reading this status leaves the interrupt pending. */
static uint8_t alternate_status(const struct ide_disk *d)
{
    return d->bus->in8(d->bus->ctx, d->bus->control);
}

static uint64_t now(const struct ide_disk *d)
{
    return d->bus->now(d->bus->ctx);
}

/* --- waiting -------------------------------------------------------------------------------- */

/* Poll until the bits of `mask` read as `wanted`; for states that no interrupt announces. */
static int poll(struct ide_disk *d, uint8_t mask, uint8_t wanted, uint64_t timeout)
{
    uint64_t deadline = now(d) + timeout;

    do {
        d->last_status = alternate_status(d);
        if ((d->last_status & mask) == wanted)
            return 0;
    } while (now(d) < deadline);
    d->stats.timeouts++;
    return IDE_ETIMEOUT;
}

/*
 * Wait for the interrupt of the block or command under way. An interrupt of before may wake us
 * early: BSY tells. A lost one ends in the deadline, and the status then decides all the same.
 */
static int await_ready(struct ide_disk *d)
{
    uint64_t deadline = now(d) + TIMEOUT;
    bool in_time = true;

    while (in_time) {
        in_time = d->bus->wait_irq(d->bus->ctx, deadline);
        d->stats.interrupts += in_time;
        d->last_status = get(d, STATUS);
        if (!(d->last_status & STATUS_BSY))
            return 0;
    }
    d->stats.timeouts++;
    return IDE_ETIMEOUT;
}

/* Does the status, already read, end the command in an error, or lack the data phase due now? */
static int check_status(struct ide_disk *d, uint8_t wanted)
{
    uint8_t status = d->last_status;

    if (status & STATUS_ERR)
        d->last_error = get(d, ERROR);
    if (status & (STATUS_ERR | STATUS_DF))
        return IDE_EIO;
    return (status & STATUS_DRQ) == wanted ? 0 : IDE_EIO;
}

static int await_block(struct ide_disk *d)
{
    int result = await_ready(d);

    return result < 0 ? result : check_status(d, STATUS_DRQ);
}

static int await_end(struct ide_disk *d)
{
    int result = await_ready(d);

    return result < 0 ? result : check_status(d, 0);
}

/* --- commands ------------------------------------------------------------------------------- */

static int select_disk(struct ide_disk *d, uint64_t lba_top)
{
    put(d, DEVICE, DEVICE_LBA | lba_top);
    return poll(d, STATUS_BSY | STATUS_DRQ, 0, TIMEOUT);
}

static void issue(struct ide_disk *d, uint8_t command)
{
    d->stats.commands++;
    put(d, COMMAND, command);
}

static void put_address(struct ide_disk *d, uint64_t lba, uint64_t count)
{
    put(d, COUNT, count);
    put(d, LBA_LOW, lba);
    put(d, LBA_MID, lba >> 8);
    put(d, LBA_HIGH, lba >> 16);
}

struct opcodes {
    uint8_t single, single_wide, multiple, multiple_wide;
};

/* Start a transfer of 1..COMMAND_SECTORS sectors; a count of 256 is written as 0 in 28 bits. */
static int start(struct ide_disk *d, const struct opcodes *op, uint64_t lba, uint32_t count)
{
    bool wide = lba + count > LIMIT_28;
    int result = select_disk(d, wide ? 0 : lba >> 24);

    if (result < 0)
        return result;
    if (wide)
        put_address(d, lba >> 24, count >> 8);
    put_address(d, lba, count);
    if (d->block > 1)
        issue(d, wide ? op->multiple_wide : op->multiple);
    else
        issue(d, wide ? op->single_wide : op->single);
    return 0;
}

static uint32_t block_of(const struct ide_disk *d, uint32_t left)
{
    return left < d->block ? left : d->block;
}

static int read_command(struct ide_disk *d, uint64_t lba, uint32_t count, uint8_t *to)
{
    static const struct opcodes op = { READ_SECTORS, READ_SECTORS_EXT, READ_MULTIPLE,
                                       READ_MULTIPLE_EXT };
    int result = start(d, &op, lba, count);

    while (result == 0 && count > 0) {
        uint32_t n = block_of(d, count);
        result = await_block(d);
        if (result < 0)
            break;
        d->bus->ins16(d->bus->ctx, d->bus->command, to, n * IDE_SECTOR_BYTES / 2);
        d->stats.blocks++;
        to += (uint64_t)n * IDE_SECTOR_BYTES;
        count -= n;
    }
    return result;
}

/* No interrupt announces that the disk takes the first block. */
static int await_first_block(struct ide_disk *d)
{
    int result = poll(d, STATUS_BSY, 0, TIMEOUT);

    return result < 0 ? result : check_status(d, STATUS_DRQ);
}

static int write_command(struct ide_disk *d, uint64_t lba, uint32_t count, const uint8_t *from)
{
    static const struct opcodes op = { WRITE_SECTORS, WRITE_SECTORS_EXT, WRITE_MULTIPLE,
                                       WRITE_MULTIPLE_EXT };
    int result = start(d, &op, lba, count);

    if (result == 0)
        result = await_first_block(d);
    while (result == 0) {
        uint32_t n = block_of(d, count);
        d->bus->outs16(d->bus->ctx, d->bus->command, from, n * IDE_SECTOR_BYTES / 2);
        d->stats.blocks++;
        from += (uint64_t)n * IDE_SECTOR_BYTES;
        count -= n;
        if (count == 0)
            return await_end(d);
        result = await_block(d);
    }
    return result;
}

static int simple_command(struct ide_disk *d, uint8_t command, uint8_t count)
{
    int result = select_disk(d, 0);

    if (result < 0)
        return result;
    put(d, COUNT, count);
    issue(d, command);
    return await_end(d);
}

/* --- reset and probe ------------------------------------------------------------------------ */

static int reset_channel(struct ide_disk *d)
{
    put_control(d, CONTROL_SRST | CONTROL_NIEN);
    for (uint64_t until = now(d) + SRST_TIME; now(d) < until;)
        alternate_status(d);
    put_control(d, 0);
    return poll(d, STATUS_BSY, 0, RESET_TIMEOUT);
}

/* A disk that refuses blocks is driven sector by sector. */
static int set_multiple(struct ide_disk *d, uint32_t block)
{
    d->block = 1;
    if (block <= 1)
        return 0;
    int result = simple_command(d, SET_MULTIPLE, (uint8_t)block);
    if (result == 0)
        d->block = block;
    return result == IDE_EIO ? 0 : result;
}

/* Bring the channel back after a failure, set up as it was; the failure is what is reported. */
static int recover(struct ide_disk *d, int result)
{
    uint8_t status = d->last_status, error = d->last_error;

    d->stats.errors++;
    if (reset_channel(d) == 0)
        set_multiple(d, d->block);
    d->last_status = status;
    d->last_error = error;
    return result;
}

/* An absent disk reads as all ones or zeros and keeps nothing that is written to it. */
static bool is_present(struct ide_disk *d)
{
    put(d, DEVICE, DEVICE_LBA);
    uint8_t status = alternate_status(d);
    if (status == 0xff || status == 0)
        return false;
    put(d, COUNT, 0x55);
    put(d, LBA_LOW, 0xaa);
    return get(d, COUNT) == 0x55 && get(d, LBA_LOW) == 0xaa;
}

static uint64_t number(const uint16_t *words, unsigned first, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < count; i++)
        value |= (uint64_t)words[first + i] << (16 * i);
    return value;
}

/* Two characters a word, the first in the upper byte; padded with blanks, which are cut. */
static void copy_text(char *to, const uint16_t *words, unsigned count)
{
    for (unsigned i = 0; i < 2 * count; i++) {
        char c = (char)(words[i / 2] >> (i % 2 ? 0 : 8) & 0x7f);
        to[i] = c >= ' ' ? c : ' ';
    }
    to[2 * count] = '\0';
    for (unsigned i = 2 * count; i > 0 && to[i - 1] == ' '; i--)
        to[i - 1] = '\0';
}

/* Take what the driver needs from the IDENTIFY data; returns the block that the disk offers. */
static uint32_t take_identity(struct ide_disk *d, const uint16_t *id)
{
    uint32_t most = id[47] & 0xff;
    uint32_t block = IDE_BLOCK_MAX;

    d->lba48 = (id[83] & 0xc400) == 0x4400;
    d->sectors = d->lba48 ? number(id, 100, 4) : number(id, 60, 2);
    copy_text(d->model, &id[27], 20);
    while (block > most && block > 1)
        block /= 2;
    return block;
}

static int identify(struct ide_disk *d)
{
    uint16_t id[256];
    int result = select_disk(d, 0);

    if (result < 0)
        return result;
    issue(d, IDENTIFY);
    result = await_block(d);
    if (result < 0)
        return result;
    d->bus->ins16(d->bus->ctx, d->bus->command, id, 256);
    uint32_t block = take_identity(d, id);
    /* Bit 15 is set by anything but a disk; without LBA there is no way to address it here. */
    if ((id[0] & 0x8000) || !(id[49] & 0x0200) || d->sectors == 0)
        return IDE_ENODEV;
    return set_multiple(d, block);
}

int ide_probe(struct ide_disk *d, const struct ide_bus *bus)
{
    memset(d, 0, sizeof(*d));
    d->bus = bus;
    d->block = 1;
    if (!is_present(d))
        return IDE_ENODEV;
    int result = reset_channel(d);
    if (result == 0)
        result = identify(d);
    if (result < 0)
        d->sectors = 0;
    return result == IDE_EIO ? IDE_ENODEV : result;
}

/* --- requests ------------------------------------------------------------------------------- */

static bool in_range(const struct ide_disk *d, uint64_t sector, uint32_t count)
{
    return sector <= d->sectors && count <= d->sectors - sector;
}

int ide_read(struct ide_disk *d, uint64_t sector, uint32_t count, void *buffer)
{
    uint8_t *to = buffer;

    if (!in_range(d, sector, count))
        return IDE_ERANGE;
    while (count > 0) {
        uint32_t n = count < COMMAND_SECTORS ? count : COMMAND_SECTORS;
        int result = read_command(d, sector, n, to);
        if (result < 0)
            return recover(d, result);
        sector += n;
        count -= n;
        to += (uint64_t)n * IDE_SECTOR_BYTES;
    }
    return 0;
}

int ide_write(struct ide_disk *d, uint64_t sector, uint32_t count, const void *buffer)
{
    const uint8_t *from = buffer;

    if (!in_range(d, sector, count))
        return IDE_ERANGE;
    while (count > 0) {
        uint32_t n = count < COMMAND_SECTORS ? count : COMMAND_SECTORS;
        int result = write_command(d, sector, n, from);
        if (result < 0)
            return recover(d, result);
        sector += n;
        count -= n;
        from += (uint64_t)n * IDE_SECTOR_BYTES;
    }
    return 0;
}

int ide_flush(struct ide_disk *d)
{
    int result = simple_command(d, d->lba48 ? FLUSH_CACHE_EXT : FLUSH_CACHE, 0);

    return result < 0 ? recover(d, result) : 0;
}
