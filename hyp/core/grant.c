/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants and the windows that they are mapped into. memory_lock guards both.
 *
 *     owner                                    peer
 *     grant table                              windows (p2m.h)
 *     [slot] peer, gfn.., count ──window──>    [n] owner, ref, mfn, rights ──space, address──> leaf
 *            state, mapped         <──ref──    [n + 1] ...
 *
 * Invariants:
 *  - frame.grants of a frame is the number of live grants of its owner that cover it; while it is
 *    not zero the frame stays where it is in the owner's P2M.
 *  - mapped says that windows [window, window + count) of the peer name this grant, not revoked,
 * and each has the frame of the GFN at its place. A grant is in one window at a time.
 *  - each window page has at most one leaf, and knows it. So revoke finds everything that the peer
 *    can have: at most `count` leaves and the pins that hang on the window pages.
 *  - a frame that is pinned through a window is covered by one grant alone: whoever gets it back
 *    gets all of it back.
 *  - a reference is slot and generation; a slot's generation only grows, and a slot that has used
 *    its last one is retired, so that no reference ever means two grants.
 *
 * Owner and peer need not agree about anything for a revoke: it uses hyp's own records alone.
 */
#include "grant.h"
#include "event.h"
#include "guestmem.h"
#include "resource.h"
#include "space.h"

#define SLOT_MASK       (((uint64_t)1 << HV_GRANT_SLOT_BITS) - 1)
#define SLOTS_PER_FRAME 64u

/* Any domain that has not gone for good, dying ones too: root is above all of them. */
static struct domain *any_domain(uint64_t id) { return domain_for_control(domain_root, id); }

/* ---- the table ---- */

static struct grant *slot_at(const struct grant_table *t, uint64_t slot) {
    return &t->page[(slot / SLOTS_PER_FRAME) % ARRAY_LEN(t->page)][slot % SLOTS_PER_FRAME];
}

int grant_init_domain(struct domain *d) {
    d->grants = frame_meta(d);
    if (d->grants == NULL) return -HV_ENOMEM;
    return 0;
}

struct grant *grant_find(const struct domain *owner, uint64_t ref) {
    const struct grant_table *t = owner->grants;
    uint64_t slot = ref & SLOT_MASK;
    struct grant *g;

    if (t == NULL || slot >= t->used) return NULL;
    g = slot_at(t, slot);
    return g->state == GRANT_LIVE && g->generation == ref >> HV_GRANT_SLOT_BITS ? g : NULL;
}

/* A free slot, or -HV_ENOSPC, -HV_ENOMEM. It stays free until the caller fills it. */
static int64_t slot_alloc(struct domain *d) {
    struct grant_table *t = d->grants;
    uint32_t page = t->used / SLOTS_PER_FRAME;

    if (t->free != 0) {
        uint32_t slot = t->free - 1;

        t->free = slot_at(t, slot)->next;
        return slot;
    }
    if (t->used == HV_MAX_GRANTS) return -HV_ENOSPC;
    if (t->page[page] == NULL && (t->page[page] = frame_meta(d)) == NULL) return -HV_ENOMEM;
    return t->used++;
}

static void slot_free(struct domain *d, struct grant *g, uint64_t slot) {
    g->mapped = 0;
    if (g->generation == GRANT_GENERATION_MAX) {
        g->state = GRANT_RETIRED;
        return;
    }
    g->state = GRANT_FREE;
    g->next = (uint16_t)d->grants->free;
    d->grants->free = (uint32_t)slot + 1;
}

/* ---- create ---- */

/* 1. Populated RAM? 2. Not pinned through another grant (see the invariants)? */
static int may_grant(const struct domain *d, gfn_t g) {
    mfn_t m = p2m_ram(d, g);
    const struct frame *f;

    if (mfn_is_none(m)) return -HV_EINVAL;
    f = frame_of(m);
    return f->pins != 0 && f->grants != 0 ? -HV_EBUSY : 0;
}

static int check_create(const struct domain *d, uint64_t peer, gfn_t g, uint64_t count,
                        uint64_t rights) {
    if (count == 0 || count > HV_MAX_GRANT_PAGES) return -HV_EINVAL;
    if (rights != HV_MAP_READ && rights != (HV_MAP_READ | HV_MAP_WRITE)) return -HV_EINVAL;
    if (peer == d->id || domain_find(peer) == NULL) return -HV_EINVAL;
    for (uint64_t i = 0; i < count; i++) {
        int error = may_grant(d, (gfn_t){ g.n + i });

        if (error != 0) return error;
    }
    return 0;
}

