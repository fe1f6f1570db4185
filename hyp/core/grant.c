/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants and the windows that they are mapped into. memory_lock guards both.
 *
 *     owner                                    peer
 *     grant slots                              windows (p2m.h)
 *     [slot] peer, gfn.., count ──window──>    [n] grant, mfn, rights ──space, address──> leaf
 *            holder             <──grant──     [n + 1] ...
 *
 * Invariants:
 *  - frame.grants of a frame is the number of live grants of its owner that cover it; while it is
 *    not zero the frame stays where it is in the owner's P2M.
 *  - holder is not NULL while windows [window, window + count) of it name this grant, and each
 *    has the frame of the GFN at its place. A grant is in one window at a time; it ends before its
 *    owner goes, and its window is released before its holder goes, so that neither name dangles.
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

#define SLOT_MASK (((uint64_t)1 << HV_GRANT_SLOT_BITS) - 1)

/* ---- the table ---- */

static struct grant *grant_at(const struct domain *owner, uint64_t slot) {
    return slot_at(owner->grants, slot, sizeof(struct grant));
}

int grant_init_domain(struct domain *d) {
    d->grants = frame_meta(d);
    return d->grants == NULL ? -HV_ENOMEM : 0;
}

struct grant *grant_find(const struct domain *owner, uint64_t ref) {
    uint64_t slot = ref & SLOT_MASK;
    struct grant *g;

    if (owner->grants == NULL || slot >= owner->grants->ever) return NULL;
    g = grant_at(owner, slot);
    return g->count != 0 && g->generation == ref >> HV_GRANT_SLOT_BITS ? g : NULL;
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

    if (slot == 0) slot = slot_alloc(d, d->grants, sizeof(*grant));
    if (slot < 0) return slot;
    grant = grant_at(d, (uint64_t)slot);
    *grant = (struct grant){ .count = (uint32_t)count,
                             .generation = grant->generation + 1,
                             .peer = peer,
                             .gfn = g.n,
                             .rights = (uint32_t)rights };
    for (uint64_t i = 0; i < count; i++) frame_of(p2m_ram(d, (gfn_t){ g.n + i }))->grants++;
    return (int64_t)(grant->generation << HV_GRANT_SLOT_BITS | (uint64_t)slot);
}

/* ---- end and revoke ---- */

/* Page i of the window that the grant is in. */
static struct window *window_of(const struct grant *g, uint32_t i) {
    return p2m_window_at(g->holder, g->window + i);
}

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

static bool may_revoke(const struct grant *g) {
    for (uint32_t i = 0; i < g->count; i++) {
        const struct window *w = window_of(g, i);

        if (w->pin != 0 && !only_the_peers(g->holder, w)) return false;
    }
    return true;
}

/* Takes all leaves of the window away; when it returns no TLB has them. */
static void zap_window(const struct grant *g) {
    struct space *last = NULL;

    for (uint32_t i = 0; i < g->count; i++) {
        struct window *w = window_of(g, i);
        struct space *s = w->space;

        w->grant = NULL;
        if (s == NULL) continue;
        if (last != NULL && last != s) space_flush(last);
        last = s;
        space_zap(s, w->address, w->mfn);
    }
    if (last != NULL) space_flush(last);
}

/* Uncounts the grant's frames; those that a device of the peer still has are replaced. */
static void release_frames(struct domain *d, const struct grant *g) {
    for (uint32_t i = 0; i < g->count; i++) {
        gfn_t at = { g->gfn + i };
        struct window *w = g->holder != NULL ? window_of(g, i) : NULL;

        frame_of(p2m_ram(d, at))->grants--;
        if (w != NULL && w->pin != 0) dma_quarantine(d, at, g->holder, w);
    }
}

/* A slot that has used its last generation is not free again. */
static int end_slot(struct domain *d, struct grant *g, uint64_t slot, bool force) {
    struct domain *holder = g->holder;

    if (holder != NULL) {
        if (!force || (domain_alive(d) && !may_revoke(g))) return -HV_EBUSY;
        zap_window(g);
    }
    release_frames(d, g);
    g->count = 0;
    if (g->generation != GRANT_GENERATION_MAX) slot_free(d->grants, (uint32_t)slot, sizeof(*g));
    if (holder != NULL && domain_alive(holder)) event_raise(holder, window_of(g, 0)->port);
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
        if (p2m_window_at(d, first + i)->rights != 0) return false;
    return true;
}

static void fill_windows(struct domain *d, const struct domain *owner, struct grant *g,
                         const struct hv_grant_map *m) {
    uint32_t first = (uint32_t)(m->window - HV_GFN_WINDOW);

    for (uint32_t i = 0; i < g->count; i++)
        *p2m_window_at(d, first + i) =
            (struct window){ .mfn = p2m_ram(owner, (gfn_t){ g->gfn + i }),
                             .grant = g,
                             .rights = m->rights,
                             .port = m->port,
                             .first = first,
                             .pages = i == 0 ? (uint16_t)g->count : 0 };
    g->holder = d;
    g->window = first;
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
    if (g->holder != NULL) return -HV_EBUSY;
    if (!windows_free(d, m->window - HV_GFN_WINDOW, g->count) || !event_port_usable(d, m->port))
        return -HV_EINVAL;
    fill_windows(d, owner, g, m);
    return g->count;
}

/* Forgets a window that nothing maps or pins any more; tells its grant. */
static void release_window(struct domain *d, const struct window *w) {
    uint32_t at = w->first, pages = w->pages;

    if (w->grant != NULL) w->grant->holder = NULL;
    for (uint32_t i = 0; i < pages; i++) *p2m_window_at(d, at + i) = (struct window){ .rights = 0 };
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
    release_window(d, w);
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

bool grant_destroy_step(struct domain *d) {
    struct slots *t = d->grants;
    bool live = false;

    if (t == NULL) return false;
    for (unsigned int i = 0; i < 64 && t->ever != 0 && !live;
         i++) { /* a live one: up to 512 pages */
        struct grant *g = grant_at(d, t->ever - 1);

        live = g->count != 0;
        if (live) end_slot(d, g, t->ever - 1, true);
        slots_shrink(d, t, sizeof(*g));
    }
    if (t->ever != 0) return true;
    frame_free(d, frame_mfn_of(t));
    d->grants = NULL;
    return false;
}

bool grant_windows_destroy_step(struct domain *d) {
    uint64_t end = d->windows_at + 512;

    while (d->windows_at < d->window_pages && d->windows_at < end) {
        struct window *w = p2m_window_at(d, d->windows_at);
        uint32_t pages = w->pages != 0 ? w->pages : 1;

        if (w->rights != 0 && window_idle(d, w)) release_window(d, w);
        d->windows_at += pages;
    }
    if (d->windows_at < d->window_pages) return true;
    d->windows_at = 0;
    return false;
}
