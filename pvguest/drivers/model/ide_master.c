/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IDE model's bus master: registers, the walk of the region table, and the data of a DMA
 * command, straight between the disk's memory or the model's buffer and the guest's frames.
 *
 * Owns struct ide_master. The table is read once, piece by piece as the walk comes to it, and an
 * entry that was read is not looked at again, whatever the guest writes there meanwhile.
 * Invariants:
 *  - the walk and the buffer move on in phase DMA only, that is while no disk access is under way;
 *  - between two accesses of the guest, or two calls of ide_model_continue(), a run carries out at
 *    most one chunk of the request and RUN_REGIONS regions, so its work has a bound that no table
 *    and no string of accesses moves; the table itself ends at the next multiple of 64 KiB at last;
 *  - guest memory is reached by the host's `copy` alone, which knows what is the guest's.
 *
 * What a controller does at the edges: with a table shorter than the request it stops, clears
 * Active and raises nothing, and the disk waits for another start; with a longer one Active stays
 * set behind the interrupt. An entry that crosses 64 KiB, a table that does, memory that is not
 * there, the wrong direction, and mastering switched off: the error bit, Active clear, and a disk
 * that waits until it is reset.
 */
#include "kstring.h"
#include "model/ide_internal.h"

#define START     0x01u
#define TO_MEMORY 0x08u

#define ACTIVE    0x01u
#define FAULT     0x02u
#define INTERRUPT 0x04u
#define CAPABLE   0x60u

#define RUN_REGIONS 64u
#define SEGMENT     0x10000u /* neither a region nor the table crosses a multiple of this */
#define LAST_REGION ((uint64_t)1 << 63)

static void stop(struct ide_master *b, uint8_t why)
{
    b->status = (uint8_t)((b->status & ~ACTIVE) | why);
}

/* --- the table ------------------------------------------------------------------------------ */

/* Read the entries that come next, as many as there is room for and the segment still holds. */
static bool fetch(struct ide_model *m)
{
    struct ide_master *b = &m->master;
    uint32_t most = b->room < sizeof(b->entry) ? b->room : (uint32_t)sizeof(b->entry);
    size_t bytes = most ? m->host.copy(m->host.ctx, b->next, b->entry, most, false) : 0;

    b->taken = 0;
    b->fetched = (uint32_t)(bytes / sizeof(b->entry[0]));
    b->next += b->fetched * (uint32_t)sizeof(b->entry[0]);
    b->room -= b->fetched * (uint32_t)sizeof(b->entry[0]);
    return b->fetched > 0;
}

/* Go to the next region; false: the master has stopped, for want of one or in error. */
static bool next_region(struct ide_model *m)
{
    struct ide_master *b = &m->master;

    if (b->last) {
        stop(b, 0);
        return false;
    }
    if (b->taken == b->fetched && !fetch(m)) {
        stop(b, FAULT);
        return false;
    }
    uint64_t entry = b->entry[b->taken++];
    b->at = (uint32_t)entry & ~1u;
    b->left = (uint32_t)(entry >> 32) & 0xfffe;
    b->left = b->left ? b->left : SEGMENT;
    b->last = entry & LAST_REGION;
    if (b->at % SEGMENT + b->left > SEGMENT)
        stop(b, FAULT);
    return b->status & ACTIVE;
}

/* --- the data of a chunk -------------------------------------------------------------------- */

/* Some of the chunk, to or from one region. */
static void move(struct ide_model *m)
{
    struct ide_master *b = &m->master;
    uint32_t bytes = m->block * IDE_SECTOR - m->offset;

    bytes = bytes < b->left ? bytes : b->left;
    size_t done =
        m->host.copy(m->host.ctx, b->at, m->chunk + m->offset, bytes, m->op == IDE_OP_READ);
    if (done != bytes) {
        stop(b, FAULT);
        return;
    }
    m->offset += bytes;
    b->at += bytes;
    b->left -= bytes;
    if (b->left == 0 && b->last)
        stop(b, 0);
}

/* As far as the table and the bound of a run allow; true when the chunk is done. */
static bool move_chunk(struct ide_model *m)
{
    unsigned regions = 0;

    while (m->offset < m->block * IDE_SECTOR && (m->master.status & ACTIVE)) {
        if (m->master.left > 0) {
            move(m);
        } else if (regions++ == RUN_REGIONS) {
            m->host.again(m->host.ctx);
            return false;
        } else {
            next_region(m);
        }
    }
    return m->offset == m->block * IDE_SECTOR;
}

/* --- a command ------------------------------------------------------------------------------ */

