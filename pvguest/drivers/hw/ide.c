/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IDE: probe, READ and WRITE MULTIPLE by programmed I/O, FLUSH CACHE, interrupt driven; what a
 * request takes when the controller can move the data itself is in ide_dma.c.
 *
 * Owns the channel while a function runs. Accesses are few on purpose: on a real controller each
 * costs a microsecond, behind a hypervisor a trap. One status read a block, one string instruction
 * a page of it, none where the last status still holds, and 48-bit addresses only where 28 do not
 * reach. Nothing a disk says can overrun a buffer: the driver moves what it asked for, block by
 * block, or gives up.
 */
#include "hw/ide_internal.h"
#include "kstring.h"

#include <stddef.h>

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
#define SET_FEATURES       0xefu
#define FLUSH_CACHE        0xe7u
#define FLUSH_CACHE_EXT    0xeau
#define IDENTIFY           0xecu

#define TRANSFER_MODE    0x03u
#define MULTIWORD_DMA(n) (0x20u + (n))

#define LIMIT_28      ((uint64_t)1 << 28)
#define RESET_TIMEOUT (31 * IDE_SECOND) /* what the standard allows a disk */
#define SRST_TIME     ((uint64_t)5000)
#define DMA_FAULTS    3u
#define PAGE          4096u

/* --- ports ---------------------------------------------------------------------------------- */

uint8_t ide_get(struct ide_disk *d, unsigned reg)
{
    d->stats.accesses++;
    return d->bus->in8(d->bus->ctx, (uint16_t)(d->bus->command + reg));
}

static void put(struct ide_disk *d, unsigned reg, uint64_t value)
{
    d->stats.accesses++;
    d->bus->out8(d->bus->ctx, (uint16_t)(d->bus->command + reg), (uint8_t)value);
}

static void put_control(struct ide_disk *d, uint8_t value)
{
    d->stats.accesses++;
    d->bus->out8(d->bus->ctx, d->bus->control, value);
}

/* Reading this status leaves the interrupt pending. */
static uint8_t alternate_status(struct ide_disk *d)
{
    d->stats.accesses++;
    return d->bus->in8(d->bus->ctx, d->bus->control);
}

static uint64_t now(const struct ide_disk *d)
{
    return d->bus->now(d->bus->ctx);
}

/* Words of the data register that one instruction moves: those that end in the page of `at`. They
 * lie in one frame, so it is one access whoever looks at it. */
static uint32_t piece_of(struct ide_disk *d, const uint8_t *at, uint32_t words)
{
    uint32_t fit = (uint32_t)(PAGE - (uintptr_t)at % PAGE) / 2;

    d->stats.accesses++;
    fit = fit == 0 ? 1 : fit;
    return words < fit ? words : fit;
}

static void data_in(struct ide_disk *d, uint8_t *to, uint32_t words)
{
    for (uint32_t n; words > 0; words -= n, to += (size_t)n * 2) {
        n = piece_of(d, to, words);
        d->bus->ins16(d->bus->ctx, d->bus->command, to, n);
    }
}

static void data_out(struct ide_disk *d, const uint8_t *from, uint32_t words)
{
    for (uint32_t n; words > 0; words -= n, from += (size_t)n * 2) {
        n = piece_of(d, from, words);
        d->bus->outs16(d->bus->ctx, d->bus->command, from, n);
    }
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
    uint64_t deadline = now(d) + IDE_TIMEOUT;
    bool in_time = true;

    while (in_time) {
        in_time = d->bus->wait_irq(d->bus->ctx, deadline);
        d->stats.interrupts += in_time;
        d->last_status = ide_get(d, STATUS);
        if (!(d->last_status & STATUS_BSY))
            return 0;
    }
    d->stats.timeouts++;
    return IDE_ETIMEOUT;
}

/* Does the status, already read, end the command in an error, or lack the data phase due now? */
int ide_check_status(struct ide_disk *d, uint8_t wanted)
{
    uint8_t status = d->last_status;

    if (status & STATUS_ERR)
        d->last_error = ide_get(d, ERROR);
    d->idle = !(status & (STATUS_BSY | STATUS_DRQ));
    if (status & (STATUS_BSY | STATUS_ERR | STATUS_DF))
        return IDE_EIO;
    return (status & STATUS_DRQ) == wanted ? 0 : IDE_EIO;
}

