/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain holds of the machine. Root starts with everything that may be held at all; others
 * get what a holder passes on, and the giver keeps it. What hyp needs for itself is never held: it
 * is refused in resource_holds_*, whatever the records say, or never given to root (ports).
 */
#include "resource.h"
#include "arch/irq.h"
#include "domain.h"
#include "frame.h"
#include "platform.h"
#include "string.h"
#include "uart.h"

#define PORTS 65536u

/* The UART, the PICs and their edge/level registers, the PIT and its gate, the exit device. */
static const struct {
    uint16_t first, last;
} hyp_ports[] = { { 0x20, 0x21 }, { 0x40, 0x43 },   { 0x61, 0x61 },  { 0xa0, 0xa1 },
                  { 0xf4, 0xf7 }, { 0x3f8, 0x3ff }, { 0x4d0, 0x4d1 } };

static uint64_t io_versions; /* as many bitmaps there were, with each change; memory_lock */

static void free_bitmap(struct domain *d) {
    for (unsigned int i = 0; i < ARRAY_LEN(d->io_bitmap); i++)
        if (d->io_bitmap[i] != NULL) frame_drop(d, d->io_bitmap[i]);
}

void resource_destroy(struct domain *d) {
    free_bitmap(d);
    if (d->resources != NULL) {
        BUG_ON(d->resources->dma != NULL);
        frame_drop(d, d->resources);
    }
}

/* ---- ports ---- */

/* Both halves, or none. Another pCPU may be about to load them: a half that it finds holds nothing.
 */
static bool make_bitmap(struct domain *d) {
    for (unsigned int i = 0; i < ARRAY_LEN(d->io_bitmap) && d->io_bitmap[i] == NULL; i++) {
        uint8_t *half = frame_meta(d);

        if (half != NULL) memset(half, 0xff, PAGE_SIZE);
        store_release(&d->io_bitmap[i], half);
    }
    if (d->io_bitmap[1] == NULL) free_bitmap(d);
    return d->io_bitmap[1] != NULL;
}

/* The word of the bitmap that holds a port's bit. */
static uint64_t *port_word(const struct domain *d, uint64_t port) {
    return (uint64_t *)(void *)d->io_bitmap[(port / 8 / PAGE_SIZE) & 1] + port / 64 % 512;
}

/* The bits of the ports [*p, end) in the word that holds the first of them; *p goes behind them. */
static uint64_t take_bits(uint64_t *p, uint64_t end) {
    uint64_t from = *p;

    *p = (from | 63) < end ? (from | 63) + 1 : end;
    return ~(uint64_t)0 << from % 64 & ~(uint64_t)0 >> (63 - (*p - 1) % 64);
}

bool resource_holds_ports(const struct domain *d, uint64_t first, uint64_t count) {
    if (d->io_bitmap[1] == NULL) return false; /* nothing was ever assigned */
    for (uint64_t p = first; p < first + count;) {
        uint64_t word = *port_word(d, p);

        if (word & take_bits(&p, first + count)) return false;
    }
    return true;
}

static int assign_ports(struct domain *from, struct domain *to, uint64_t first, uint64_t count) {
    if (first >= PORTS || count == 0 || count > PORTS - first) return -HV_EINVAL;
    if (!resource_holds_ports(from, first, count)) return -HV_EPERM;
    if (!make_bitmap(to)) return -HV_ENOMEM;
    for (uint64_t p = first; p < first + count;) {
        uint64_t *word = port_word(to, p);

        *word &= ~take_bits(&p, first + count);
    }
    store_release(&to->io_version, ++io_versions);
    return 0;
}

/* ---- MMIO and devices ---- */

/* Differences wrap below a range. */
static bool overlaps(uint64_t first, uint64_t count, paddr_t page) {
    return (page >> PAGE_SHIFT) - first < count;
}

/* May these machine frames be held by any domain? RAM and hyp's own registers may not. What no
 * address reaches is in no range: root's, of which all others are parts, ends there. */
