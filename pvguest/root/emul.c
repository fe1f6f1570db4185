/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emulated devices: connects the ports that the hypervisor routes to root with the models. Owns one
 * request page and one data page for each domain with routes, and the models themselves.
 *
 * A request is served in the event's handler, with interrupts off, as are the completions of the
 * disk accesses that the IDE model starts: so a model is never entered twice. The hypervisor writes
 * the request and is believed; what the request asks for comes from a hostile guest and is the
 * model's to check. The operand of a string instruction is at most a page, as the hypervisor sees
 * to.
 */
#include "root/emul.h"

#include "clock.h"
#include "irq.h"
#include "kstring.h"
#include "mem.h"
#include "model/ide.h"
#include "model/pci.h"
#include "model/uart16550.h"
#include "printk.h"
#include "root/consmux.h"

#include <hv_io.h>
#include <hvlib/event.h>
#include <hvlib/memory.h>

#define IDE_BASE         0x1f0u
#define IDE_PORTS        8u
#define IDE_CONTROL_PORT 0x3f6u
#define UART_BASE        0x3f8u
#define MASTER_BASE      0xc000u /* BAR 4 of the IDE function */
#define MASTER_PORTS     (1u << PCI_MODEL_BAR_BITS)
#define MASTER_CHANNEL   8u /* ports of a channel; the second one is not there */

#define IDE_PAGES (IDE_BUFFER_BYTES / PAGE_SIZE)
#define TYPED     64u
#define BREATH    ((uint64_t)20000) /* ns between two pieces of a long DMA request: others run */

struct emul {
    struct emul_setup setup;
    struct emul_stats stats;
    struct hv_io_request *request; /* slot 0, and one page on the data of OUTS */
    uint8_t *data;                 /* for INS */
    uint64_t served;               /* seq of the last request */
    uint64_t line;                 /* own port, raised for each request */

    struct ide_model ide;
    struct pci_model pci;
    struct timer again; /* when the IDE model goes on */
    bool closing;       /* it does not any more */
    uint8_t *ide_buffer;
    struct block_request disk;
    bool disk_busy;
    struct wait_queue disk_idle;

    struct uart16550 uart;
    struct mux_source *source; /* of the UART, once it has sent something */
    uint8_t typed[TYPED];      /* what does not fit into the UART yet */
    unsigned typed_count;
};

/* --- the disk behind the IDE model ------------------------------------------------------------ */

static void disk_done(struct block_request *r)
{
    struct emul *e = r->arg;
    e->disk_busy = false;
    wait_wake_all(&e->disk_idle);
    ide_model_complete(&e->ide, r->status);
}

static void ide_submit(void *ctx, enum ide_op op, uint64_t lba, uint32_t sectors, void *buffer)
{
    static const enum block_op ops[] = { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };
    struct emul *e = ctx;
    e->disk = (struct block_request){ .op = ops[op],
                                      .sector = lba,
                                      .count = sectors,
                                      .buffer = buffer,
                                      .done = disk_done,
                                      .arg = e };
    e->disk_busy = true;
    block_submit(e->setup.disk, &e->disk);
    block_kick(e->setup.disk);
}

static void *ide_memory(void *ctx, uint64_t lba, uint32_t sectors)
{
    struct emul *e = ctx;
    struct block_device *d = e->setup.disk;
    return d->ops->memory ? d->ops->memory(d, lba, sectors) : NULL;
}

/* The one way to the guest's memory: the hypervisor looks each page up in the guest's own frames
 * and copies none that the guest could not touch itself. */
static size_t ide_copy(void *ctx, uint64_t at, void *buffer, size_t bytes, bool to_guest)
{
    struct emul *e = ctx;
    int64_t done = hv_domain_copy(e->setup.domain, at, hv_gpa(buffer), bytes, to_guest);
    if (done <= 0)
        return 0;
    e->stats.mastered += (uint64_t)done;
    return (size_t)done;
}

static void ide_continue(void *arg)
{
    struct emul *e = arg;
    ide_model_continue(&e->ide);
}

static void ide_again(void *ctx)
{
    struct emul *e = ctx;
    if (!e->closing)
        timer_set(&e->again, clock_ns() + BREATH, ide_continue, e);
}

/* A line of the ISA kind: the guest is told of its rising edge. */
static void ide_line(void *ctx, bool level)
{
    struct emul *e = ctx;
    if (level)
        (void)hv_event_send(e->setup.disk_irq);
}

