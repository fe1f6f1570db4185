/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IDE by bus mastering (SFF-8038i): the controller moves the data of a command by itself, along a
 * table of physical regions, and interrupts once, at the end.
 *
 * Owns the table and the bus-master registers of the channel. A request takes three of the latter's
 * accesses more than its command does: interrupt bit off, start, stop, with one status read in
 * between; the table stays where it is. The status tells an interrupt of the disk from one that
 * only looks so, and that the data are in memory. A buffer that does not fit the controller (odd,
 * or beyond 32 bits) is not touched: the caller moves the data itself.
 */
#include "hw/ide_internal.h"

#include <stddef.h>

#define READ_DMA      0xc8u
#define READ_DMA_EXT  0x25u
#define WRITE_DMA     0xcau
#define WRITE_DMA_EXT 0x35u

enum { MASTER_COMMAND = 0, MASTER_STATUS = 2, MASTER_TABLE = 4 };

#define START     0x01u
#define TO_MEMORY 0x08u

#define ACTIVE    0x01u
#define FAULT     0x02u
#define INTERRUPT 0x04u
#define KEPT      0x60u /* firmware's note of which disks can */

#define PAGE        4096u
#define LAST_REGION 0x8000u

static uint8_t get_master(struct ide_disk *d)
{
    d->stats.accesses++;
    return d->bus->in8(d->bus->ctx, (uint16_t)(d->bus->master->port + MASTER_STATUS));
}

static void put_master(struct ide_disk *d, unsigned reg, uint8_t value)
{
    d->stats.accesses++;
    d->bus->out8(d->bus->ctx, (uint16_t)(d->bus->master->port + reg), value);
}

/* Writing ones clears; the firmware's bits are written back as they are. */
static void clear_master(struct ide_disk *d)
{
    put_master(d, MASTER_STATUS, (uint8_t)(d->dma_kept | FAULT | INTERRUPT));
}

void ide_dma_reset(struct ide_disk *d)
{
    const struct ide_dma_bus *m = d->bus->master;

    if (!m)
        return;
    put_master(d, MASTER_COMMAND, 0);
    d->dma_kept = get_master(d) & KEPT;
    clear_master(d);
    d->stats.accesses++;
    d->bus->out32(d->bus->ctx, (uint16_t)(m->port + MASTER_TABLE), m->table_address);
}

/* --- the table ------------------------------------------------------------------------------ */

static bool adjoins(const struct ide_region *r, uint64_t address, uint32_t bytes)
{
    uint64_t end = r->address + (uint64_t)(r->bytes ? r->bytes : 0x10000u);

    return end == address && (r->address ^ (address + bytes - 1)) >> 16 == 0;
}

/* The regions of a buffer whose pages have these addresses: as few as the rules allow. */
static bool fill_table(struct ide_disk *d, const void *buffer, uint32_t bytes,
                       const uint64_t *addresses)
{
    struct ide_region *table = d->bus->master->table, *r = NULL;
    uint32_t offset = (uint32_t)((uintptr_t)buffer % PAGE);

    for (uint32_t i = 0, n; bytes > 0; i++, bytes -= n, offset = 0) {
        uint64_t at = addresses[i] + offset;
        n = PAGE - offset < bytes ? PAGE - offset : bytes;
        if (at + n - 1 > UINT32_MAX)
            return false;
        if (r && adjoins(r, at, n)) {
            r->bytes = (uint16_t)(r->bytes + n); /* 64 KiB are 0, by the table's rule too */
            continue;
        }
        r = r ? r + 1 : table;
        *r = (struct ide_region){ .address = (uint32_t)at, .bytes = (uint16_t)n };
    }
    r->flags = LAST_REGION;
    return true;
}

/* --- a command ------------------------------------------------------------------------------ */

/* The disk raises its line when all is done; the controller passes it on when all is in memory. */
static int await_master(struct ide_disk *d)
{
    uint64_t deadline = d->bus->now(d->bus->ctx) + IDE_TIMEOUT;
    uint8_t status = 0;
    bool in_time = true;

    while (in_time && !(status & (INTERRUPT | FAULT))) {
        in_time = d->bus->wait_irq(d->bus->ctx, deadline);
        d->stats.interrupts += in_time;
        status = get_master(d);
    }
    if (!(status & (INTERRUPT | FAULT))) {
        d->stats.timeouts++;
        return IDE_ETIMEOUT;
    }
    d->last_status = ide_get(d, STATUS);
    int result = ide_check_status(d, 0);
    return result == 0 && (status & (FAULT | ACTIVE)) ? IDE_EIO : result;
}

static int transfer(struct ide_disk *d, bool write, uint64_t lba, uint32_t count)
{
    clear_master(d);
    int result = write ? ide_start(d, WRITE_DMA, WRITE_DMA_EXT, lba, count)
                       : ide_start(d, READ_DMA, READ_DMA_EXT, lba, count);
    if (result < 0)
        return result;
    d->stats.transfers++;
    /* The compiler is held to it as well: the table is written before the controller is told. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    put_master(d, MASTER_COMMAND, write ? START : START | TO_MEMORY);
    result = await_master(d);
    put_master(d, MASTER_COMMAND, 0);
    return result;
}

int ide_dma_command(struct ide_disk *d, bool write, uint64_t lba, uint32_t count,
                    const void *buffer)
{
    uint64_t addresses[IDE_DMA_PAGES];
    uint32_t bytes = count * IDE_SECTOR_BYTES;
    uint32_t pages = (uint32_t)(((uintptr_t)buffer % PAGE + bytes + PAGE - 1) / PAGE);
    int result = IDE_EREACH;

    if ((uintptr_t)buffer % 2 != 0 || d->bus->map(d->bus->ctx, buffer, pages, addresses) < 0)
        return IDE_EREACH;
    if (fill_table(d, buffer, bytes, addresses))
        result = transfer(d, write, lba, count);
    d->bus->unmap(d->bus->ctx, addresses, pages);
    return result;
}
