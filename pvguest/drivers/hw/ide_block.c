/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk of the first IDE channel as a block device, hda. Owns the channel: one thread does the
 * requests one after the other, as the controller does, and waits for the interrupts of line 14. It
 * knows the ports of a PC and nothing of who answers them.
 *
 * Where the controller is a PCI function that can move data by itself, hda's requests go by DMA,
 * and hda.pio is the same disk with the processor moving the data. `ide=pio` on the command line
 * leaves the function alone: hda then goes by PIO, and hda.pio is not there.
 */
#include "arch/device.h"
#include "arch/port.h"
#include "block.h"
#include "clock.h"
#include "driver.h"
#include "hw/ide.h"
#include "irq.h"
#include "kernel.h"
#include "kstring.h"
#include "mem.h"
#include "pci.h"
#include "printk.h"

#include <stddef.h>

#define IDE_COMMAND 0x1f0u
#define IDE_CONTROL 0x3f6u
#define IDE_IRQ     14u

/* Mass storage, IDE, with a bus master; the registers of the first channel begin BAR 4. */
#define CLASS_IDE_MASTER 0x010180u
#define CLASS_MASK       0xffff80u
#define MASTER_BAR       4u

/* As the controller is told, and nothing else: no other object shares its page. */
static struct ide_region table[PAGE_SIZE / sizeof(struct ide_region)]
    __attribute__((aligned(PAGE_SIZE)));

static struct {
    struct block_device device;
    struct block_device pio; /* the same disk, without DMA */
    struct ide_disk disk;
    struct ide_dma_bus master;
    uint16_t function;           /* of PCI */
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

static void bus_out32(void *ctx, uint16_t port, uint32_t value)
{
    (void)ctx;
    port_out32(port, value);
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

static int bus_map(void *ctx, const void *p, uint32_t pages, uint64_t *addresses)
{
    const void *page = (const void *)((uintptr_t)p & ~(uintptr_t)(PAGE_SIZE - 1));

    (void)ctx;
    return arch_dma_map(ide.function, page, pages, addresses);
}

static void bus_unmap(void *ctx, const uint64_t *addresses, uint32_t pages)
{
    (void)ctx;
    arch_dma_unmap(ide.function, addresses, pages);
}

static struct ide_bus bus = {
    .command = IDE_COMMAND,
    .control = IDE_CONTROL,
    .in8 = bus_in8,
    .out8 = bus_out8,
    .ins16 = bus_ins16,
    .outs16 = bus_outs16,
    .wait_irq = bus_wait_irq,
    .now = bus_now,
    .out32 = bus_out32,
    .map = bus_map,
    .unmap = bus_unmap,
};

static void ide_interrupt(void *arg)
{
    (void)arg;
    ide.raised = true;
    wait_wake_all(&ide.interrupt);
}

static int perform(const struct block_request *r)
{
    enum ide_way way = r->device == &ide.pio ? IDE_PIO : IDE_DMA;
    uint64_t before = ide.disk.stats.accesses;
    int result = r->op == BLOCK_READ    ? ide_read(&ide.disk, way, r->sector, r->count, r->buffer)
                 : r->op == BLOCK_WRITE ? ide_write(&ide.disk, way, r->sector, r->count, r->buffer)
                                        : ide_flush(&ide.disk);

    r->device->stats.accesses += ide.disk.stats.accesses - before;
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
    return NULL; /* any buffer is as good: what is out of the controller's reach goes by PIO */
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

/* Find the bus master and let it reach its table; false: there is none, or it must not be used. */
static bool find_master(void)
{
    char way[8] = "";
    uint64_t address;
    uint16_t port;

    (void)option_text("ide", way, sizeof(way));
    if (strcmp(way, "pio") == 0 || !pci_find_class(CLASS_IDE_MASTER, CLASS_MASK, &ide.function) ||
        (port = pci_enable_io(ide.function, MASTER_BAR)) == 0 ||
        arch_dma_map(ide.function, table, 1, &address) < 0) {
        return false;
    }
    ide.master =
        (struct ide_dma_bus){ .port = port, .table = table, .table_address = (uint32_t)address };
    return address <= UINT32_MAX;
}

static void add(struct block_device *d, const char *name, bool dma)
{
    *d = (struct block_device){ .way = dma ? "ide_dma" : "ide_pio",
                                .title = dma ? "IDE DMA" : "IDE PIO",
                                .sectors = ide.disk.sectors,
                                .depth = 1,
                                .ops = &ops };
    format_text(d->name, sizeof(d->name), "%s", name);
    block_register(d);
    printk("%s: %lu sectors, %s, ", d->name, (unsigned long)d->sectors, ide.disk.model);
    if (dma) {
        printk("DMA at port %x\n", ide.master.port);
    } else {
        printk("%u a block\n", ide.disk.block);
    }
}

/* Without an interrupt line for it there is no controller, and nothing is touched. */
static void ide_block_probe(void)
{
    int64_t line = irq_isa_line(IDE_IRQ);
    int result;

    if (line < 0 || irq_register((uint64_t)line, ide_interrupt, NULL) < 0) {
        return;
    }
    bus.master = find_master() ? &ide.master : NULL;
    result = ide_probe(&ide.disk, &bus);
    if (result < 0) {
        printk("hda: no disk (%d)\n", result);
        return;
    }
    thread_create("ide", ide_thread, NULL);
    add(&ide.device, "hda", ide.disk.dma);
    if (ide.disk.dma) {
        add(&ide.pio, "hda.pio", false);
    }
}

DRIVER(DRIVER_DISK, ide_block_probe);