static int ide_open(struct emul *e)
{
    struct block_device *d = e->setup.disk;
    const struct ide_host host = { .ctx = e,
                                   .irq = ide_line,
                                   .submit = ide_submit,
                                   .memory = ide_memory,
                                   .copy = ide_copy,
                                   .again = ide_again };
    e->ide_buffer = page_alloc(IDE_PAGES);
    if (!e->ide_buffer)
        return -1;
    if (d->ops->region_map && d->ops->region_map(d, e->ide_buffer, IDE_PAGES) < 0)
        return -1;
    ide_model_init(&e->ide, &host, d->sectors, !e->setup.writable || d->read_only, e->ide_buffer);
    pci_model_init(&e->pci, MASTER_BASE);
    return 0;
}

/* --- the terminal behind the UART ------------------------------------------------------------- */

static void feed_uart(struct emul *e)
{
    size_t taken = uart16550_rx_push(&e->uart, e->typed, e->typed_count);
    e->typed_count -= (unsigned)taken;
    memmove(e->typed, e->typed + taken, e->typed_count);
}

static void uart_typed(void *arg, const char *text, size_t bytes)
{
    struct emul *e = arg;
    for (size_t i = 0; i < bytes && e->typed_count < TYPED; i++)
        e->typed[e->typed_count++] = (uint8_t)text[i];
    feed_uart(e);
}

/* Its place on the terminal is taken when it first has something to say. */
static void uart_tx(void *ctx, const uint8_t *data, size_t bytes)
{
    struct emul *e = ctx;
    char name[CONSMUX_NAME];
    if (!e->source) {
        format_text(name, sizeof(name), "%s.uart", e->setup.name);
        e->source = mux_open(name, uart_typed, e);
    }
    if (e->source)
        mux_write(e->source, (const char *)data, bytes);
}

static void uart_line(void *ctx, bool level)
{
    struct emul *e = ctx;
    if (level)
        (void)hv_event_send(e->setup.uart_irq);
}

/* --- requests --------------------------------------------------------------------------------- */

static const uint8_t *outs_data(const struct emul *e)
{
    return (const uint8_t *)e->request + PAGE_SIZE;
}

/* INS from the IDE data register goes from the model's buffer to the guest without a copy here. */
static void ide_string_in(struct emul *e, const struct hv_io_request *q, uint16_t offset)
{
    const void *window = ide_model_ins_window(&e->ide, offset, q->size, q->count);
    if (window) {
        int64_t result = hv_io_complete(q->domain, 0, q->count, hv_gpa(window));
        if (result >= 0)
            ide_model_ins_done(&e->ide, q->size, q->count);
        return;
    }
    ide_model_ins(&e->ide, offset, q->size, e->data, q->count);
    (void)hv_io_complete(q->domain, 0, q->count, hv_gpa(e->data));
}

static void serve_ide(struct emul *e, const struct hv_io_request *q, uint16_t offset)
{
    uint32_t value = 0;
    if (q->string && !q->write) {
        ide_string_in(e, q, offset);
        return;
    }
    if (q->string)
        ide_model_outs(&e->ide, offset, q->size, outs_data(e), q->count);
    else if (q->write)
        ide_model_out(&e->ide, offset, q->size, q->value);
    else
        value = ide_model_in(&e->ide, offset, q->size);
    (void)hv_io_complete(q->domain, 0, value, 0);
}

/* The second channel's registers read as zeros, ports that are not decoded as ones. */
static uint32_t master_in(struct emul *e, uint16_t offset, unsigned size)
{
    if (!pci_model_decodes(&e->pci))
        return UINT32_MAX;
    return offset < MASTER_CHANNEL ? ide_master_in(&e->ide, offset, size) : 0;
}

static void master_out(struct emul *e, uint16_t offset, unsigned size, uint32_t value)
{
    if (pci_model_decodes(&e->pci) && offset < MASTER_CHANNEL)
        ide_master_out(&e->ide, offset, size, value);
}

static uint32_t register_in(struct emul *e, uint16_t port, unsigned size)
{
    return port >= MASTER_BASE ? master_in(e, (uint16_t)(port - MASTER_BASE), size)
                               : pci_model_in(&e->pci, (uint16_t)(port - PCI_MODEL_BASE), size);
}

static void register_out(struct emul *e, uint16_t port, unsigned size, uint32_t value)
{
    if (port >= MASTER_BASE) {
        master_out(e, (uint16_t)(port - MASTER_BASE), size, value);
        return;
    }
    pci_model_out(&e->pci, (uint16_t)(port - PCI_MODEL_BASE), size, value);
    ide_master_enable(&e->ide, pci_model_masters(&e->pci));
}

/* Configuration space and bus master have registers alone: a string goes through one by one. */
static void serve_registers(struct emul *e, const struct hv_io_request *q)
{
    uint32_t value = q->value;
    for (uint32_t i = 0; i < q->count && q->write; i++) {
        if (q->string)
            memcpy(&value, outs_data(e) + (size_t)i * q->size, q->size);
        register_out(e, q->port, q->size, value);
    }
    for (uint32_t i = 0; i < q->count && !q->write; i++) {
        value = register_in(e, q->port, q->size);
        memcpy(e->data + (size_t)i * q->size, &value, q->size);
    }
    (void)hv_io_complete(q->domain, 0, q->string ? q->count : value, hv_gpa(e->data));
}