int64_t grant_create(struct domain *d, uint64_t peer, gfn_t g, uint64_t count, uint64_t rights) {
    int64_t slot = check_create(d, peer, g, count, rights);
    struct grant *grant;

    if (slot == 0) slot = slot_alloc(d);
    if (slot < 0) return slot;
    grant = slot_at(d->grants, (uint64_t)slot);
    *grant = (struct grant){ .generation = grant->generation + 1,
                             .peer = peer,
                             .gfn = g.n,
                             .count = (uint32_t)count,
                             .rights = (uint32_t)rights,
                             .state = GRANT_LIVE };
    for (uint64_t i = 0; i < count; i++) frame_of(p2m_ram(d, (gfn_t){ g.n + i }))->grants++;
    return (int64_t)(grant->generation << HV_GRANT_SLOT_BITS | (uint64_t)slot);
}

/* ---- end and revoke ---- */

/* Pins that were made through a window page. */
static uint32_t window_pins(const struct domain *holder, const struct window *w) {
    uint32_t count = 0;

    for (uint32_t p = w->pin; p != 0; p = dma_pin(holder->resources->dma, p - 1)->next_window)
        count++;
    return count;
}

/* A pinned frame is replaced: is the peer's leaf the only one, and are its pins all there are? */
static bool only_the_peers(const struct domain *holder, const struct window *w) {
    const struct frame *f = frame_of(w->mfn);

    return f->maps == (w->space != NULL) && f->holds == 0 && f->pins == window_pins(holder, w);
}

static bool may_revoke(const struct grant *g, const struct domain *holder) {
    for (uint32_t i = 0; i < g->count; i++) {
        const struct window *w = p2m_window_at(holder, g->window + i);

        if (w->pin != 0 && !only_the_peers(holder, w)) return false;
    }
    return true;
}

/* Takes all leaves of the window away; when it returns no TLB has them. */
static void zap_window(struct domain *holder, const struct grant *g) {
    struct space *last = NULL;

    for (uint32_t i = 0; i < g->count; i++) {
        struct window *w = p2m_window_at(holder, g->window + i);
        struct space *s = w->space;

        w->revoked = 1;
        if (s == NULL) continue;
        if (last != NULL && last != s) space_flush(last);
        last = s;
        space_zap(s, w->address, w->mfn);
    }
    if (last != NULL) space_flush(last);
}

/* Uncounts the grant's frames; those that a device of the peer still has are replaced. */
static void release_frames(struct domain *d, const struct grant *g, struct domain *holder) {
    for (uint32_t i = 0; i < g->count; i++) {
        gfn_t at = { g->gfn + i };
        struct window *w = holder != NULL ? p2m_window_at(holder, g->window + i) : NULL;

        frame_of(p2m_ram(d, at))->grants--;
        if (w != NULL && w->pin != 0) dma_quarantine(d, at, holder, w);
    }
}

static int end_slot(struct domain *d, struct grant *g, uint64_t slot, bool force) {
    struct domain *holder = NULL;
    uint32_t port = 0;

    if (g->mapped) {
        if (!force) return -HV_EBUSY;
        holder = any_domain(g->peer);
        BUG_ON(holder == NULL);
        if (domain_alive(d) && !may_revoke(g, holder)) return -HV_EBUSY;
        port = p2m_window_at(holder, g->window)->port;
        zap_window(holder, g);
    }
    release_frames(d, g, holder);
    slot_free(d, g, slot);
    if (holder != NULL && domain_alive(holder)) event_raise(holder, port);
    return 0;
}

int grant_end(struct domain *d, uint64_t ref, bool force) {
    struct grant *g = grant_find(d, ref);

    return g != NULL ? end_slot(d, g, ref & SLOT_MASK, force) : -HV_EINVAL;
}

/* ---- map and unmap ---- */

/* Are windows [first, first + count) in range and free? */
static bool windows_free(const struct domain *d, uint64_t first, uint64_t count) {
    if (first >= d->window_pages || count > d->window_pages - first) return false;
    for (uint64_t i = 0; i < count; i++)
        if (p2m_window_at(d, first + i)->ref != 0) return false;
    return true;
}

static void fill_windows(struct domain *d, const struct domain *owner, const struct grant *g,
                         const struct hv_grant_map *m) {
    uint32_t first = (uint32_t)(m->window - HV_GFN_WINDOW);

    for (uint32_t i = 0; i < g->count; i++) {
        *p2m_window_at(d, first + i) =
            (struct window){ .mfn = p2m_ram(owner, (gfn_t){ g->gfn + i }),
                             .owner = owner->id,
                             .ref = m->ref,
                             .rights = m->rights,
                             .port = m->port,
                             .first = first,
                             .pages = i == 0 ? g->count : 0 };
    }
}

/* 1. Rights that exist? 2. The owner lives? 3. A grant of it, made for us? 4. Are its rights
 * enough?
 * 5. Not mapped yet? 6. Windows in range and free? 7. A port of ours? */
