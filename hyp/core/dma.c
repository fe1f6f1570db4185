/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DMA pins: which frames devices may use, until an IOMMU says so. memory_lock guards them.
 *
 * Device addresses are machine addresses. A pin is a record of the holder of the device, found
 * again by device address (hash of the frame) and by window page (a list there). Invariants:
 *  - frame.pins of a frame is the number of pins that name it; while it is not zero the frame is
 *    never free: it is RAM of its owner, or in quarantine and charged to a holder of a pin.
 *  - each pin owns a reserve frame of the holder's, so that a revoke can give the frame's owner
 *    another one without allocating; MFN_NONE: that has happened.
 *  - window.pin is the list of pins made through that page; the window cannot be released before
 *    they are gone.
 */
#include "arch/page.h"
#include "frame.h"
#include "grant.h"
#include "p2m.h"
#include "resource.h"

static uint16_t *bucket_of(struct dma_table *t, mfn_t m) { return &t->bucket[m.n % DMA_BUCKETS]; }

bool dma_in_use(const struct domain *d) {
    const struct resources *r = d->resources;

    return r != NULL && r->dma != NULL && r->dma->count != 0;
}

/* ---- pins ---- */

/* Lists and counts a pin. */
static void pin_link(struct domain *d, uint32_t n, const struct p2m_target *at, gfn_t g) {
    struct dma_table *t = d->resources->dma;
    struct pin *p = dma_pin(t, n);
    uint16_t *bucket = bucket_of(t, at->mfn);

    p->mfn = at->mfn;
    p->used = 1;
    p->next_hash = *bucket;
    *bucket = (uint16_t)(n + 1);
    if (at->window != NULL) {
        p->window = (uint32_t)(g.n - HV_GFN_WINDOW) + 1;
        p->next_window = at->window->pin;
        at->window->pin = (uint16_t)(n + 1);
    }
    t->count++;
    frame_of(at->mfn)->pins++;
}

/* Takes a pin out of both lists. */
static void pin_unlink(struct domain *d, uint32_t n) {
    struct dma_table *t = d->resources->dma;
    const struct pin *p = dma_pin(t, n);
    uint16_t *link = bucket_of(t, p->mfn);

    while (*link != n + 1) link = &dma_pin(t, *link - 1u)->next_hash;
    *link = p->next_hash;
    if (p->window != 0) {
        link = &p2m_window_at(d, p->window - 1)->pin;
        while (*link != n + 1) link = &dma_pin(t, *link - 1u)->next_window;
        *link = p->next_window;
    }
    t->count--;
}

/* The last pin of a frame in quarantine sets it free. */
static void put_frame(mfn_t m) {
    struct frame *f = frame_of(m);

    BUG_ON(f->pins == 0);
    f->pins--;
    if (f->pins == 0 && f->state == FRAME_QUARANTINE) {
        struct domain *charged = frame_owner(f);

        charged->quarantined--;
        frame_free(charged, m);
    }
}

static void unpin(struct domain *d, uint32_t n) {
    struct pin *p = dma_pin(d->resources->dma, n);

    if (!mfn_is_none(p->reserve)) frame_free(d, p->reserve);
    pin_unlink(d, n);
    p->used = 0;
    slot_free(&d->resources->dma->pins, n, sizeof(*p));
    put_frame(p->mfn);
}

/* ---- map and unmap ---- */

/* 1. RAM or a window, not revoked? 2. A window's frame: granted once only (see grant.c)? So no
 * frame has pins of more than its owner and one peer, DMA_PINS each: frame.pins cannot wrap. */
static int may_pin(struct domain *d, gfn_t g, struct p2m_target *t) {
    int error = p2m_resolve(d, g, t);

    if (error != 0 || t->mmio || t->shared) return error == -HV_EFAULT ? -HV_EFAULT : -HV_EINVAL;
    return t->window != NULL && frame_of(t->mfn)->grants > 1 ? -HV_EBUSY : 0;
}

static int pin_page(struct domain *d, uint64_t device, gfn_t g, mfn_t *m) {
    struct dma_table *t = d->resources->dma;
    struct p2m_target at;
    int64_t n = may_pin(d, g, &at);
    mfn_t reserve;

    if (n < 0) return (int)n;
    if (t == NULL) t = d->resources->dma = frame_meta(d);
    reserve = t != NULL ? frame_alloc(d, FRAME_META) : MFN_NONE;
    if (mfn_is_none(reserve)) return -HV_ENOMEM;
    n = slot_alloc(d, &t->pins, sizeof(struct pin));
    if (n < 0) {
        frame_free(d, reserve);
        return (int)n;
    }
    *dma_pin(t, (uint32_t)n) = (struct pin){ .reserve = reserve, .device = (uint32_t)device };
    pin_link(d, (uint32_t)n, &at, g);
    *m = at.mfn;
    return 0;
}

