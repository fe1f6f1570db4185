/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks on virtio. Owns, for each disk, one queue, the requests that the device works on (owner, by
 * slot), those that wait for a slot or a bounce buffer (waiting, in order), and the regions of
 * memory that the device can reach.
 *
 * A request's buffer is given to the device only as far as it lies inside one region, so the device
 * is never told an address that was not made for it. Buffers outside every region are copied
 * through the driver's own pool, and counted.
 */
#include "arch/device.h"
#include "block.h"
#include "irq.h"
#include "kstring.h"
#include "mem.h"
#include "pci.h"
#include "printk.h"
#include "virtio.h"

#define F_READ_ONLY  ((uint64_t)1 << 5)
#define F_BLOCK_SIZE ((uint64_t)1 << 6)
#define F_FLUSH      ((uint64_t)1 << 9)

#define CONFIG_CAPACITY   0
#define CONFIG_BLOCK_SIZE 20

#define TYPE_READ  0u
#define TYPE_WRITE 1u
#define TYPE_FLUSH 4u

#define STATUS_OK 0

#define POOL        16u
#define PAGES_OF(b) ((uint32_t)((b) / PAGE_SIZE))

/* In a slot's extra bytes; the device reads the header and writes the status. */
struct header {
    uint32_t type;
    uint32_t rsvd;
    uint64_t sector;
    uint8_t status;
};

struct region {
    struct region *next;
    uint8_t *start;
    uint64_t bytes;
    uint64_t address[]; /* of each page, for the device */
};

struct virtio_disk {
    struct block_device block;
    struct virtio_device device;
    struct virtio_queue queue;
    struct block_request *owner[VIRTIO_QUEUE_SIZE];
    void *bounce[VIRTIO_QUEUE_SIZE];
    struct block_request *waiting;
    struct block_request **waiting_end;
    struct region *regions;
    void *pool[POOL];
    unsigned pooled;
};

static struct header *slot_header(struct virtio_disk *k, unsigned slot)
{
    return (struct header *)(void *)k->queue.slot[slot].extra;
}

static struct region *region_of(struct virtio_disk *k, const void *p, uint64_t bytes)
{
    for (struct region *r = k->regions; r; r = r->next) {
        uint64_t at = (uintptr_t)p - (uintptr_t)r->start;
        if (at < r->bytes && bytes <= r->bytes - at)
            return r;
    }
    return NULL;
}

/* Describe `bytes` at `p` from table entry `n` on; returns the next free entry. Pages whose device
 * addresses adjoin share one entry. */
static unsigned add_buffer(struct virtio_desc *table, unsigned n, const struct region *r,
                           const void *p, uint64_t bytes, uint16_t flags)
{
    uint64_t at = (uintptr_t)p - (uintptr_t)r->start;
    unsigned first = n;
    while (bytes) {
        uint64_t within = at % PAGE_SIZE;
        uint64_t part = PAGE_SIZE - within < bytes ? PAGE_SIZE - within : bytes;
        uint64_t address = r->address[at / PAGE_SIZE] + within;
        if (n > first && table[n - 1].address + table[n - 1].bytes == address)
            table[n - 1].bytes += (uint32_t)part;
        else
            table[n++] =
                (struct virtio_desc){ .address = address, .bytes = (uint32_t)part, .flags = flags };
        at += part;
        bytes -= part;
    }
    return n;
}

/* Give `r`, whose data lie at `data`, to the device in `slot`. */
static void start(struct virtio_disk *k, struct block_request *r, unsigned slot, void *data)
{
    static const uint32_t type[] = { TYPE_READ, TYPE_WRITE, TYPE_FLUSH };
    struct virtio_desc *table = k->queue.slot[slot].table;
    struct header *h = slot_header(k, slot);
    uint64_t bytes = (uint64_t)r->count * BLOCK_SECTOR;
    uint64_t address = virtio_slot_address(&k->queue, slot, h);
    unsigned n = 1;

    *h = (struct header){ .type = type[r->op],
                          .sector = r->op == BLOCK_FLUSH ? 0 : r->sector,
                          .status = 0xff };
    table[0] = (struct virtio_desc){ .address = address, .bytes = offsetof(struct header, status) };
    if (r->op != BLOCK_FLUSH)
        n = add_buffer(table, n, region_of(k, data, bytes), data, bytes,
                       r->op == BLOCK_READ ? VIRTIO_DESC_WRITE : 0);
    table[n++] = (struct virtio_desc){ .address = address + offsetof(struct header, status),
                                       .bytes = 1,
                                       .flags = VIRTIO_DESC_WRITE };
    k->owner[slot] = r;
    virtio_queue_add(&k->queue, slot, n);
}

