/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The leaves of address spaces: map, unmap and protect, a page, a run and a batch at a time.
 *
 * Invariants, all under memory_lock:
 *  - every leaf of RAM, a window or a shared page is counted once in frame.maps of what it names; a
 *    window leaf also has its address in the window's record, and is that record's only one.
 *  - leaves are user, never global; not-present is all zero.
 *  - a right that is made smaller is counted in space.stale; what it named is stamped with the
 * epoch, so that it cannot be reused before every TLB has been flushed. space_flush makes it felt.
 */
#include "p2m.h"
#include "space_table.h"
#include "string.h"

/* ---- one leaf ---- */

/*
 * The record of a window leaf. The entry keeps the low bits of the window's index; at most 128
 * windows share them, and the record says exactly which one it is.
 */
static struct window *window_of_leaf(const struct space *s, uint64_t va, pte_t e) {
    const struct domain *d = s->domain;

    for (uint64_t n = pte_tag_of(e); n < d->window_pages; n += PTE_TAG_MASK + 1) {
        struct window *w = p2m_window_at(d, n);

        if (w->space == s && w->address == va) return w;
    }
    panic("BUG: a window leaf without its window");
}

static void forget_window(const struct space *s, uint64_t va, pte_t e) {
    window_of_leaf(s, va, e)->space = NULL;
}

/* Uncounts a leaf that was taken out of its table. */
static inline void leaf_put(struct space *s, uint64_t va, pte_t old) {
    pte_t kind = old & PTE_KIND;

    s->stale++;
    s->stale_at = va;
    if (kind == PTE_MMIO) return;
    if (kind == PTE_WINDOW) forget_window(s, va, old);
    frame_map_put(frame_of((mfn_t){ pte_frame(old) }));
}

/* 1. Only known rights, and at least one? 2. In the kernel half, not both write and execute? */
#define BITS(r)                                                                                    \
    [(r)] = PTE_PRESENT | PTE_USER | ((r)&HV_MAP_WRITE ? PTE_WRITE : 0) |                          \
            ((r)&HV_MAP_EXEC ? 0 : PTE_NX)
const pte_t leaf_bits[2][8] = {
    { BITS(1), BITS(2), BITS(3), BITS(4), BITS(5) },
    { BITS(1), BITS(2), BITS(3), BITS(4), BITS(5), BITS(6), BITS(7) },
};
#undef BITS

/* Rights as bits, or 0: refused. */
static inline pte_t right_bits(const struct space *s, uint64_t rights) {
    return rights < 8 ? s->bits[rights] : 0;
}

/*
 * Maps a page that is not RAM of the domain itself. 1. Does the GFN name something? 2. Does that
 * carry the rights? 3. A shared page: in the kernel half? 4. A window page: not mapped elsewhere?
 */
static int resolve_other(const struct space *s, uint64_t va, gfn_t g, uint64_t rights,
                         struct p2m_target *t) {
    int error = p2m_resolve(s->domain, g, t);

    if (error != 0) return error;
    if ((rights & ~(uint64_t)(t->rights | HV_MAP_READ)) != 0) return -HV_EINVAL;
    if (t->shared && s->id != 0) return -HV_EINVAL;
    if (t->window != NULL && t->window->space != NULL &&
        (t->window->space != s || t->window->address != va))
        return -HV_EBUSY;
    return 0;
}

static pte_t kind_bits(const struct p2m_target *t, gfn_t g) {
    if (t->mmio) return PTE_MMIO | PTE_UNCACHED;
    if (t->window != NULL) return PTE_WINDOW | pte_tag(g.n - HV_GFN_WINDOW);
    return t->shared ? PTE_SHARED : PTE_RAM;
}

/* Puts a leaf into its table and uncounts what was there. */
static inline void leaf_set(struct space *s, pte_t *table, uint64_t va, pte_t e) {
    pte_t old = __atomic_exchange_n(&table[pte_index(va, 1)], e, __ATOMIC_RELAXED);

    if (old != 0)
        leaf_put(s, va, old);
    else
        frame_of_table(table)->live++;
}