/* The newest pin of this frame by this device: number + 1, or 0. */
static uint32_t find_pin(struct domain *d, uint64_t device, mfn_t m) {
    struct dma_table *t = d->resources->dma;
    uint32_t n = t != NULL ? *bucket_of(t, m) : 0;

    while (n != 0 && (dma_pin(t, n - 1)->mfn.n != m.n || dma_pin(t, n - 1)->device != device))
        n = dma_pin(t, n - 1)->next_hash;
    return n;
}

static void add_to_runs(struct hv_dma_run *runs, uint64_t *used, mfn_t m) {
    struct hv_dma_run *last = *used != 0 ? &runs[*used - 1] : NULL;

    if (last != NULL && last->address + last->pages * HV_PAGE_SIZE == m.n * HV_PAGE_SIZE)
        last->pages++;
    else
        runs[(*used)++] = (struct hv_dma_run){ .address = m.n * HV_PAGE_SIZE, .pages = 1 };
}

/* Records behind the first `ever` that are free again, the last of them freed last, go. */
static void forget_records(struct domain *d, uint32_t ever) {
    struct dma_table *t = d->resources->dma;

    while (t != NULL && t->pins.ever > ever && t->pins.free == t->pins.ever) {
        t->pins.free = *(const uint32_t *)(void *)dma_pin(t, t->pins.ever - 1);
        slots_shrink(d, &t->pins, sizeof(struct pin));
    }
    if (t == NULL || t->pins.ever != 0) return;
    frame_drop(d, d->resources->dma);
}

int64_t dma_map(struct domain *d, uint64_t device, gfn_t g, uint64_t count,
                struct hv_dma_run *runs) {
    uint32_t ever = d->resources->dma != NULL ? d->resources->dma->pins.ever : 0;
    mfn_t pinned[HV_MAX_DMA_PAGES];
    uint64_t used = 0;

    if (count == 0 || count > HV_MAX_DMA_PAGES) return -HV_EINVAL;
    for (uint64_t i = 0; i < count; i++) {
        int error = pin_page(d, device, (gfn_t){ g.n + i }, &pinned[i]);

        if (error != 0) {
            for (uint64_t k = 0; k < i; k++) unpin(d, find_pin(d, device, pinned[k]) - 1);
            forget_records(d, ever);
            return error;
        }
        add_to_runs(runs, &used, pinned[i]);
    }
    return (int64_t)used;
}

int64_t dma_unmap(struct domain *d, uint64_t device, uint64_t address, uint64_t count) {
    if (address % HV_PAGE_SIZE != 0 || count == 0 || count > HV_MAX_DMA_PAGES) return -HV_EINVAL;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t n = find_pin(d, device, (mfn_t){ address / HV_PAGE_SIZE + i });

        if (n == 0) return i != 0 ? (int64_t)i : -HV_EINVAL;
        unpin(d, n - 1);
    }
    return (int64_t)count;
}

/* ---- quarantine ---- */

void dma_quarantine(struct domain *owner, gfn_t g, struct domain *holder, struct window *w) {
    struct pin *p = dma_pin(holder->resources->dma, w->pin - 1);
    mfn_t old = w->mfn, new = p->reserve;

    BUG_ON(mfn_is_none(new));
    p->reserve = MFN_NONE;
    frame_transfer(old, owner, holder);
    frame_of(old)->state = FRAME_QUARANTINE;
    holder->quarantined++;
    bytes_copy(frame_va(new), frame_va(old), PAGE_SIZE);
    frame_transfer(new, holder, owner);
    frame_of(new)->state = FRAME_RAM;
    (void)p2m_set_ram(owner, g, new);
}

bool dma_reset_step(struct domain *d) {
    struct dma_table *t = d->resources != NULL ? d->resources->dma : NULL;

    if (t == NULL) return false;
    for (unsigned int i = 0; i < 128 && t->pins.ever != 0; i++) {
        uint32_t n = t->pins.ever - 1;

        if (dma_pin(t, n)->used) unpin(d, n);
        slots_shrink(d, &t->pins, sizeof(struct pin));
    }
    /* Then windows that were kept for their pins. */
    if (t->pins.ever != 0 || grant_windows_destroy_step(d)) return true;
    frame_drop(d, d->resources->dma);
    return false;
}
