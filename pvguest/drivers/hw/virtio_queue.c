/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A split virtqueue whose every request is one indirect table, so that a request takes one ring
 * entry however many segments it has. Owns the ring page and the slots, both reachable by the
 * device for good; slot n uses descriptor n.
 *
 * What the device writes (used ring, avail_event) is believed only as far as an index in range:
 * virtio_queue_next() drops anything else. All functions are called with interrupts off.
 *
 * Notifications are suppressed both ways with event indexes: the doorbell is rung only when the
 * device asks for it, and an interrupt is asked for when three quarters of what is under way are
 * done. What is under way always ends, so nothing waits for a request that was not made.
 */
#include "virtio.h"

#include "arch/device.h"
#include "irq.h"
#include "mem.h"
#include "pci.h"
#include "printk.h"

struct virtio_used {
    uint32_t slot;
    uint32_t bytes;
};

struct virtio_ring {
    struct virtio_desc desc[VIRTIO_QUEUE_SIZE];
    struct {
        uint16_t flags;
        uint16_t index;
        uint16_t ring[VIRTIO_QUEUE_SIZE];
        uint16_t used_event;
    } avail;
    uint8_t pad[250];
    struct {
        uint16_t flags;
        uint16_t index;
        struct virtio_used ring[VIRTIO_QUEUE_SIZE];
        uint16_t avail_event;
    } used;
};
_Static_assert(sizeof(struct virtio_ring) <= PAGE_SIZE, "the ring is one page");

#define SLOT_PAGES (VIRTIO_QUEUE_SIZE * sizeof(struct virtio_slot) / PAGE_SIZE)

#define MSIX_TABLE       4u
#define MSIX_ENABLE      0x8000u
#define MSIX_ENTRY_WORDS 4u
#define MSIX_NO_VECTOR   0xffffu

/* Vector `entry` of the device raises fn(arg). */
static int msix_attach(uint16_t function, unsigned entry, void (*fn)(void *), void *arg)
{
    uint8_t cap = pci_capability(function, PCI_CAP_MSIX, 0);
    if (!cap)
        return -1;
    uint32_t where = pci_read32(function, cap + MSIX_TABLE);
    uint64_t bytes = 0;
    uint64_t base = pci_bar(function, where & 7, &bytes);
    uint64_t offset = (where & ~7u) + entry * 16u;
    volatile uint32_t *vector =
        base && offset + 16 <= bytes ? arch_mmio_map(base + offset, 16) : NULL;
    uint64_t address;
    uint32_t data;
    int64_t line = vector ? arch_msi_line(function, &address, &data) : -1;
    if (line < 0 || irq_register((uint64_t)line, fn, arg) < 0)
        return -1;
    vector[0] = (uint32_t)address;
    vector[1] = (uint32_t)(address >> 32);
    vector[2] = data;
    vector[3] = 0;
    pci_write16(function, cap + 2u, (uint16_t)(pci_read16(function, cap + 2u) | MSIX_ENABLE));
    return 0;
}

static int queue_memory(struct virtio_queue *q, uint64_t *ring_address)
{
    q->ring = page_alloc(1);
    q->slot = page_alloc(SLOT_PAGES);
    if (!q->ring || !q->slot)
        return -1;
    if (arch_dma_map(q->device->function, q->ring, 1, ring_address) < 0)
        return -1;
    return arch_dma_map(q->device->function, q->slot, SLOT_PAGES, q->slot_page);
}

static void queue_fill(struct virtio_queue *q)
{
    for (unsigned n = 0; n < q->size; n++) {
        q->ring->desc[n] =
            (struct virtio_desc){ .address = virtio_slot_address(q, n, q->slot[n].table),
                                  .flags = VIRTIO_DESC_INDIRECT };
        virtio_queue_put(q, n);
    }
}