static bool mmio_holdable(uint64_t first, uint64_t count) {
    if (frame_is_memory(first, count)) return false;
    for (uint32_t i = 0; i < platform.ioapic_count; i++)
        if (overlaps(first, count, platform.ioapics[i].base)) return false;
    return !overlaps(first, count, platform.lapic);
}

/* Is all of it in one range of the list? */
static bool listed(const struct resource_list *l, uint64_t first, uint64_t count) {
    for (uint32_t i = 0; i < l->used; i++) {
        uint64_t before = first - l->range[i].first;

        if (before < l->range[i].count && count <= l->range[i].count - before) return true;
    }
    return false;
}

static int pass_on(const struct resource_list *from, struct resource_list *to, uint64_t first,
                   uint64_t count) {
    if (!listed(from, first, count)) return -HV_EPERM;
    if (listed(to, first, count)) return 0;
    if (to->used == RESOURCE_RANGES) return -HV_ENOSPC;
    to->range[to->used].first = first;
    to->range[to->used++].count = count;
    return 0;
}

bool resource_holds_mmio(const struct domain *d, uint64_t mfn) {
    return d->resources != NULL && listed(&d->resources->mmio, mfn, 1) && mmio_holdable(mfn, 1);
}

static int assign_mmio(struct domain *from, struct domain *to, uint64_t gfn, uint64_t count) {
    uint64_t first = gfn - HV_GFN_MMIO;

    if (gfn < HV_GFN_MMIO || count == 0 || first + count < first) return -HV_EINVAL;
    if (!mmio_holdable(first, count)) return -HV_EPERM;
    return pass_on(&from->resources->mmio, &to->resources->mmio, first, count);
}

bool resource_holds_device(const struct domain *d, uint64_t device) {
    return d->resources != NULL && listed(&d->resources->devices, device, 1);
}

/* ---- interrupt lines ---- */

bool resource_holds_irq(const struct domain *d, uint64_t gsi) {
    const struct resources *r = d->resources;

    /* The console's own line stays hyp's. */
    if (r == NULL || gsi >= RESOURCE_IRQS || gsi == irq_line_of_isa(UART_COM1_IRQ)) return false;
    return (r->irqs[gsi / 64] >> gsi % 64 & 1) != 0;
}

static int assign_irq(struct domain *from, struct domain *to, uint64_t gsi) {
    if (gsi >= RESOURCE_IRQS) return -HV_EINVAL;
    if (!resource_holds_irq(from, gsi)) return -HV_EPERM;
    to->resources->irqs[gsi / 64] |= (uint64_t)1 << gsi % 64;
    return 0;
}

/* ---- all kinds ---- */

int resource_assign(struct domain *from, struct domain *to, uint64_t kind, uint64_t a, uint64_t b) {
    if (kind == HV_ASSIGN_PORTS) return assign_ports(from, to, a, b);
    if (kind == HV_ASSIGN_MMIO) return assign_mmio(from, to, a, b);
    if (kind == HV_ASSIGN_IRQ && b == 0) return assign_irq(from, to, a);
    if (kind == HV_ASSIGN_DEVICE && b == 0 && a <= UINT16_MAX)
        return pass_on(&from->resources->devices, &to->resources->devices, a, 1);
    return -HV_EINVAL;
}

int resource_give_all(struct domain *root) {
    struct resources *r = root->resources;

    if (!make_bitmap(root)) return -HV_ENOMEM;
    memset(root->io_bitmap[0], 0, PAGE_SIZE);
    memset(root->io_bitmap[1], 0, PAGE_SIZE);
    for (unsigned int i = 0; i < ARRAY_LEN(hyp_ports); i++)
        for (uint32_t p = hyp_ports[i].first; p <= hyp_ports[i].last; p++)
            *port_word(root, p) |= (uint64_t)1 << p % 64;
    root->io_version = ++io_versions;
    r->mmio.range[r->mmio.used++].count = (uint64_t)1 << (cpu_features.physical_bits - PAGE_SHIFT);
    r->devices.range[r->devices.used++].count = UINT16_MAX + 1;
    memset(r->irqs, 0xff, sizeof(r->irqs));
    return 0;
}
