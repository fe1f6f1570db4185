/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain holds of the machine: ports, MMIO frames, interrupt lines, devices and their DMA
 * pins. A giver keeps what it passes on.
 */
#pragma once

#include "frame.h"
#include "hv_memory.h"
#include "types.h"

struct window;

#define RESOURCE_RANGES 32u
#define RESOURCE_IRQS   256u

struct resource_list {
    uint32_t used;
    struct {
        uint64_t first, count;
    } range[RESOURCE_RANGES];
};

/* A frame of the domain's own (domain.resources); the port bitmap is domain.io_bitmap. */
struct resources {
    struct dma_table *dma;              /* NULL until the first dma_map */
    struct resource_list mmio, devices; /* machine frames; bus << 8 | devfn */
    uint64_t irqs[RESOURCE_IRQS / 64];
};

int resource_give_all(struct domain *root); /* root holds everything that may be held */
/* 0, -HV_EPERM (not held by `from`, or never held by anybody), -HV_EINVAL, -HV_ENOSPC, -HV_ENOMEM.
 */
int resource_assign(struct domain *from, struct domain *to, uint64_t kind, uint64_t a, uint64_t b);
/* Ports [first, first + count), which must be below 65,536. */
bool resource_holds_ports(const struct domain *d, uint64_t first, uint64_t count);
bool resource_holds_mmio(const struct domain *d, uint64_t mfn);
bool resource_holds_irq(const struct domain *d, uint64_t gsi);
bool resource_holds_device(const struct domain *d, uint64_t device);
/* Frees the records of a dying domain; not before dma_in_use says no. */
void resource_destroy(struct domain *d);

/* A pin: one frame that a device of the holder may use, and the frame that may have to replace it.
 */
struct pin {
    uint16_t next_hash;   /* pins with the same hash of mfn, + 1 */
    uint16_t next_window; /* pins of the same window page, + 1 */
    uint32_t used;
    uint32_t device; /* bus << 8 | devfn */
    uint32_t window; /* pinned through this window page + 1; 0: RAM of the holder */
    mfn_t mfn;
    mfn_t reserve; /* MFN_NONE: used up, the pinned frame is in quarantine */
};
_Static_assert(sizeof(struct pin) == 32, "128 of them fill a frame");

#define DMA_PINS    (64u * 128u)
#define DMA_BUCKETS 1024u

/* One frame. */
struct dma_table {
    struct slots pins;
    uint16_t bucket[DMA_BUCKETS]; /* first pin of each hash, + 1 */
    uint32_t count;               /* pins now */
};

static inline struct pin *dma_pin(const struct dma_table *t, uint32_t n) {
    return slot_at(&t->pins, n, sizeof(struct pin));
}

/* All or nothing; returns runs written, at most `count`. */
int64_t dma_map(struct domain *d, uint64_t device, gfn_t g, uint64_t count,
                struct hv_dma_run *runs);
int64_t dma_unmap(struct domain *d, uint64_t device, uint64_t address, uint64_t count);
/* True while work is left: frees the pins and quarantined frames of a dead domain. */
bool dma_reset_step(struct domain *d);
/* Does the domain hold pins (and with them, frames that have to wait for dma_reset_step)? */
bool dma_in_use(const struct domain *d);

/*
 * For grant.c: the frame behind GFN `g` of `owner` is pinned through window page `w` of `holder`,
 * and the grant ends. The owner gets a copy in a reserved frame of the holder's, the pinned frame
 * goes to quarantine.
 */
void dma_quarantine(struct domain *owner, gfn_t g, struct domain *holder, struct window *w);