int virtio_queue_open(struct virtio_queue *q, struct virtio_device *v, uint16_t index,
                      void (*fn)(void *arg), void *arg)
{
    volatile struct virtio_common *c = v->common;
    uint64_t ring;
    q->device = v;
    q->index = index;
    c->queue_select = index;
    q->size = c->queue_size < VIRTIO_QUEUE_SIZE ? c->queue_size : VIRTIO_QUEUE_SIZE;
    /* A size is a power of two; 0 says that there is no such queue. */
    if (!q->size || q->size & (q->size - 1) || queue_memory(q, &ring) < 0)
        return -1;
    queue_fill(q);
    if (msix_attach(v->function, 0, fn, arg))
        return -1;
    c->config_msix_vector = MSIX_NO_VECTOR;
    c->queue_select = index;
    c->queue_size = q->size;
    c->queue_msix_vector = 0;
    if (c->queue_msix_vector != 0)
        return -1;
    c->queue_desc = ring + offsetof(struct virtio_ring, desc);
    c->queue_driver = ring + offsetof(struct virtio_ring, avail);
    c->queue_device = ring + offsetof(struct virtio_ring, used);
    uint64_t bell = (uint64_t)c->queue_notify_off * v->notify_multiplier;
    q->doorbell = (volatile uint16_t *)(v->notify + bell);
    c->queue_enable = 1;
    return 0;
}

int virtio_queue_get(struct virtio_queue *q)
{
    if (!q->free_count)
        return -1;
    unsigned slot = q->free_head;
    q->free_head = q->free_next[slot];
    q->free_count--;
    return (int)slot;
}

void virtio_queue_put(struct virtio_queue *q, unsigned slot)
{
    q->free_next[slot] = q->free_head;
    q->free_head = (uint16_t)slot;
    q->free_count++;
}

uint64_t virtio_slot_address(const struct virtio_queue *q, unsigned slot, const void *p)
{
    uintptr_t within = (uintptr_t)p - (uintptr_t)q->slot;
    (void)slot;
    return q->slot_page[within / PAGE_SIZE] + within % PAGE_SIZE;
}

void virtio_queue_add(struct virtio_queue *q, unsigned slot, unsigned segments)
{
    struct virtio_desc *table = q->slot[slot].table;
    for (unsigned n = 0; n + 1 < segments; n++) {
        table[n].flags |= VIRTIO_DESC_NEXT;
        table[n].next = (uint16_t)(n + 1);
    }
    q->ring->desc[slot].bytes = (uint32_t)(segments * sizeof(struct virtio_desc));
    q->ring->avail.ring[q->next_avail % q->size] = (uint16_t)slot;
    q->next_avail++;
}

void virtio_queue_kick(struct virtio_queue *q)
{
    uint16_t old = q->shown;
    if (q->next_avail == old)
        return;
    __atomic_store_n(&q->ring->avail.index, q->next_avail, __ATOMIC_RELEASE);
    q->shown = q->next_avail;
    /* Index before event: the device writes its event, then looks at the index once more. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint16_t event = __atomic_load_n(&q->ring->used.avail_event, __ATOMIC_RELAXED);
    if ((uint16_t)(q->shown - event - 1) < (uint16_t)(q->shown - old))
        *q->doorbell = q->index;
}

int virtio_queue_next(struct virtio_queue *q)
{
    while (q->last_used != __atomic_load_n(&q->ring->used.index, __ATOMIC_ACQUIRE)) {
        uint32_t slot = q->ring->used.ring[q->last_used % q->size].slot;
        q->last_used++;
        if (slot < q->size)
            return (int)slot;
    }
    return -1;
}

bool virtio_queue_rearm(struct virtio_queue *q)
{
    uint16_t under_way = (uint16_t)(q->next_avail - q->last_used);
    uint16_t wait_for = (uint16_t)(under_way * 3u / 4u);
    __atomic_store_n(&q->ring->avail.used_event, (uint16_t)(q->last_used + wait_for),
                     __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint16_t used = __atomic_load_n(&q->ring->used.index, __ATOMIC_ACQUIRE);
    return (uint16_t)(used - q->last_used) > wait_for;
}
