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
#include "space_table.h"

/* What is given makes n pages of the entry at e, or an error. Entries until one fails, or until so
 * many pages are done that one more grant could pass 1,024. */
#define EACH(...)                                                                                  \
    do {                                                                                           \
        const __typeof__(*entries) *e = entries, *end = e + count;                                 \
        int64_t pages = 0, n;                                                                      \
                                                                                                   \
        do {                                                                                       \
            __VA_ARGS__;                                                                           \
            if (__builtin_expect(n < 0, 0)) return e != entries ? e - entries : n;                 \
            pages += n;                                                                            \
        } while (++e != end && pages <= HV_MAX_GRANT_PAGES);                                       \
        return e - entries;                                                                        \
    } while (0)

/* ---- the table ---- */

static struct grant *grant_at(const struct domain *owner, uint64_t slot) {
    return slot_at(owner->grants, slot, sizeof(struct grant));
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
                             .rights = (uint32_t)rights,
                             .first = p2m_ram(d, g) };
    for (uint64_t i = 0; i < count; i++) frame_of(p2m_ram(d, (gfn_t){ g.n + i }))->grants++;
    return (int64_t)(grant->generation << HV_GRANT_SLOT_BITS | (uint64_t)slot);
}

/* ---- windows ---- */

/*
 * What the loops over a window do: `w` is window page n, the first of `count`. (A loop that begins
 * with a page that is at hand costs one look-up less, and most windows have one page.)
 */
#define EACH_PAGE(w, ...)                                                                          \
    do {                                                                                           \
        uint64_t i = 0;                                                                            \
                                                                                                   \
        do {                                                                                       \
            __VA_ARGS__                                                                            \
        } while (__builtin_expect(++i < count, 0) && (w = p2m_window_at(d, n + i)) != NULL);       \
    } while (0)