static int await_block(struct ide_disk *d)
{
    int result = await_ready(d);

    return result < 0 ? result : ide_check_status(d, STATUS_DRQ);
}

static int await_end(struct ide_disk *d)
{
    int result = await_ready(d);

    return result < 0 ? result : ide_check_status(d, 0);
}

/* --- commands ------------------------------------------------------------------------------- */

/* A command needs an idle disk, which the last status may have told. Only the first one selects. */
static int select_disk(struct ide_disk *d, uint64_t lba_top)
{
    int result = d->idle ? 0 : poll(d, STATUS_BSY | STATUS_DRQ, 0, IDE_TIMEOUT);

    put(d, DEVICE, DEVICE_LBA | lba_top);
    return result;
}

static void issue(struct ide_disk *d, uint8_t command)
{
    d->stats.commands++;
    d->idle = false;
    put(d, COMMAND, command);
}

static void put_address(struct ide_disk *d, uint64_t lba, uint64_t count)
{
    put(d, COUNT, count);
    put(d, LBA_LOW, lba);
    put(d, LBA_MID, lba >> 8);
    put(d, LBA_HIGH, lba >> 16);
}

/* A count of 256 is written as 0 in 28 bits. */
int ide_start(struct ide_disk *d, uint8_t narrow, uint8_t wide, uint64_t lba, uint32_t count)
{
    bool far = lba + count > LIMIT_28;
    int result = select_disk(d, far ? 0 : lba >> 24);

    if (result < 0)
        return result;
    if (far)
        put_address(d, lba >> 24, count >> 8);
    put_address(d, lba, count);
    issue(d, far ? wide : narrow);
    return 0;
}

static uint32_t block_of(const struct ide_disk *d, uint32_t left)
{
    return left < d->block ? left : d->block;
}

static int read_command(struct ide_disk *d, uint64_t lba, uint32_t count, uint8_t *to)
{
    int result = d->block > 1 ? ide_start(d, READ_MULTIPLE, READ_MULTIPLE_EXT, lba, count)
                              : ide_start(d, READ_SECTORS, READ_SECTORS_EXT, lba, count);

    while (result == 0 && count > 0) {
        uint32_t n = block_of(d, count);
        result = await_block(d);
        if (result < 0)
            break;
        data_in(d, to, n * IDE_SECTOR_BYTES / 2);
        d->stats.blocks++;
        to += (uint64_t)n * IDE_SECTOR_BYTES;
        count -= n;
    }
    return result;
}

/* No interrupt announces that the disk takes the first block. */
static int await_first_block(struct ide_disk *d)
{
    int result = poll(d, STATUS_BSY, 0, IDE_TIMEOUT);

    return result < 0 ? result : ide_check_status(d, STATUS_DRQ);
}

