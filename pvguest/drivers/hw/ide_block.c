/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk of the first IDE channel as a block device, hda. Owns the channel: one thread does the
 * requests one after the other, as the controller does, and waits for the interrupts of line 14. It
 * knows the ports of a PC and nothing of who answers them.
 */
#include "arch/port.h"
#include "block.h"
#include "clock.h"
#include "driver.h"
#include "hw/ide.h"
#include "irq.h"
#include "printk.h"

#include <stddef.h>

#define IDE_COMMAND 0x1f0u
#define IDE_CONTROL 0x3f6u
#define IDE_IRQ     14u

static struct {
    struct block_device device;
    struct ide_disk disk;
    bool raised;                 /* an interrupt that nobody waited for yet */
    struct wait_queue interrupt; /* the thread, while the disk works */
    struct wait_queue work;      /* the thread, while there is nothing to do */
    struct block_request *first;
    struct block_request *last;
} ide;

static uint8_t bus_in8(void *ctx, uint16_t port)
{
    (void)ctx;
    return port_in8(port);
}

static void bus_out8(void *ctx, uint16_t port, uint8_t value)
{
    (void)ctx;
    port_out8(port, value);
}

static void bus_ins16(void *ctx, uint16_t port, void *buffer, uint32_t words)
{
    (void)ctx;
    port_ins16(port, buffer, words);
}

static void bus_outs16(void *ctx, uint16_t port, const void *buffer, uint32_t words)
{
    (void)ctx;
    port_outs16(port, buffer, words);
}

static bool bus_wait_irq(void *ctx, uint64_t deadline)
{
    uint64_t flags = irq_save();
    bool in_time = true;

    (void)ctx;
    while (!ide.raised && in_time) {
        in_time = wait_block_until(&ide.interrupt, deadline);
    }
    in_time = ide.raised;
    ide.raised = false;
    irq_restore(flags);
    return in_time;
}

static uint64_t bus_now(void *ctx)
{
    (void)ctx;
    return clock_ns();
}

static const struct ide_bus bus = {
    .command = IDE_COMMAND,
    .control = IDE_CONTROL,
    .in8 = bus_in8,
    .out8 = bus_out8,
    .ins16 = bus_ins16,
    .outs16 = bus_outs16,
    .wait_irq = bus_wait_irq,
    .now = bus_now,
};

static void ide_interrupt(void *arg)
{
    (void)arg;
    ide.raised = true;
    wait_wake_all(&ide.interrupt);
}

static int perform(const struct block_request *r)
{
    int result = r->op == BLOCK_READ    ? ide_read(&ide.disk, r->sector, r->count, r->buffer)
                 : r->op == BLOCK_WRITE ? ide_write(&ide.disk, r->sector, r->count, r->buffer)
                                        : ide_flush(&ide.disk);

    return result == 0 ? 0 : result == IDE_ERANGE ? BLOCK_EINVAL : BLOCK_EIO;
}

static void ide_thread(void *arg)
{
    (void)arg;
    for (;;) {
        struct block_request *r;
        uint64_t flags;
        int status;

        wait_event(&ide.work, ide.first != NULL);
        flags = irq_save();
        r = ide.first;
        ide.first = r->next;
        irq_restore(flags);
        status = perform(r);
        flags = irq_save();
        block_finish(r, status);
        irq_restore(flags);
    }
}

static void submit(struct block_device *d, struct block_request *r)
{
    (void)d;
    r->next = NULL;
    if (ide.first) {
        ide.last->next = r;
    } else {
        ide.first = r;
    }
    ide.last = r;
}

static void kick(struct block_device *d)
{
    (void)d;
    if (ide.first) {
        wait_wake_all(&ide.work);
    }
}

static void *buffer_get(struct block_device *d)
{
    (void)d;
    return NULL; /* the processor moves the data: any buffer is as good */
}

static void buffer_put(struct block_device *d, void *buffer)
{
    (void)d;
    (void)buffer;
}

static const struct block_ops ops = {
    .submit = submit,
    .kick = kick,
    .buffer_get = buffer_get,
    .buffer_put = buffer_put,
};

/* Without an interrupt line for it there is no controller, and nothing is touched. */
static void ide_block_probe(void)
{
    int64_t line = irq_isa_line(IDE_IRQ);
    int result;

    if (line < 0 || irq_register((uint64_t)line, ide_interrupt, NULL) < 0) {
        return;
    }
    result = ide_probe(&ide.disk, &bus);
    if (result < 0) {
        printk("hda: no disk (%d)\n", result);
        return;
    }
    ide.device = (struct block_device){ .name = "hda",
                                        .way = "ide",
                                        .title = "IDE",
                                        .sectors = ide.disk.sectors,
                                        .depth = 1,
                                        .ops = &ops };
    thread_create("ide", ide_thread, NULL);
    block_register(&ide.device);
    printk("hda: %lu sectors, %s, %u a block\n", (unsigned long)ide.device.sectors, ide.disk.model,
           ide.disk.block);
}

DRIVER(DRIVER_DISK, ide_block_probe);