static __attribute__((noinline)) int map_other(struct space *s, uint64_t va, gfn_t g,
                                               uint64_t rights) {
    struct p2m_target t;
    pte_t *table;
    int error = resolve_other(s, va, g, rights, &t);

    if (error != 0) return error;
    table = leaf_table(s, va);
    if (table == NULL && (table = table_make(s, va)) == NULL) return -HV_ENOMEM;
    leaf_set(s, table, va, pte_make(t.mfn.n, right_bits(s, rights) | kind_bits(&t, g)));
    /* After leaf_set, which clears the record when the page was mapped here before. */
    if (t.window != NULL) {
        t.window->space = s;
        t.window->address = va;
    }
    if (!t.mmio) frame_map_get(frame_of(t.mfn));
    return 0;
}

static inline int map_page(struct space *s, uint64_t va, gfn_t g, uint64_t rights) {
    mfn_t m = p2m_ram(s->domain, g);
    struct frame *f;
    pte_t *table;

    if (__builtin_expect(mfn_is_none(m), 0)) return map_other(s, va, g, rights);
    f = frame_of(m);
    table = leaf_table(s, va);
    if (__builtin_expect(table == NULL, 0) && (table = table_make(s, va)) == NULL)
        return -HV_ENOMEM;
    leaf_set(s, table, va, pte_make(m.n, right_bits(s, rights) | PTE_RAM));
    frame_map_get(f);
    return 0;
}

/* ---- runs ---- */

int64_t space_map(struct space *s, const struct hv_map_run *run, uint64_t budget) {
    uint64_t n = run->count < budget ? run->count : budget;
    uint64_t va = run->address;

    if (right_bits(s, run->rights) == 0) return -HV_EINVAL;
    for (uint64_t i = 0; i < n; i++, va += PAGE_SIZE) {
        int error = map_page(s, va, (gfn_t){ run->gfn + i }, run->rights);

        if (__builtin_expect(error != 0, 0)) return i != 0 ? (int64_t)i : error;
    }
    return (int64_t)n;
}

/* A run of a batch, asked and mapped the general way; the P2M's leaf is remembered. */
static __attribute__((noinline)) int64_t map_run(struct space *s, const struct hv_map_run *run,
                                                 uint64_t budget) {
    const struct domain *d = s->domain;

    if (!space_range_ok(s, run->address, run->count)) return -HV_EINVAL;
    if (run->gfn < d->ram_pages) {
        s->ram_first = run->gfn & ~(uint64_t)511;
        s->ram = d->p2m_ram[(run->gfn >> 18) & 31][(run->gfn >> 9) & 511];
    }
    return space_map(s, run, budget);
}

/* Rotated by the page shift, an address that is not aligned, or below the first, is a large number.
 */
static inline uint64_t page_offset(uint64_t address, uint64_t first) {
    uint64_t offset = address - first;

    return offset >> PAGE_SHIFT | offset << (64 - PAGE_SHIFT);
}

typedef uint64_t __attribute__((may_alias)) word_t;

/* The general way for a batch, from `run` on, which was read from runs[i]. */
static __attribute__((noinline)) int64_t map_runs(struct space *s, const struct hv_map_run *runs,
                                                  uint64_t i, uint64_t count,
                                                  struct hv_map_run *run) {
    uint64_t pages = i;

    for (;;) {
        int64_t done = map_run(s, run, HV_MAX_MAP_PAGES - pages);

        if (done < 0) return pages != 0 ? (int64_t)pages : done;
        pages += (uint64_t)done;
        if ((uint64_t)done < run->count || pages == HV_MAX_MAP_PAGES || ++i == count)
            return (int64_t)pages;
        memcpy(run, &runs[i], sizeof(*run));
        compiler_barrier();
    }
}

/*
 * Maps runs by the shortest way, as long as each is the common case: one page of RAM, in the 2 MiB
 * and in the 512 GFNs that were used last, over a leaf of RAM. All that is asked of other runs is
 * asked here too: the remembered leaf table lies in the half that the space may map and has no page
 * that it may not (range, alignment); leaf_bits refuses rights; a P2M leaf has 0 in what is empty
 * or beyond the end. An entry that is no common case goes on, as it was read, the general way.
 */
