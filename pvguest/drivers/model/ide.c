/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IDE model's registers, data transfer and phases.
 *
 * Owns one channel with one disk. Invariants, whatever the guest does:
 *  - the guest reaches the buffer in DATA_IN and DATA_OUT only, and then offset < block * 512 <=
 *    IDE_BUFFER_BYTES;
 *  - in_flight implies phase DISK or RESET: no second access starts and no data phase begins before
 *    the host has given the buffer back; the bus master touches it in phase DMA alone;
 *  - irq_level is irq_pending and not nIEN, since every change of either ends in update_irq().
 */
#include "kstring.h"
#include "model/ide_internal.h"

/* --- interrupt ------------------------------------------------------------------------------ */

static void update_irq(struct ide_model *m)
{
    bool level = m->irq_pending && !(m->control & CONTROL_NIEN);

    if (level == m->irq_level)
        return;
    m->irq_level = level;
    if (level)
        ide_master_interrupt(m);
    m->host.irq(m->host.ctx, level);
}

static void set_irq(struct ide_model *m, bool pending)
{
    m->irq_pending = pending;
    update_irq(m);
}

/* --- phases --------------------------------------------------------------------------------- */

void ide_finish(struct ide_model *m, uint8_t error)
{
    m->phase = IDE_IDLE;
    m->left = 0;
    m->error = error;
    m->status = (uint8_t)(STATUS_READY | (error ? STATUS_ERR : 0));
    set_irq(m, true);
}

void ide_submit(struct ide_model *m, enum ide_op op, uint32_t sectors)
{
    m->phase = IDE_DISK;
    m->op = op;
    m->in_flight = true;
    m->status = STATUS_BSY;
    m->host.submit(m->host.ctx, op, m->next, sectors, sectors ? m->buffer : NULL);
}

static void next_block(struct ide_model *m)
{
    m->block = m->left < m->block_limit ? m->left : m->block_limit;
    m->offset = 0;
}

void ide_offer_sector(struct ide_model *m)
{
    m->left = 1;
    m->block_limit = 1;
    next_block(m);
    m->phase = IDE_DATA_IN;
    m->status = STATUS_READY | STATUS_DRQ;
    set_irq(m, true);
}

void ide_begin_read(struct ide_model *m)
{
    next_block(m);
    ide_submit(m, IDE_OP_READ, m->block);
}

/* The first block of a write is asked for without an interrupt, the others with one. */
void ide_begin_write(struct ide_model *m)
{
    next_block(m);
    m->phase = IDE_DATA_OUT;
    m->status = STATUS_READY | STATUS_DRQ;
}

void ide_begin_flush(struct ide_model *m)
{
    m->left = 0;
    m->dma = false;
    ide_submit(m, IDE_OP_FLUSH, 0);
}

static void block_done(struct ide_model *m)
{
    m->next += m->block;
    m->left -= m->block;
}

/* The guest has moved the last byte of a block. */
static void block_transferred(struct ide_model *m)
{
    if (m->phase == IDE_DATA_OUT) {
        ide_submit(m, IDE_OP_WRITE, m->block);
        return;
    }
    block_done(m);
    if (m->left > 0) {
        ide_begin_read(m);
        return;
    }
    m->phase = IDE_IDLE;
    m->status = STATUS_READY;
}

static void write_completed(struct ide_model *m)
{
    block_done(m);
    if (m->left > 0) {
        ide_begin_write(m);
        set_irq(m, true);
    } else if (!m->write_cache) {
        ide_begin_flush(m);
    } else {
        ide_finish(m, 0);
    }
}

static void access_failed(struct ide_model *m)
{
    if (m->op != IDE_OP_FLUSH)
        ide_show_address(m, m->next);
    ide_finish(m, m->op == IDE_OP_READ ? ERROR_UNC : ERROR_ABRT);
}

/* --- reset ---------------------------------------------------------------------------------- */