int64_t grant_map(struct domain *d, const struct hv_grant_map *m) {
    struct domain *owner = domain_find(m->owner);
    struct grant *g;

    if (m->rights != HV_MAP_READ && m->rights != (HV_MAP_READ | HV_MAP_WRITE)) return -HV_EINVAL;
    if (owner == NULL) return -HV_EDEAD;
    g = grant_find(owner, m->ref);
    if (g == NULL || g->peer != d->id || (m->rights & ~g->rights) != 0) return -HV_EINVAL;
    if (g->mapped) return -HV_EBUSY;
    if (!windows_free(d, m->window - HV_GFN_WINDOW, g->count) || !event_port_usable(d, m->port))
        return -HV_EINVAL;
    fill_windows(d, owner, g, m);
    g->window = (uint32_t)(m->window - HV_GFN_WINDOW);
    g->mapped = 1;
    return g->count;
}

void grant_release_window(struct domain *d, struct window *first) {
    uint32_t at = first->first, pages = first->pages;

    if (!first->revoked) {
        struct domain *owner = any_domain(first->owner);
        struct grant *g = owner != NULL ? grant_find(owner, first->ref) : NULL;

        BUG_ON(g == NULL || !g->mapped);
        g->mapped = 0;
    }
    for (uint32_t i = 0; i < pages; i++) *p2m_window_at(d, at + i) = (struct window){ .ref = 0 };
}

static bool window_idle(const struct domain *d, const struct window *first) {
    for (uint32_t i = 0; i < first->pages; i++) {
        const struct window *w = p2m_window_at(d, first->first + i);

        if (w->space != NULL || w->pin != 0) return false;
    }
    return true;
}

int64_t grant_unmap(struct domain *d, gfn_t window) {
    struct window *w = p2m_window(d, window);
    int64_t pages;

    /* Only the first page of a window that is taken has a number of pages. */
    if (w == NULL || w->pages == 0) return -HV_EINVAL;
    if (!window_idle(d, w)) return -HV_EBUSY;
    pages = w->pages;
    grant_release_window(d, w);
    return pages;
}

/* ---- copy ---- */

/* 1. Known flags, 1..4096 bytes? 2. Grant for us, with the right? 3. Inside one page of it? */
static int find_copy(const struct domain *d, const struct hv_grant_copy *c, void **remote) {
    bool write = c->flags == HV_GRANT_COPY_TO_PEER;
    struct domain *owner = domain_find(c->owner);
    uint64_t page = c->offset >> PAGE_SHIFT, offset = c->offset & PAGE_MASK;
    const struct grant *g;

    if (c->flags > HV_GRANT_COPY_TO_PEER || c->bytes == 0 || c->bytes > PAGE_SIZE - offset)
        return -HV_EINVAL;
    if (owner == NULL) return -HV_EDEAD;
    g = grant_find(owner, c->ref);
    if (g == NULL || g->peer != d->id || page >= g->count) return -HV_EINVAL;
    if (write && (g->rights & HV_MAP_WRITE) == 0) return -HV_EINVAL;
    *remote = (uint8_t *)frame_va(p2m_ram(owner, (gfn_t){ g->gfn + page })) + offset;
    return 0;
}

int grant_copy(struct domain *d, const struct hv_grant_copy *c) {
    gpa_t local = { c->gpa };
    void *remote;
    int error = find_copy(d, c, &remote);

    if (error != 0) return error;
    if (c->flags == HV_GRANT_COPY_TO_PEER) return guest_copy_in(d, remote, local, c->bytes);
    return guest_copy_out(d, local, remote, c->bytes);
}

/* ---- destroy ---- */

/* Takes the last slot of the table away; with the first one of a frame, the frame. */
static void drop_last_slot(struct domain *d) {
    struct grant_table *t = d->grants;
    uint32_t slot = --t->used;
    struct grant *g = slot_at(t, slot);

    if (g->state == GRANT_LIVE) end_slot(d, g, slot, true);
    if (slot % SLOTS_PER_FRAME == 0) {
        frame_free(d, frame_mfn_of(g));
        t->page[slot / SLOTS_PER_FRAME] = NULL;
    }
}

bool grant_destroy_step(struct domain *d) {
    struct grant_table *t = d->grants;

    if (t == NULL) return false;
    for (unsigned int i = 0; i < SLOTS_PER_FRAME && t->used != 0; i++) {
        bool live = slot_at(t, t->used - 1)->state == GRANT_LIVE;

        drop_last_slot(d);
        if (live) return true; /* up to 512 pages */
    }
    if (t->used != 0) return true;
    frame_free(d, frame_mfn_of(t));
    d->grants = NULL;
    return false;
}

bool grant_windows_destroy_step(struct domain *d) {
    uint64_t end = d->windows_at + 512;

    while (d->windows_at < d->window_pages && d->windows_at < end) {
        struct window *w = p2m_window_at(d, d->windows_at);
        uint32_t pages = w->pages != 0 ? w->pages : 1;

        if (w->ref != 0 && window_idle(d, w)) grant_release_window(d, w);
        d->windows_at += pages;
    }
    if (d->windows_at < d->window_pages) return true;
    d->windows_at = 0;
    return false;
}