/* Find where the data of `r` go: to its own buffer, or to one of the pool (then *bounce says so).
 * False when the pool is empty. */
static bool place_data(struct virtio_disk *k, struct block_request *r, void **bounce)
{
    uint64_t bytes = (uint64_t)r->count * BLOCK_SECTOR;
    *bounce = NULL;
    if (r->op == BLOCK_FLUSH || region_of(k, r->buffer, bytes))
        return true;
    if (!k->pooled)
        return false;
    *bounce = k->pool[--k->pooled];
    if (r->op == BLOCK_WRITE)
        memcpy(*bounce, r->buffer, bytes);
    k->block.stats.copied += bytes;
    return true;
}

static bool try_start(struct virtio_disk *k, struct block_request *r)
{
    int slot = virtio_queue_get(&k->queue);
    if (slot < 0)
        return false;
    if (!place_data(k, r, &k->bounce[slot])) {
        virtio_queue_put(&k->queue, (unsigned)slot);
        return false;
    }
    start(k, r, (unsigned)slot, k->bounce[slot] ? k->bounce[slot] : r->buffer);
    return true;
}

static void disk_submit(struct block_device *d, struct block_request *r)
{
    struct virtio_disk *k = d->driver;
    if (!k->waiting && try_start(k, r))
        return;
    r->next = NULL;
    *k->waiting_end = r;
    k->waiting_end = &r->next;
}

static void disk_kick(struct block_device *d)
{
    struct virtio_disk *k = d->driver;
    virtio_queue_kick(&k->queue);
}

/* The device says that `slot` is done. A slot that it does not work on is ignored: the device (or
 * whoever emulates it) may be wrong, the driver's own record may not. */
static void finish(struct virtio_disk *k, unsigned slot)
{
    struct block_request *r = k->owner[slot];
    if (!r)
        return;
    int status = slot_header(k, slot)->status == STATUS_OK ? 0 : BLOCK_EIO;
    if (k->bounce[slot]) {
        if (r->op == BLOCK_READ && !status)
            memcpy(r->buffer, k->bounce[slot], (uint64_t)r->count * BLOCK_SECTOR);
        k->pool[k->pooled++] = k->bounce[slot];
    }
    k->owner[slot] = NULL;
    virtio_queue_put(&k->queue, slot);
    block_finish(r, status);
}

static void start_waiting(struct virtio_disk *k)
{
    while (k->waiting) {
        struct block_request *r = k->waiting;
        struct block_request *next = r->next;
        if (!try_start(k, r))
            return;
        k->waiting = next;
        if (!next)
            k->waiting_end = &k->waiting;
    }
}

static void disk_interrupt(void *arg)
{
    struct virtio_disk *k = arg;
    do {
        int slot;
        while ((slot = virtio_queue_next(&k->queue)) >= 0)
            finish(k, (unsigned)slot);
    } while (virtio_queue_rearm(&k->queue));
    start_waiting(k);
    virtio_queue_kick(&k->queue);
}

static void *disk_buffer_get(struct block_device *d)
{
    struct virtio_disk *k = d->driver;
    return k->pooled ? k->pool[--k->pooled] : NULL;
}

static void disk_buffer_put(struct block_device *d, void *buffer)
{
    struct virtio_disk *k = d->driver;
    k->pool[k->pooled++] = buffer;
    start_waiting(k);
    virtio_queue_kick(&k->queue);
}

