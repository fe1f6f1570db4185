/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The P2M arrays of a domain, and the RAM frames that they hold, see p2m.h. memory_lock guards
 * them. Invariant: a frame in state RAM is in exactly one entry of one P2M, that of the domain
 * which it is charged to.
 */
#include "p2m.h"
#include "frame.h"
#include "resource.h"

STATIC_ASSERT(HV_MAX_RAM_PAGES >> 18 <= ARRAY_LEN(((struct domain *)0)->p2m_ram));

const uint64_t p2m_no_ram[512];

/* The pointer to the leaf of a GFN in range. */
static uint64_t **leaf_of(const struct domain *d, uint64_t g) {
    return &d->p2m_ram[g >> 18][(g >> 9) & 511];
}

static bool create_ram(struct domain *d, uint64_t pages) {
    for (uint64_t g = 0; g < pages; g += 512) {
        uint64_t ***top = &d->p2m_ram[g >> 18];

        if (*top == NULL && (*top = frame_meta(d)) == NULL) return false;
        *leaf_of(d, g) = (uint64_t *)(uintptr_t)p2m_no_ram;
    }
    return true;
}

static bool create_windows(struct domain *d, uint64_t pages) {
    if (pages != 0 && (d->windows = frame_meta(d)) == NULL) return false;
    for (uint64_t n = 0; n < pages; n += 64) {
        struct window ***middle = &d->windows[n >> 15];

        if (*middle == NULL && (*middle = frame_meta(d)) == NULL) return false;
        if (((*middle)[(n >> 6) & 511] = frame_meta(d)) == NULL) return false;
    }
    return true;
}

int p2m_create(struct domain *d, uint64_t ram_pages, uint64_t window_pages) {
    /* No look-up before all of both arrays is there. */
    d->ram_pages = d->window_pages = 0;
    if (!create_ram(d, ram_pages) || !create_windows(d, window_pages)) return -HV_ENOMEM;
    d->ram_pages = ram_pages;
    d->window_pages = window_pages;
    return 0;
}

/* ---- look-up ---- */

int p2m_set_ram(struct domain *d, gfn_t g, mfn_t m) {
    uint64_t **leaf, *made, old;

    BUG_ON(g.n >= d->ram_pages);
    leaf = leaf_of(d, g.n);
    if (*leaf == p2m_no_ram) {
        if ((made = frame_meta(d)) == NULL) return -HV_ENOMEM;
        *leaf = made;
    }
    old = (*leaf)[g.n & 511];
    (*leaf)[g.n & 511] = mfn_is_none(m) ? 0 : m.n;
    d->populated += (uint64_t)!mfn_is_none(m) - (old != 0);
    return 0;
}

struct window *p2m_window_find(struct domain *d, uint64_t n) {
    uint64_t first = n & ~(uint64_t)63;

    if (n >= d->window_pages) return NULL;
    d->window_frame = p2m_window_at(d, first);
    d->window_first = first;
    d->window_near = d->window_pages - first < 64 ? d->window_pages - first : 64;
    return p2m_window_at(d, n);
}

static int resolve_window(struct domain *d, gfn_t g, struct p2m_target *t) {
    struct window *w = p2m_window(d, g);

    if (w == NULL || w->rights == 0) return -HV_EINVAL;
    if (w->grant == NULL) return -HV_EFAULT;
    *t = (struct p2m_target){ .mfn = w->mfn, .rights = w->rights, .window = w };
    return 0;
}

static int resolve_shared(struct domain *d, gfn_t g, struct p2m_target *t) {
    uint64_t n = g.n - HV_GFN_SHARED;

    if (n >= HV_MAX_VCPUS || d->vcpu[n] == NULL) return -HV_EINVAL;
    *t = (struct p2m_target){ d->vcpu[n]->page_mfn, HV_MAP_READ | HV_MAP_WRITE, NULL, false, true };
    return 0;
}

int p2m_resolve(struct domain *d, gfn_t g, struct p2m_target *t) {
    mfn_t m = p2m_ram(d, g);

    if (!mfn_is_none(m)) {
        *t = (struct p2m_target){ .mfn = m, .rights = HV_MAP_READ | HV_MAP_WRITE | HV_MAP_EXEC };
        return 0;
    }
    if (g.n < HV_GFN_SHARED) return resolve_window(d, g, t);
    if (g.n < HV_GFN_MMIO) return resolve_shared(d, g, t);
    *t =
        (struct p2m_target){ { g.n - HV_GFN_MMIO }, HV_MAP_READ | HV_MAP_WRITE, NULL, true, false };
    return resource_holds_mmio(d, t->mfn.n) ? 0 : -HV_EPERM;
}

/* ---- populate and give back ---- */

static int populate_one(struct domain *d, gfn_t g) {
    mfn_t m;

    if (!mfn_is_none(p2m_ram(d, g))) return -HV_EINVAL;
    m = frame_alloc(d, FRAME_RAM);
    if (mfn_is_none(m)) return -HV_ENOMEM;
    if (p2m_set_ram(d, g, m) == 0) return 0;
    frame_free(d, m);
    return -HV_ENOMEM;
}