static inline int64_t map_fast(struct space *s, const struct hv_map_run *runs, uint64_t count) {
    uint64_t i = 0;

    do {
        uint64_t address = READ_ONCE(runs[i].address), gfn = READ_ONCE(runs[i].gfn);
        uint64_t count_rights = READ_ONCE(*(const word_t *)&runs[i].count);
        uint64_t page = page_offset(address, s->leaf_first), g = gfn - s->ram_first;
        uint64_t rights = count_rights >> 32, m;
        pte_t bits, old;

        if (page >= s->leaf_pages || g >= 512 || (uint32_t)count_rights != 1 || rights >= 8 ||
            (bits = s->bits[rights]) == 0 || (m = s->ram[g]) == 0 ||
            ((old = s->leaf[page]) & PTE_RAM) == 0) {
            struct hv_map_run run = { address, gfn, (uint32_t)count_rights, (uint32_t)rights };

            return map_runs(s, runs, i, count, &run);
        }
        /* A plain store: of what the processor may have set since, nothing is kept. */
        s->leaf[page] = m << PAGE_SHIFT | bits | PTE_RAM;
        s->stale++;
        s->stale_at = address;
        frame_map_get(frame_of((mfn_t){ m }));
        frame_map_put(frame_of((mfn_t){ pte_frame(old) }));
    } while (++i < count);
    return (int64_t)i;
}

int64_t space_map_batch(struct space *s, const struct hv_map_run *runs, uint64_t count) {
    int64_t done;

    spin_lock(&memory_lock);
    done = map_fast(s, runs, count);
    space_flush(s);
    spin_unlock(&memory_lock);
    return done;
}

static inline void unmap_page(struct space *s, uint64_t va) {
    pte_t *table = leaf_table(s, va);
    pte_t old;

    if (table == NULL) return;
    old = __atomic_exchange_n(&table[pte_index(va, 1)], 0, __ATOMIC_RELAXED);
    if (old != 0) {
        struct frame *f = frame_of_table(table);

        leaf_put(s, va, old);
        f->live--;
        if (f->live == 0) table_prune(s, va);
    }
}

int64_t space_unmap(struct space *s, const struct hv_map_run *run, uint64_t budget) {
    uint64_t n = run->count < budget ? run->count : budget;

    for (uint64_t i = 0; i < n; i++) unmap_page(s, run->address + i * PAGE_SIZE);
    return (int64_t)n;
}

/* The rights that the frame behind a leaf carries. */
static uint64_t leaf_rights(const struct space *s, uint64_t va, pte_t e) {
    switch (e & PTE_KIND) {
    case PTE_RAM:
        return HV_MAP_READ | HV_MAP_WRITE | HV_MAP_EXEC;
    case PTE_WINDOW:
        return window_of_leaf(s, va, e)->rights | HV_MAP_READ;
    default:
        return HV_MAP_READ | HV_MAP_WRITE;
    }
}

static inline int protect_page(struct space *s, uint64_t va, uint64_t rights) {
    const pte_t changed = PTE_PRESENT | PTE_USER | PTE_WRITE | PTE_NX;
    pte_t *table = leaf_table(s, va);
    pte_t *e = table != NULL ? &table[pte_index(va, 1)] : NULL;

    if (e == NULL || *e == 0) return 0;
    if ((rights & ~leaf_rights(s, va, *e)) != 0) return -HV_EINVAL;
    *e = (*e & ~changed) | right_bits(s, rights);
    s->stale++;
    s->stale_at = va;
    return 0;
}

int64_t space_protect(struct space *s, const struct hv_map_run *run, uint64_t budget) {
    uint64_t n = run->count < budget ? run->count : budget;

    if (right_bits(s, run->rights) == 0) return -HV_EINVAL;
    for (uint64_t i = 0; i < n; i++) {
        int error = protect_page(s, run->address + i * PAGE_SIZE, run->rights);

        if (error != 0) return i != 0 ? (int64_t)i : error;
    }
    return (int64_t)n;
}

void space_zap(struct space *s, uint64_t address, mfn_t m) {
    BUG_ON(pte_frame(leaf_at(s, address)) != m.n);
    unmap_page(s, address);
}

/* ---- taking apart ---- */

bool table_clear_step(struct space *s, uint64_t end) {
    for (unsigned int i = 0; i < PTE_SLOTS && s->destroy_at < end; i++) {
        uint64_t skip = table_hole(s, s->destroy_at);

        if (skip == 0) {
            unmap_page(s, s->destroy_at << PAGE_SHIFT);
            skip = 1;
        }
        s->destroy_at += skip;
    }
    return s->destroy_at < end;
}