/* Takes all leaves of a window away; when the call is over no TLB has them. */
static inline void zap_window(const struct domain *d, struct window *w, uint64_t n,
                              uint64_t count) {
    struct space *last = NULL;

    EACH_PAGE(w, {
        struct space *s = w->space;

        if (s == NULL) continue;
        if (last != NULL && last != s) space_flush(last);
        last = s;
        window_zap(w);
    });
    if (last != NULL) space_flush(last);
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
static inline bool only_the_peers(const struct domain *holder, const struct window *w) {
    const struct frame *f = frame_of(w->mfn);

    return frame_maps(f) == (w->space != NULL) && f->holds == 0 &&
           f->pins == window_pins(holder, w);
}

static bool may_revoke(const struct domain *d, const struct window *w, uint64_t n, uint64_t count) {
    EACH_PAGE(w, if (w->pin != 0 && !only_the_peers(d, w)) return false;);
    return true;
}

/* A slot that has used its last generation is not free again. */
static int end_slot(struct domain *d, struct grant *g, uint64_t slot, bool force) {
    struct domain *holder = g->holder;
    struct window *first = holder != NULL ? p2m_window_at(holder, g->window) : NULL;

    if (first != NULL) {
        if (!force || (domain_alive(d) && !may_revoke(holder, first, g->window, g->count)))
            return -HV_EBUSY;
        zap_window(holder, first, g->window, g->count);
    }
    for (uint64_t i = 0; i < g->count; i++) {
        gfn_t at = { g->gfn + i };
        struct window *w = first != NULL ? p2m_window_at(holder, g->window + i) : NULL;

        frame_of(p2m_ram(d, at))->grants--;
        if (w == NULL) continue;
        w->grant = NULL;
        if (w->pin != 0) dma_quarantine(d, at, holder, w);
    }
    g->count = 0;
    /* The peer may be in the middle of a call that copies by its window, or of an unmap whose flush
     * is not done yet on all pCPUs. */
    if (cpu_count > 1) epoch_ask(EPOCH_ALL);
    if (g->generation != GRANT_GENERATION_MAX) slot_free(d->grants, (uint32_t)slot, sizeof(*g));
    ASSERT(this_cpu()->late_port == 0);
    if (first != NULL) this_cpu()->late_domain = holder->id, this_cpu()->late_port = first->port;
    return 0;
}

/* The holder may have ended meanwhile. */
static int64_t tell(struct cpu *c, int64_t result) {
    struct domain *holder = domain_find(c->late_domain);

    if (holder != NULL) event_raise(holder, (uint32_t)c->late_port);
    c->late_port = 0;
    return result;
}

int64_t grant_tell(int64_t result) {
    struct cpu *c = this_cpu();

    return c->late_port == 0 ? result : WITH_LOCK(&memory_lock, tell(c, result));
}

int grant_end(struct domain *d, uint64_t ref, bool force) {
    struct grant *g = grant_find(d, ref);

    return g != NULL ? end_slot(d, g, ref & GRANT_SLOT_MASK, force) : -HV_EINVAL;
}

/* ---- map and unmap ---- */

static inline bool windows_free(const struct domain *d, const struct window *w, uint64_t n,
                                uint64_t count) {
    if (w == NULL || (count > 1 && count > d->window_pages - n)) return false;
    EACH_PAGE(w, if (w->rights != 0) return false;);
    return true;
}

/* Forgets a window, and the leaves it has; tells its grant. Returns its pages, or -HV_EBUSY: a
 * device has one of them. */
static inline __attribute__((always_inline)) int64_t
release_window(struct domain *d, struct window *first, uint64_t n) {
    uint64_t count = first->pages;
    struct window *w = first;

    EACH_PAGE(w, if (w->pin != 0) return -HV_EBUSY;);
    zap_window(d, first, n, count);
    if (first->grant != NULL)
        first->grant->holder = NULL;
    else if (cpu_count > 1)
        epoch_ask(EPOCH_ALL); /* whoever revoked it may not have waited yet */
    w = first, first->pages = 0;
    EACH_PAGE(w, w->grant = NULL; w->rights = 0;);
    return (int64_t)count;
}

/* Maps a window in space 0 the general way; when that cannot be done it is released. Its pages, or
 * the error. */
static __attribute__((noinline)) int64_t map_window(struct domain *d, struct window *w, uint64_t n,
                                                    uint64_t address) {
    const struct hv_map_run run = { address, HV_GFN_WINDOW + n, w->pages, w->rights };
    int64_t done = space_map(d->spaces[0], &run, run.count);

    if (done == run.count) return done;
    release_window(d, w, n);
    return done < 0 ? done : -HV_ENOMEM;
}

/* What a batch has found and need not look for again: nothing dies while it runs. */
struct found {
    uint64_t port; /* of ours */
    uint64_t id;   /* of the owner */
    struct domain *owner;
};

/* 1. A port of ours? 2. The owner lives? 3. A grant of it, made for us? 4. Are its rights enough,
 * and is there the one to read among those asked for? 5. Not mapped yet? 6. Windows in range and
 * free? Each word of the entry is read once, when it is asked about. */
static inline int64_t map_one(struct domain *d, const struct hv_grant_map *e, struct found *f) {
    uint64_t port = READ_ONCE(e->port), id = READ_ONCE(e->owner), n, count, address;
    uint32_t rights;
    struct window *w, *first;
    struct grant *g;

    if (port != f->port && event_port(d, port) == NULL) return -HV_EINVAL;
    f->port = port;
    if (id != f->id) f->owner = domain_find(id);
    if (f->owner == NULL) return -HV_EDEAD;
    f->id = id;
    g = grant_find(f->owner, READ_ONCE(e->ref));
    rights = READ_ONCE(e->rights);
    if (g == NULL || g->peer != d->id || (rights & ~g->rights) != 0 || (rights & HV_MAP_READ) == 0)
        return -HV_EINVAL;
    if (g->holder != NULL) return -HV_EBUSY;
    count = g->count;
    if (READ_ONCE(e->count) != count) return -HV_EINVAL;
    n = READ_ONCE(e->window) - HV_GFN_WINDOW;
    w = p2m_window(d, (gfn_t){ HV_GFN_WINDOW + n });
    if (!windows_free(d, w, n, count)) return -HV_EINVAL;
    g->holder = d;
    g->window = (uint32_t)n;
    first = w;
    w->pages = (uint16_t)count;
    w->mfn = g->first;
    EACH_PAGE(w, {
        if (i != 0) w->mfn.n = p2m_ram_word(f->owner, g->gfn + i);
        w->grant = g;
        w->port = (uint32_t)port;
        w->rights = rights;
    });
    address = READ_ONCE(e->address);
    if (address == 0 || (count == 1 && window_map(d->spaces[0], address, first, n)))
        return (int64_t)count;
    return map_window(d, first, n, address);
}

static inline int64_t map_entries(struct domain *d, const struct hv_grant_map *entries,
                                  uint64_t count) {
    struct found f = { .port = UINT64_MAX, .id = HV_SELF };

    EACH(n = map_one(d, e, &f));
}

int64_t grant_map(struct domain *d, const struct hv_grant_map *entries, uint64_t count) {
    int64_t done = map_entries(d, entries, count);

    space_flush(d->spaces[0]);
    return done;
}

int64_t grant_unmap(struct domain *d, const uint64_t *entries, uint64_t count) {
    EACH({
        uint64_t gfn = READ_ONCE(*e);
        struct window *w = p2m_window(d, (gfn_t){ gfn });

        /* Only the first page of a window that is taken has a number of pages. */
        n = w == NULL || w->pages == 0 ? -HV_EINVAL : release_window(d, w, gfn - HV_GFN_WINDOW);
    });
}

/* ---- copy ---- */

/* 1. Known flags, 1..4096 bytes in one page? 2. The owner lives? 3. A grant of it, made for us,
 * that has this page? 4. With the right? 5. Own memory that may be used so? */
static inline int64_t copy_one(struct domain *d, const struct hv_grant_copy *c) {
    bool write = c->flags == HV_GRANT_COPY_TO_PEER;
    uint64_t page = c->offset >> PAGE_SHIFT, offset = c->offset & PAGE_MASK;
    const struct domain *owner = domain_find(c->owner);
    const struct grant *g;
    uint8_t *remote, *local;

    if (c->flags > HV_GRANT_COPY_TO_PEER || c->bytes - 1 >= PAGE_SIZE - offset) return -HV_EINVAL;
    if (owner == NULL) return -HV_EDEAD;
    g = grant_find(owner, c->ref);
    if (g == NULL || g->peer != d->id || page >= g->count || (write && g->rights == HV_MAP_READ))
        return -HV_EINVAL;
    local = guest_page_locked(d, (gpa_t){ c->gpa }, c->bytes, !write);
    if (local == NULL) return -HV_EFAULT;
    remote = frame_direct + (p2m_ram_word(owner, g->gfn + page) << PAGE_SHIFT) + offset;
    guest_copy(write ? remote : local, write ? local : remote, c->bytes);
    return 1;
}

int64_t grant_copy(struct domain *d, const struct hv_grant_copy *entries, uint64_t count) {
    EACH(n = copy_one(d, e));
}

/* ---- destroy ---- */

bool grant_destroy_step(struct domain *d) {
    struct slots *t = d->grants;
    bool live = false;

    if (t == NULL) return false;
    /* A live one alone: it has up to 512 pages. */
    for (unsigned int i = 0; i < 64 && t->ever != 0 && !live; i++) {
        struct grant *g = grant_at(d, t->ever - 1);

        live = g->count != 0;
        if (live) end_slot(d, g, t->ever - 1, true);
        slots_shrink(d, t, sizeof(*g));
    }
    if (t->ever != 0) return true;
    frame_drop(d, d->grants);
    return false;
}

bool grant_windows_destroy_step(struct domain *d) {
    uint64_t end = d->windows_at + 512;

    while (d->windows_at < d->window_pages && d->windows_at < end) {
        struct window *w = p2m_window_at(d, d->windows_at);
        uint32_t pages = w->pages != 0 ? w->pages : 1;

        if (w->rights != 0) release_window(d, w, d->windows_at);
        d->windows_at += pages;
    }
    if (d->windows_at < d->window_pages) return true;
    d->windows_at = 0;
    return false;
}