void ide_set_signature(struct ide_model *m)
{
    m->features = (struct ide_register){ 0, 0 };
    m->count = (struct ide_register){ 1, 0 };
    m->lba[0] = (struct ide_register){ 1, 0 };
    m->lba[1] = (struct ide_register){ 0, 0 };
    m->lba[2] = (struct ide_register){ 0, 0 };
    m->device = 0;
    m->error = 1; /* diagnostic passed */
}

static void end_reset(struct ide_model *m)
{
    ide_set_signature(m);
    ide_default_geometry(m);
    m->multiple = 0;
    m->write_cache = true;
    m->left = 0;
    m->phase = IDE_IDLE;
    m->status = STATUS_READY;
}

/* SRST holds the disk busy; when it is cleared the disk comes back, without an interrupt. */
static void write_control(struct ide_model *m, uint8_t value)
{
    m->control = value;
    if (value & CONTROL_SRST) {
        m->phase = IDE_RESET;
        m->status = STATUS_BSY;
        m->irq_pending = false;
    } else if (m->phase == IDE_RESET && !m->in_flight) {
        end_reset(m);
    }
    update_irq(m);
}

void ide_model_complete(struct ide_model *m, int status)
{
    if (!m->in_flight)
        return;
    m->in_flight = false;
    if (m->phase == IDE_RESET) {
        if (!(m->control & CONTROL_SRST))
            end_reset(m);
    } else if (status < 0) {
        access_failed(m);
    } else if (m->dma) {
        ide_dma_completed(m);
    } else if (m->op == IDE_OP_READ) {
        m->phase = IDE_DATA_IN;
        m->status = STATUS_READY | STATUS_DRQ;
        set_irq(m, true);
    } else if (m->op == IDE_OP_WRITE) {
        write_completed(m);
    } else {
        ide_finish(m, 0);
    }
}

/* --- data register -------------------------------------------------------------------------- */

static uint32_t block_room(const struct ide_model *m)
{
    return m->block * IDE_SECTOR - m->offset;
}

static void advance(struct ide_model *m, uint32_t bytes)
{
    m->offset += bytes;
    if (m->offset == m->block * IDE_SECTOR)
        block_transferred(m);
}

/* The data register is 16 bits wide; two words make a double word, a byte makes nothing. */
static bool is_data(uint16_t offset, unsigned size)
{
    return offset == IDE_DATA && (size == 2 || size == 4);
}

static void read_data(struct ide_model *m, uint8_t *to, size_t bytes)
{
    while (bytes > 0 && m->phase == IDE_DATA_IN) {
        uint32_t n = block_room(m) < bytes ? block_room(m) : (uint32_t)bytes;
        memcpy(to, m->buffer + m->offset, n);
        to += n;
        bytes -= n;
        advance(m, n);
    }
    if (bytes > 0)
        memset(to, 0xff, bytes);
}

static void write_data(struct ide_model *m, const uint8_t *from, size_t bytes)
{
    while (bytes > 0 && m->phase == IDE_DATA_OUT) {
        uint32_t n = block_room(m) < bytes ? block_room(m) : (uint32_t)bytes;
        memcpy(m->buffer + m->offset, from, n);
        from += n;
        bytes -= n;
        advance(m, n);
    }
}

const void *ide_model_ins_window(const struct ide_model *m, uint16_t offset, unsigned size,
                                 uint32_t count)
{
    uint64_t bytes = (uint64_t)count * size;

    if (!is_data(offset, size) || m->phase != IDE_DATA_IN || bytes == 0 || bytes > block_room(m))
        return NULL;
    if (m->offset % 4096 + bytes > 4096)
        return NULL;
    return m->buffer + m->offset;
}

void ide_model_ins_done(struct ide_model *m, unsigned size, uint32_t count)
{
    if (ide_model_ins_window(m, IDE_DATA, size, count))
        advance(m, count * size);
}

/* --- registers ------------------------------------------------------------------------------ */

/* With the second disk selected nobody drives the status: it reads as zero. */
static uint8_t visible_status(const struct ide_model *m)
{
    return m->device & DEVICE_SECOND ? 0 : m->status;
}

static uint8_t read_status(struct ide_model *m)
{
    if (!(m->device & DEVICE_SECOND))
        set_irq(m, false);
    return visible_status(m);
}