static int give_back_one(struct domain *d, gfn_t g) {
    mfn_t m = p2m_ram(d, g);
    const struct frame *f;

    if (mfn_is_none(m)) return -HV_EINVAL;
    f = frame_of(m);
    if (frame_maps(f) != 0 || f->grants != 0 || f->pins != 0 || f->holds != 0) return -HV_EBUSY;
    (void)p2m_set_ram(d, g, MFN_NONE);
    frame_free(d, m);
    return 0;
}

/* Pages done, or the error of the first. */
static inline int64_t each_page(struct domain *d, gfn_t g, uint64_t count,
                                int (*one)(struct domain *, gfn_t)) {
    uint64_t n = count < HV_MAX_POPULATE_PAGES ? count : HV_MAX_POPULATE_PAGES;

    if (count == 0 || g.n >= d->ram_pages || count > d->ram_pages - g.n) return -HV_EINVAL;
    for (uint64_t i = 0; i < n; i++) {
        int error = one(d, (gfn_t){ g.n + i });

        if (error != 0) return i != 0 ? (int64_t)i : error;
    }
    return (int64_t)n;
}

/* A leaf of the P2M in which nothing is gets a whole superframe. False: it cannot be had so. */
static bool populate_block(struct domain *d, uint64_t g) {
    const uint64_t *leaf = *leaf_of(d, g);
    mfn_t m;

    for (unsigned int i = 0; i < SUPERFRAME_PAGES; i++)
        if (leaf[i] != 0) return false;
    m = frame_alloc_block(d);
    if (mfn_is_none(m)) return false;
    for (unsigned int i = 0; i < SUPERFRAME_PAGES; i++)
        BUG_ON(p2m_set_ram(d, (gfn_t){ g + i }, (mfn_t){ m.n + i }) != 0);
    return true;
}

STATIC_ASSERT(HV_MAX_POPULATE_PAGES == SUPERFRAME_PAGES);

int64_t p2m_populate(struct domain *d, gfn_t g, uint64_t count) {
    if (count >= SUPERFRAME_PAGES && g.n % SUPERFRAME_PAGES == 0 && g.n < d->ram_pages &&
        count <= d->ram_pages - g.n && populate_block(d, g.n))
        return SUPERFRAME_PAGES;
    return each_page(d, g, count, populate_one);
}

int64_t p2m_give_back(struct domain *d, gfn_t g, uint64_t count) {
    return each_page(d, g, count, give_back_one);
}

/* ---- destroy ---- */

/* The last record that a frame of pointers holds, or -1. */
static int last_of(void *const *pointers) {
    int i = 511;

    while (i >= 0 && (pointers[i] == NULL || pointers[i] == p2m_no_ram)) i--;
    return i;
}

static void free_ram(struct domain *d, uint64_t *leaf) {
    for (unsigned int i = 0; i < 512; i++) {
        mfn_t m = { leaf[i] };

        if (m.n == 0) continue;
        leaf[i] = 0;
        /* The domain is dead and its spaces are gone. What still holds the frame is its own device.
         */
        if (frame_of(m)->pins != 0) {
            frame_of(m)->state = FRAME_QUARANTINE;
            d->quarantined++;
        } else {
            frame_free(d, m);
        }
    }
    frame_free(d, frame_mfn_of(leaf));
}

/* Frees one leaf of 512 entries, or one empty middle. */
static bool destroy_ram_step(struct domain *d) {
    for (unsigned int t = ARRAY_LEN(d->p2m_ram); t-- > 0;) {
        uint64_t **middle = d->p2m_ram[t];
        int i = middle != NULL ? last_of((void *const *)middle) : -1;

        if (middle == NULL) continue;
        if (i >= 0) {
            free_ram(d, middle[i]);
            middle[i] = NULL;
        } else {
            frame_drop(d, d->p2m_ram[t]);
        }
        return true;
    }
    return false;
}

/* The same for windows, whose leaves hold nothing any more: up to 64 of them. */
static bool destroy_windows_step(struct domain *d) {
    int t = d->windows != NULL ? last_of((void *const *)d->windows) : -1;
    int i = t >= 0 ? last_of((void *const *)d->windows[t]) : -1;

    /* One search for all: they were made without a gap. */
    for (int done = 0; i >= 0 && done < 64; done++, i--) frame_drop(d, d->windows[t][i]);
    if (t >= 0 && i < 0)
        frame_drop(d, d->windows[t]);
    else if (t < 0 && d->windows != NULL)
        frame_drop(d, d->windows);
    return d->windows != NULL;
}

bool p2m_destroy_step(struct domain *d) {
    d->ram_pages = 0;
    if (destroy_ram_step(d)) return true;
    /* Pinned windows are needed by their grants' owners until dma_reset_step has unpinned them. */
    if (dma_in_use(d)) return false;
    d->window_pages = d->window_near = 0;
    return destroy_windows_step(d);
}