static int write_command(struct ide_disk *d, uint64_t lba, uint32_t count, const uint8_t *from)
{
    int result = d->block > 1 ? ide_start(d, WRITE_MULTIPLE, WRITE_MULTIPLE_EXT, lba, count)
                              : ide_start(d, WRITE_SECTORS, WRITE_SECTORS_EXT, lba, count);

    if (result == 0)
        result = await_first_block(d);
    while (result == 0) {
        uint32_t n = block_of(d, count);
        data_out(d, from, n * IDE_SECTOR_BYTES / 2);
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
    d->idle = false;
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

/* A disk that does not take the mode is not asked again. */
static int set_mode(struct ide_disk *d)
{
    int result = select_disk(d, 0);

    if (result < 0)
        return result;
    put(d, FEATURES, TRANSFER_MODE);
    put(d, COUNT, MULTIWORD_DMA(d->dma_mode));
    issue(d, SET_FEATURES);
    result = await_end(d);
    d->dma = result == 0;
    return result == IDE_EIO ? 0 : result;
}

static int set_up(struct ide_disk *d, uint32_t block)
{
    int result = set_multiple(d, block);

    if (d->dma)
        ide_dma_reset(d);
    return result == 0 && d->dma ? set_mode(d) : result;
}

/* Bring the channel back after a failure, set up as it was; the failure is what is reported. */
static int recover(struct ide_disk *d, int result)
{
    uint8_t status = d->last_status, error = d->last_error;

    d->stats.errors++;
    if (reset_channel(d) == 0)
        set_up(d, d->block);
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
    return ide_get(d, COUNT) == 0x55 && ide_get(d, LBA_LOW) == 0xaa;
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

/* Multiword DMA is what every controller of this kind can: the fastest mode that the disk knows. */
static void take_dma(struct ide_disk *d, const uint16_t *id)
{
    d->dma = d->bus->master && (id[49] & 0x0100) && (id[53] & 0x0002) && (id[63] & 0x0007);
    d->dma_mode = id[63] & 0x0004 ? 2 : id[63] & 0x0002 ? 1 : 0;
}

/* Take what the driver needs from the IDENTIFY data; returns the block that the disk offers. */
static uint32_t take_identity(struct ide_disk *d, const uint16_t *id)
{
    uint32_t most = id[47] & 0xff;
    uint32_t block = IDE_BLOCK_MAX;

    d->lba48 = (id[83] & 0xc400) == 0x4400;
    d->sectors = d->lba48 ? number(id, 100, 4) : number(id, 60, 2);
    copy_text(d->model, &id[27], 20);
    take_dma(d, id);
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
    data_in(d, (uint8_t *)id, 256);
    uint32_t block = take_identity(d, id);
    /* Bit 15 is set by anything but a disk; without LBA there is no way to address it here. */
    if ((id[0] & 0x8000) || !(id[49] & 0x0200) || d->sectors == 0)
        return IDE_ENODEV;
    return set_up(d, block);
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

static int command(struct ide_disk *d, bool write, uint64_t lba, uint32_t count, uint8_t *buffer)
{
    return write ? write_command(d, lba, count, buffer) : read_command(d, lba, count, buffer);
}

/*
 * By DMA if it may be and can be. A request that fails is done again by PIO, whose result counts:
 * where that one succeeds, DMA was to blame, and is given up when it happens again and again.
 */
static int transfer(struct ide_disk *d, enum ide_way way, bool write, uint64_t lba, uint32_t count,
                    uint8_t *buffer)
{
    int by_dma = IDE_EREACH, result;

    if (way == IDE_DMA && d->dma)
        by_dma = ide_dma_command(d, write, lba, count, buffer);
    if (by_dma == 0)
        return 0;
    if (by_dma != IDE_EREACH)
        recover(d, by_dma);
    result = command(d, write, lba, count, buffer);
    if (result < 0)
        return recover(d, result);
    if (by_dma != IDE_EREACH && ++d->dma_faults >= DMA_FAULTS)
        d->dma = false;
    return 0;
}

static int request(struct ide_disk *d, enum ide_way way, bool write, uint64_t sector,
                   uint32_t count, uint8_t *buffer)
{
    int result = in_range(d, sector, count) ? 0 : IDE_ERANGE;

    while (result == 0 && count > 0) {
        uint32_t n = count < IDE_COMMAND_MAX ? count : IDE_COMMAND_MAX;
        result = transfer(d, way, write, sector, n, buffer);
        sector += n;
        count -= n;
        buffer += (size_t)n * IDE_SECTOR_BYTES;
    }
    return result;
}

int ide_read(struct ide_disk *d, enum ide_way way, uint64_t sector, uint32_t count, void *buffer)
{
    return request(d, way, false, sector, count, buffer);
}

/* The buffer of a write is only read; both directions share their way there. */
int ide_write(struct ide_disk *d, enum ide_way way, uint64_t sector, uint32_t count,
              const void *buffer)
{
    return request(d, way, true, sector, count, (uint8_t *)(uintptr_t)buffer);
}

int ide_flush(struct ide_disk *d)
{
    int result = simple_command(d, d->lba48 ? FLUSH_CACHE_EXT : FLUSH_CACHE, 0);

    return result < 0 ? recover(d, result) : 0;
}