static uint8_t read_latched(const struct ide_model *m, const struct ide_register *r)
{
    return m->control & CONTROL_HOB ? r->before : r->now;
}

static uint8_t read_register(struct ide_model *m, unsigned reg)
{
    switch (reg) {
    case 1:
        return m->error;
    case 2:
        return read_latched(m, &m->count);
    case 3:
    case 4:
    case 5:
        return read_latched(m, &m->lba[reg - 3]);
    case 6:
        return m->device | 0xa0;
    case 7:
        return read_status(m);
    default: /* the data register in a byte access, or no register */
        return 0xff;
    }
}

static void latch(struct ide_register *r, uint8_t value)
{
    r->before = r->now;
    r->now = value;
}

static void write_register(struct ide_model *m, unsigned reg, uint8_t value)
{
    if (reg == 0 || reg > 7 || (m->status & (STATUS_BSY | STATUS_DRQ)))
        return;
    m->control &= (uint8_t)~CONTROL_HOB;
    switch (reg) {
    case 1:
        latch(&m->features, value);
        break;
    case 2:
        latch(&m->count, value);
        break;
    case 3:
    case 4:
    case 5:
        latch(&m->lba[reg - 3], value);
        break;
    case 6:
        m->device = value;
        break;
    default:
        set_irq(m, false);
        ide_command(m, value);
        break;
    }
}

/* --- accesses ------------------------------------------------------------------------------- */

void ide_model_access(struct ide_model *m)
{
    m->has_run = false;
}

int ide_model_offset(uint16_t port)
{
    if (port >= 0x1f0 && port <= 0x1f7)
        return port - 0x1f0;
    return port == 0x3f6 ? (int)IDE_CONTROL : -1;
}

/* But for data, the bus splits a wide access into bytes at ascending ports. */
uint32_t ide_model_in(struct ide_model *m, uint16_t offset, unsigned size)
{
    uint8_t bytes[4] = { 0xff, 0xff, 0xff, 0xff };
    uint32_t value = 0;

    if (size > sizeof(bytes))
        size = sizeof(bytes);
    if (is_data(offset, size))
        read_data(m, bytes, size);
    else if (offset == IDE_CONTROL)
        bytes[0] = visible_status(m);
    else
        for (unsigned i = 0; i < size; i++)
            bytes[i] = read_register(m, offset + i);
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)bytes[i] << (8 * i);
    return value;
}

void ide_model_out(struct ide_model *m, uint16_t offset, unsigned size, uint32_t value)
{
    uint8_t bytes[4];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    if (size > sizeof(bytes))
        size = sizeof(bytes);
    if (is_data(offset, size))
        write_data(m, bytes, size);
    else if (offset == IDE_CONTROL)
        write_control(m, bytes[0]);
    else
        for (unsigned i = 0; i < size; i++)
            write_register(m, offset + i, bytes[i]);
}

void ide_model_ins(struct ide_model *m, uint16_t offset, unsigned size, void *buffer,
                   uint32_t count)
{
    uint8_t *to = buffer;

    if (is_data(offset, size)) {
        read_data(m, to, (size_t)count * size);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = ide_model_in(m, offset, size);
        for (unsigned k = 0; k < size; k++)
            *to++ = (uint8_t)(value >> (8 * k));
    }
}

void ide_model_outs(struct ide_model *m, uint16_t offset, unsigned size, const void *buffer,
                    uint32_t count)
{
    const uint8_t *from = buffer;

    if (is_data(offset, size)) {
        write_data(m, from, (size_t)count * size);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = 0;
        for (unsigned k = 0; k < size; k++)
            value |= (uint32_t)*from++ << (8 * k);
        ide_model_out(m, offset, size, value);
    }
}

void ide_model_init(struct ide_model *m, const struct ide_host *host, uint64_t sectors,
                    bool read_only, void *buffer)
{
    *m = (struct ide_model){
        .host = *host, .sectors = sectors, .read_only = read_only, .buffer = buffer, .dma_mode = 2
    };
    ide_master_init(m);
    end_reset(m);
}