static void serve_uart(struct emul *e, const struct hv_io_request *q, uint16_t offset)
{
    uint64_t value = 0;
    uint64_t gpa = 0;
    if (q->string && q->write) {
        uart16550_outs(&e->uart, offset, q->size, outs_data(e), q->count);
    } else if (q->string) {
        uart16550_ins(&e->uart, offset, q->size, e->data, q->count);
        value = q->count;
        gpa = hv_gpa(e->data);
    } else if (q->write) {
        uart16550_out(&e->uart, offset, q->size, q->value);
    } else {
        value = uart16550_in(&e->uart, offset, q->size);
    }
    feed_uart(e);
    (void)hv_io_complete(q->domain, 0, value, gpa);
}

static void request_event(void *arg)
{
    struct emul *e = arg;
    /* All fields were written before state was, with release. */
    if (__atomic_load_n(&e->request->state, __ATOMIC_ACQUIRE) != HV_IO_PENDING ||
        e->request->seq == e->served)
        return;
    struct hv_io_request q = *e->request;
    int ide = ide_model_offset(q.port);
    e->served = q.seq;
    e->stats.accesses++;
    e->stats.bytes += q.string ? (uint64_t)q.count * q.size : 0;
    ide_model_access(&e->ide);
    if (ide >= 0)
        serve_ide(e, &q, (uint16_t)ide);
    else if (q.port >= PCI_MODEL_BASE)
        serve_registers(e, &q);
    else
        serve_uart(e, &q, (uint16_t)(q.port - UART_BASE));
}

/* --- life ------------------------------------------------------------------------------------- */

static int64_t route(struct emul *e, uint16_t first, uint64_t count)
{
    return hv_io_route(e->setup.domain, first, count, e->line, hv_gfn(e->request));
}

static int64_t route_all(struct emul *e)
{
    int64_t result = 0;
    if (e->setup.disk) {
        result = route(e, IDE_BASE, IDE_PORTS);
        if (result >= 0)
            result = route(e, IDE_CONTROL_PORT, 1);
        if (result >= 0)
            result = route(e, PCI_MODEL_BASE, PCI_MODEL_PORTS);
        if (result >= 0)
            result = route(e, MASTER_BASE, MASTER_PORTS);
    }
    if (e->setup.uart && result >= 0)
        result = route(e, UART_BASE, UART16550_PORTS);
    return result;
}

static int64_t start(struct emul *e)
{
    const struct uart16550_host host = { .ctx = e, .tx = uart_tx, .irq = uart_line };
    int64_t line = hv_event_alloc(HV_SELF, HV_SELF);
    if (line < 0)
        return line;
    e->line = (uint64_t)line;
    int64_t result = irq_register(e->line, request_event, e);
    uart16550_init(&e->uart, &host);
    return result < 0 ? result : route_all(e);
}

struct emul *emul_open(const struct emul_setup *setup)
{
    struct emul *e = kmalloc(sizeof(*e));
    if (!e)
        return NULL;
    e->setup = *setup;
    e->request = page_alloc(2);
    e->data = page_alloc(1);
    if (!e->request || !e->data || (setup->disk && ide_open(e))) {
        printk("root: %s: no memory for emulated devices\n", setup->name);
        emul_free(e);
        return NULL;
    }
    int64_t result = start(e);
    if (result < 0) {
        printk("root: %s: ports cannot be routed (error %d)\n", setup->name, (int)result);
        emul_close(e);
        emul_free(e);
        return NULL;
    }
    return e;
}

void emul_close(struct emul *e)
{
    irq_unregister(e->line);
    (void)hv_event_close(HV_SELF, e->line);
    /* A long DMA request goes from the disk to the timer and back: neither starts the other again.
     */
    e->closing = true;
    timer_cancel(&e->again);
    wait_event(&e->disk_idle, !e->disk_busy);
    if (e->setup.disk) {
        (void)hv_event_close(HV_SELF, e->setup.disk_irq);
        if (e->setup.disk->ops->region_unmap)
            e->setup.disk->ops->region_unmap(e->setup.disk, e->ide_buffer);
    }
    if (e->setup.uart)
        (void)hv_event_close(HV_SELF, e->setup.uart_irq);
    if (e->source)
        mux_close(e->source);
}

void emul_free(struct emul *e)
{
    if (e->ide_buffer)
        page_free(e->ide_buffer, IDE_PAGES);
    if (e->request)
        page_free(e->request, 2);
    if (e->data)
        page_free(e->data, 1);
    kfree(e);
}

struct emul_stats emul_stats(const struct emul *e)
{
    return e->stats;
}