static int disk_region_map(struct block_device *d, void *p, uint32_t pages)
{
    struct virtio_disk *k = d->driver;
    struct region *r = kmalloc(sizeof(*r) + pages * sizeof(r->address[0]));
    if (!r)
        return BLOCK_EIO;
    r->start = p;
    r->bytes = (uint64_t)pages * PAGE_SIZE;
    if (arch_dma_map(k->device.function, p, pages, r->address) < 0) {
        kfree(r);
        return BLOCK_EIO;
    }
    uint64_t flags = irq_save();
    r->next = k->regions;
    k->regions = r;
    irq_restore(flags);
    return 0;
}

static void disk_region_unmap(struct block_device *d, void *p)
{
    struct virtio_disk *k = d->driver;
    uint64_t flags = irq_save();
    struct region **at = &k->regions;
    while (*at && (*at)->start != p)
        at = &(*at)->next;
    struct region *r = *at;
    if (r)
        *at = r->next;
    irq_restore(flags);
    if (r) {
        arch_dma_unmap(k->device.function, r->address, PAGES_OF(r->bytes));
        kfree(r);
    }
}

static const struct block_ops disk_ops = {
    .submit = disk_submit,
    .kick = disk_kick,
    .buffer_get = disk_buffer_get,
    .buffer_put = disk_buffer_put,
    .region_map = disk_region_map,
    .region_unmap = disk_region_unmap,
};

static bool geometry(struct virtio_disk *k)
{
    const volatile uint8_t *c = k->device.config;
    uint64_t low = *(const volatile uint32_t *)(c + CONFIG_CAPACITY);
    uint64_t high = *(const volatile uint32_t *)(c + CONFIG_CAPACITY + 4);
    uint32_t size = *(const volatile uint32_t *)(c + CONFIG_BLOCK_SIZE);
    k->block.sectors = low | high << 32;
    k->block.read_only = (k->device.features & F_READ_ONLY) != 0;
    if (k->device.features & F_BLOCK_SIZE && size != BLOCK_SECTOR) {
        printk("virtio: function %04x has blocks of %u bytes, not 512\n", k->device.function, size);
        return false;
    }
    return true;
}

static bool make_pool(struct virtio_disk *k)
{
    uint8_t *memory = page_alloc(POOL * BLOCK_MAX_BYTES / PAGE_SIZE);
    if (!memory || disk_region_map(&k->block, memory, POOL * BLOCK_MAX_BYTES / PAGE_SIZE))
        return false;
    while (k->pooled < POOL) {
        k->pool[k->pooled] = memory + k->pooled * BLOCK_MAX_BYTES;
        k->pooled++;
    }
    return true;
}

static bool disk_open(struct virtio_disk *k, uint16_t function)
{
    k->waiting_end = &k->waiting;
    k->block.ops = &disk_ops;
    k->block.driver = k;
    k->block.depth = VIRTIO_QUEUE_SIZE;
    uint64_t required = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT | VIRTIO_F_EVENT_IDX | F_FLUSH;
    if (virtio_open(&k->device, function) ||
        virtio_negotiate(&k->device, required, F_READ_ONLY | F_BLOCK_SIZE) || !geometry(k))
        return false;
    if (virtio_queue_open(&k->queue, &k->device, 0, disk_interrupt, k) || !make_pool(k)) {
        printk("virtio: no queue or interrupt for function %04x\n", function);
        return false;
    }
    virtio_ready(&k->device);
    return true;
}

unsigned virtio_blk_probe(void)
{
    static struct pci_function found[PCI_MAX_FUNCTIONS];
    size_t count = pci_scan(found, PCI_MAX_FUNCTIONS);
    unsigned disks = 0;
    for (size_t i = 0; i < count; i++) {
        if (found[i].vendor != VIRTIO_VENDOR || found[i].device != VIRTIO_DEVICE_BLOCK)
            continue;
        struct virtio_disk *k = kmalloc(sizeof(*k));
        if (!k || !disk_open(k, found[i].name))
            continue;
        format_text(k->block.name, sizeof(k->block.name), "vd%c", (char)('a' + disks++));
        block_register(&k->block);
        printk("root: disk %s: %lu sectors%s\n", k->block.name, k->block.sectors,
               k->block.read_only ? ", read-only" : "");
    }
    return disks;
}