/* Where the sectors of the chunk are, or come to; not there yet when they are to be read first. */
static void begin_chunk(struct ide_model *m)
{
    m->block = m->left < IDE_CHUNK ? m->left : IDE_CHUNK;
    m->offset = 0;
    m->chunk = m->host.memory ? m->host.memory(m->host.ctx, m->next, m->block) : NULL;
    m->in_memory = m->chunk != NULL;
    m->loaded = m->in_memory || m->op == IDE_OP_WRITE;
    m->chunk = m->in_memory ? m->chunk : m->buffer;
}

static void end_chunk(struct ide_model *m)
{
    m->next += m->block;
    m->left -= m->block;
    if (m->left > 0) {
        begin_chunk(m);
        m->host.again(m->host.ctx);
    } else if (m->op == IDE_OP_WRITE && !m->write_cache) {
        ide_begin_flush(m);
    } else {
        ide_finish(m, 0);
    }
}

/* The disk waits for data, or with data: go on if the master is on, in the right direction. */
static void run(struct ide_model *m)
{
    struct ide_master *b = &m->master;

    if (m->phase != IDE_DMA_DATA || !(b->status & ACTIVE))
        return;
    if (!b->enabled || !(b->command & TO_MEMORY) != (m->op == IDE_OP_WRITE)) {
        stop(b, FAULT);
        return;
    }
    if (!m->loaded)
        ide_submit(m, IDE_OP_READ, m->block);
    else if (!move_chunk(m))
        return;
    else if (m->op == IDE_OP_WRITE && !m->in_memory)
        ide_submit(m, IDE_OP_WRITE, m->block);
    else
        end_chunk(m);
}

/* One run for each access: a second one in the same string of them waits. */
static void run_once(struct ide_model *m)
{
    if (m->has_run) {
        m->host.again(m->host.ctx);
        return;
    }
    m->has_run = true;
    run(m);
}

void ide_model_continue(struct ide_model *m)
{
    run(m);
}

void ide_begin_dma(struct ide_model *m, enum ide_op op)
{
    m->phase = IDE_DMA_DATA;
    m->op = op;
    m->status = STATUS_BSY;
    begin_chunk(m);
    run_once(m);
}

/* What was read goes on its way; what was written is done. The completion may have come within the
 * run that started the access, which then goes on here: its other half. */
void ide_dma_completed(struct ide_model *m)
{
    m->phase = IDE_DMA_DATA;
    if (m->op == IDE_OP_WRITE) {
        end_chunk(m);
        return;
    }
    m->loaded = true;
    run(m);
}

void ide_master_interrupt(struct ide_model *m)
{
    m->master.status |= INTERRUPT;
}

/* --- registers ------------------------------------------------------------------------------ */

static void write_command(struct ide_model *m, uint8_t value)
{
    struct ide_master *b = &m->master;
    bool starts = (value & START) && !(b->command & START);

    b->command = value & (START | TO_MEMORY);
    if (!(value & START))
        stop(b, 0);
    if (!starts)
        return;
    b->next = b->table;
    b->room = SEGMENT - b->table % SEGMENT;
    b->taken = b->fetched = 0;
    b->left = 0;
    b->last = false;
    b->status |= ACTIVE;
    run_once(m);
}

static uint8_t read_byte(const struct ide_master *b, unsigned offset)
{
    if (offset == 0)
        return b->command;
    if (offset == 2)
        return b->status;
    if (offset < 4 || offset > 7)
        return 0;
    return (uint8_t)(b->table >> (offset - 4) * 8);
}

static void write_byte(struct ide_model *m, unsigned offset, uint8_t value)
{
    struct ide_master *b = &m->master;
    unsigned shift = (offset - 4) * 8;

    if (offset == 0)
        write_command(m, value);
    else if (offset == 2)
        b->status = (uint8_t)((value & CAPABLE) | (b->status & ACTIVE) |
                              (b->status & ~value & (FAULT | INTERRUPT)));
    else if (offset >= 4 && offset < 8)
        b->table = ((b->table & ~(0xffu << shift)) | (uint32_t)value << shift) & ~3u;
}

uint32_t ide_master_in(const struct ide_model *m, uint16_t offset, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size && i < 4; i++)
        value |= (uint32_t)read_byte(&m->master, offset + i) << i * 8;
    return value;
}

void ide_master_out(struct ide_model *m, uint16_t offset, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size && i < 4; i++)
        write_byte(m, offset + i, (uint8_t)(value >> i * 8));
}

void ide_master_enable(struct ide_model *m, bool enabled)
{
    m->master.enabled = enabled;
}

void ide_master_init(struct ide_model *m)
{
    m->master = (struct ide_master){ .status = 0x20 };
}
