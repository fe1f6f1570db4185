/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The leaves of address spaces: map, unmap, protect, copy and query. Each goes by stretches, pages
 * that share a leaf table: the table is found, and its count written, once for all of them.
 *
 * Invariants, all under memory_lock:
 *  - every leaf of RAM, a window or a shared page is counted once in frame.maps of what it names, a
 *    large one, which is RAM, in superframe.maps; a window leaf also has its address in the
 * window's record, and is that record's only one.
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
static inline struct window *window_of_leaf(const struct space *s, uint64_t va, pte_t e) {
    uint64_t n = pte_tag_of(e);
    struct window *w;

    while ((w = p2m_window(s->domain, (gfn_t){ HV_GFN_WINDOW + n })) != NULL) {
        if (w->space == s && w->address == va) return w;
        n += PTE_TAG_MASK + 1;
    }
    panic("BUG: a window leaf without its window");
}

/* Uncounts a leaf that is not RAM of the domain itself, of the page `i` pages behind `va`. */
static __attribute__((noinline)) void put_other(const struct space *s, uint64_t va, uint64_t i,
                                                pte_t old) {
    pte_t kind = old & PTE_KIND;

    if (kind == PTE_MMIO) return;
    if (kind == PTE_WINDOW) window_of_leaf(s, va + (i << PAGE_SHIFT), old)->space = NULL;
    frame_map_put(frame_of_entry(frame_table, old));
}

/* Uncounts a leaf that was taken out of its table; of which page, as above. */
static inline void leaf_put(const struct space *s, uint64_t va, uint64_t i, pte_t old) {
    if (__builtin_expect((old & PTE_RAM) != 0, 1))
        frame_map_put(frame_of_entry(frame_table, old));
    else
        put_other(s, va, i, old);
}

/* Counts leaves that had a right, among `n` pages at `va`, which space_flush is to make felt. Which
 * of several pages it was is not kept: the whole TLB goes. */
static inline void count_stale(struct space *s, uint64_t leaves, uint64_t n, uint64_t va) {
    if (leaves == 0) return;
    s->stale += n == 1 ? 1 : 2;
    s->stale_at = va;
}

/* 1. Only known rights, and at least one? 2. In the kernel half, not both write and execute? */
#define BITS(r)                                                                                    \
    [(r)] = PTE_RAM | PTE_PRESENT | PTE_USER | ((r)&HV_MAP_WRITE ? PTE_WRITE : 0) |                \
            ((r)&HV_MAP_EXEC ? 0 : PTE_NX)
const pte_t leaf_bits[2][8] = {
    { BITS(1), BITS(2), BITS(3), BITS(4), BITS(5) },
    { BITS(1), BITS(2), BITS(3), BITS(4), BITS(5), BITS(6), BITS(7) },
};
#undef BITS

/* Rights as bits of a leaf of RAM, or 0: refused. */
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

/* Maps a page that is not RAM of the domain itself. 1 or the error. */
static __attribute__((noinline)) int map_other(struct space *s, uint64_t va, gfn_t g,
                                               uint64_t rights) {
    struct p2m_target t;
    pte_t *table, old;
    int error = resolve_other(s, va, g, rights, &t);

    if (error != 0) return error;
    table = leaf_table(s, va);
    if (table == NULL && (table = table_make(s, va, 1)) == NULL) return -HV_ENOMEM;
    old = table[pte_index(va, 1)];
    table[pte_index(va, 1)] =
        pte_make(t.mfn.n, (right_bits(s, rights) ^ PTE_RAM) | kind_bits(&t, g));
    if (old != 0) {
        leaf_put(s, va, 0, old);
        count_stale(s, 1, 1, va);
    } else {
        frame_of_table(table)->live++;
    }
    /* After leaf_put, which clears the record when the page was mapped here before. */
    if (t.window != NULL) {
        t.window->space = s;
        t.window->address = va;
    }
    if (!t.mmio) frame_map_get(frame_of(t.mfn));
    return 1;
}

/* Puts a large leaf where no table is. PTE_SLOTS, 0: there is one, or -HV_ENOMEM. */
static __attribute__((noinline)) int64_t large_put(struct space *s, uint64_t va, pte_t leaf) {
    pte_t *e = table_make(s, va, 2), old;

    if (e == NULL) return -HV_ENOMEM;
    e += pte_index(va, 2);
    old = *e;
    if (old != 0 && !is_large(old)) return 0;
    *e = leaf;
    superframe_of(frame_of_entry(frame_table, leaf))->maps++;
    if (old != 0) {
        superframe_map_put(superframe_of(frame_of_entry(frame_table, old)));
        s->stale += 2;
    } else {
        frame_of_table(e)->live++;
    }
    return PTE_SLOTS;
}

/* Maps a whole leaf of the P2M at an address that is aligned for it by one leaf, if it is a
 * superframe. As large_put. */
static __attribute__((noinline)) int64_t map_large(struct space *s, uint64_t va,
                                                   const uint64_t *ram, pte_t bits) {
    if (*ram % SUPERFRAME_PAGES != 0) return 0;
    for (uint64_t i = 1; i < SUPERFRAME_PAGES; i++)
        if (ram[i] != *ram + i) return 0;
    return large_put(s, va, *ram << PAGE_SHIFT | bits | PTE_LARGE);
}

/*
 * Maps at most `left` pages of RAM of the domain itself: as many as share a leaf table and a leaf
 * of the P2M, up to the first empty GFN. Pages, 0: not even the first is such RAM, or -HV_ENOMEM.
 * The table is found and its count written once, whatever the number of pages.
 */
static int64_t map_ram(struct space *s, uint64_t va, uint64_t g, uint64_t left, pte_t bits) {
    const uint64_t *ram = p2m_ram_run(s->domain, g, &left);
    struct frame *const frames = frame_table;
    uint64_t over = 0, i;
    int64_t large;
    pte_t *e;

    if (left == 0 || *ram == 0) return 0;
    if (left == PTE_SLOTS && va % LEAF_SPAN == 0 && (large = map_large(s, va, ram, bits)) != 0)
        return large;
    e = leaf_table(s, va);
    if (e == NULL && (e = table_make(s, va, 1)) == NULL) return -HV_ENOMEM;
    e += pte_index(va, 1);
    if (left > PTE_SLOTS - pte_index(va, 1)) left = PTE_SLOTS - pte_index(va, 1);
    for (i = 0; i < left; i++) {
        uint64_t m = ram[i];
        pte_t old = e[i];

        if (m == 0) break;
        e[i] = m << PAGE_SHIFT | bits;
        frame_map_get(&frames[m]);
        if (__builtin_expect(old != 0, 0)) {
            leaf_put(s, va, i, old);
            over++;
        }
    }
    frame_of_table(e)->live += (uint16_t)(i - over);
    count_stale(s, over, i, va);
    return (int64_t)i;
}

/* ---- runs ---- */

int64_t space_map(struct space *s, const struct hv_map_run *run, uint64_t budget) {
    uint64_t n = run->count < budget ? run->count : budget, done = 0;
    pte_t bits = right_bits(s, run->rights);

    if (bits == 0 || !space_range_ok(s, run->address, run->count)) return -HV_EINVAL;
    while (done < n) {
        uint64_t va = run->address + (done << PAGE_SHIFT), g = run->gfn + done;
        int64_t some = map_ram(s, va, g, n - done, bits);

        if (some == 0) some = map_other(s, va, (gfn_t){ g }, run->rights);
        if (some < 0) return done != 0 ? (int64_t)done : some;
        done += (uint64_t)some;
    }
    return (int64_t)n;
}

typedef uint64_t __attribute__((may_alias, aligned(1))) word_t; /* of a guest, at any address */

int64_t space_runs(struct space *s, space_run_t *act, const struct hv_map_run *runs, uint64_t i,
                   uint64_t count, struct hv_map_run run) {
    uint64_t pages = i;

    for (;;) {
        int64_t done = act(s, &run, space_budget(s, pages));

        if (done < 0) return pages != 0 ? (int64_t)pages : done;
        pages += (uint64_t)done;
        if ((uint64_t)done < run.count || space_budget(s, pages) == 0 || ++i == count)
            return (int64_t)pages;
        run = space_run_read(&runs[i]);
    }
}

/* Makes the space remember the leaf table of `address` and the P2M's leaf of `gfn`, when there are
 * such and the space may map there. */
static __attribute__((noinline)) bool map_remember(struct space *s, uint64_t address,
                                                   uint64_t gfn) {
    uint64_t most = 1;
    const uint64_t *ram = p2m_ram_run(s->domain, gfn, &most);

    if (ram == NULL || *ram == 0 || !space_range_ok(s, address, 1) ||
        leaf_table(s, address) == NULL)
        return false;
    s->ram_first = gfn & ~(uint64_t)511;
    s->ram = ram - (gfn & 511);
    return true;
}

/*
 * Maps runs by the shortest way, as long as each is the common case: one page of RAM over a leaf of
 * RAM or a hole, in the 2 MiB and out of the 512 GFNs that were used last, which are moved where
 * that can be. All that is asked of other runs is asked here too: the remembered leaf table lies in
 * the half that the space may map and has no page that it may not (range, alignment); leaf_bits
 * refuses rights; a P2M leaf has 0 in what is empty or beyond the end. An entry that is no common
 * case goes on, as it was read, the general way.
 */
static inline int64_t map_fast(struct space *s, const struct hv_map_run *runs, uint64_t count) {
    uint64_t address, gfn, count_rights;
    uint64_t i = 0;

    for (;;) {
        const word_t *word = (const void *)&runs[i];

        address = READ_ONCE(word[0]);
        gfn = READ_ONCE(word[1]);
        count_rights = READ_ONCE(word[2]);
        uint64_t page = page_offset(address, s->leaf_first), g = gfn - s->ram_first;
        uint64_t rights = count_rights >> 32, m;
        bool here = page < s->leaf_pages && g < 512;
        pte_t bits, old;

        if (__builtin_expect(!here, 0) && (here = map_remember(s, address, gfn))) {
            page = page_offset(address, s->leaf_first);
            g = gfn - s->ram_first;
        }
        if (!here || (uint32_t)count_rights != 1 || rights >= 8 || (bits = s->bits[rights]) == 0 ||
            (m = s->ram[g]) == 0)
            break;
        old = s->leaf[page];
        if (__builtin_expect((old & PTE_RAM) != 0, 1)) {
            s->stale++;
            s->stale_at = address;
            frame_map_put(frame_of_entry(frame_table, old));
        } else if (old == 0) {
            frame_of_table(s->leaf)->live++;
        } else {
            break;
        }
        /* A plain store: of what the processor may have set since, nothing is kept. */
        s->leaf[page] = m << PAGE_SHIFT | bits;
        frame_map_get(frame_of((mfn_t){ m }));
        if (++i == count) return (int64_t)i;
    }
    return space_runs(s, space_map, runs, i, count,
                      (struct hv_map_run){ address, gfn, (uint32_t)count_rights,
                                           (uint32_t)(count_rights >> 32) });
}

int64_t space_map_runs(struct space *s, const struct hv_map_run *runs, uint64_t count) {
    int64_t done = map_fast(s, runs, count);

    space_flush(s);
    return done;
}

/* What table_stretch says of pages that are to change: a large leaf is split first, when they are a
 * part of it or `apart` asks for it. 0: no memory for that. */
static uint64_t stretch(struct space *s, uint64_t va, uint64_t left, bool apart, pte_t **e) {
    uint64_t n = table_stretch(s, va, left, e);

    if (*e == NULL || !is_large(**e) || (n == PTE_SLOTS && !apart)) return n;
    return table_make(s, va, 1) != NULL ? table_stretch(s, va, left, e) : 0;
}

/* Removes a stretch of leaves from e on; a table that becomes empty goes. */
static void unmap_stretch(struct space *s, pte_t *e, uint64_t va, uint64_t n) {
    struct frame *const frames = frame_table, *table = frame_of_table(e);
    const uint32_t stamp = epoch_now;
    uint64_t gone = n;

    if (is_large(*e)) {
        superframe_map_put(superframe_of(frame_of_entry(frames, *e)));
        s->stale += 2;
        table_prune(s, va);
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        pte_t old = e[i];

        if (__builtin_expect((old & PTE_RAM) != 0, 1))
            frame_map_put_at(frame_of_entry(frames, old), stamp);
        else if (old != 0)
            put_other(s, va, i, old);
        else
            gone--;
        e[i] = 0;
    }
    count_stale(s, gone, n, va);
    BUG_ON(gone > table->live);
    table->live -= (uint16_t)gone;
    if (table->live == 0) table_prune(s, va);
}

int64_t space_unmap(struct space *s, const struct hv_map_run *run, uint64_t budget) {
    uint64_t n = run->count < budget ? run->count : budget, some;
    pte_t *e;

    for (uint64_t done = 0; done < n; done += some) {
        uint64_t va = run->address + (done << PAGE_SHIFT);

        some = stretch(s, va, n - done, false, &e);
        if (some == 0) return done != 0 ? (int64_t)done : -HV_ENOMEM;
        if (e != NULL) unmap_stretch(s, e, va, some);
    }
    return (int64_t)n;
}

/* The rights that the frame behind a leaf carries. */
static uint64_t leaf_rights(const struct space *s, uint64_t va, pte_t e) {
    if ((e & PTE_KIND) == PTE_WINDOW) return window_of_leaf(s, va, e)->rights | HV_MAP_READ;
    return HV_MAP_READ | HV_MAP_WRITE | (e & PTE_RAM ? HV_MAP_EXEC : 0);
}

/* Changes the rights of a stretch of leaves; pages up to the first that refuses. */
static uint64_t protect_stretch(struct space *s, pte_t *e, uint64_t va, uint64_t n,
                                uint64_t rights) {
    const pte_t changed = PTE_PRESENT | PTE_USER | PTE_WRITE | PTE_NX;
    const pte_t bits = right_bits(s, rights) & changed;
    const uint64_t leaves = is_large(*e) ? 1 : n;

    for (uint64_t i = 0; i < leaves; i++) {
        uint64_t at = va + (i << PAGE_SHIFT);

        if (e[i] == 0) continue;
        if ((rights & ~leaf_rights(s, at, e[i])) != 0) return i;
        /* Not by a plain store: other processors may mark it meanwhile. */
        __atomic_fetch_or(&e[i], bits, __ATOMIC_RELAXED);
        __atomic_fetch_and(&e[i], ~changed | bits, __ATOMIC_RELAXED);
        count_stale(s, 1, n, at);
    }
    return n;
}

int64_t space_protect(struct space *s, const struct hv_map_run *run, uint64_t budget) {
    uint64_t n = run->count < budget ? run->count : budget, some;
    pte_t *e;

    if (right_bits(s, run->rights) == 0) return -HV_EINVAL;
    for (uint64_t done = 0; done < n; done += some) {
        uint64_t va = run->address + (done << PAGE_SHIFT), asked;

        some = asked = stretch(s, va, n - done, false, &e);
        if (some != 0 && e != NULL) some = protect_stretch(s, e, va, asked, run->rights);
        if (some == 0 || some < asked) {
            if (done + some != 0) return (int64_t)(done + some);
            return asked == 0 ? -HV_ENOMEM : -HV_EINVAL;
        }
    }
    return (int64_t)n;
}

/* ---- copy ---- */

/*
 * Copies the leaves of RAM of a stretch of `from`; both sides have the bits in `keep` from then on.
 * Pages done; when memory for `to`'s table is not to be had, those before the first leaf. A table
 * is made for a leaf alone, so that none stays empty.
 */
static __attribute__((noinline)) uint64_t copy_stretch(struct space *to, struct space *from,
                                                       pte_t *src, uint64_t va, uint64_t n,
                                                       pte_t keep) {
    struct frame *const frames = frame_table;
    uint64_t i = 0, fresh = 0, over = 0;
    pte_t had = 0, *dst;

    if (is_large(*src)) { /* as one: there is no table in its place */
        if (large_put(to, va, *src & keep & ~(PTE_ACCESSED | PTE_DIRTY)) < 0) return 0;
        count_stale(from, *src & ~keep, PTE_SLOTS, va);
        __atomic_fetch_and(src, keep, __ATOMIC_RELAXED);
        return PTE_SLOTS;
    }
    while (i < n && (src[i] & PTE_RAM) == 0) i++;
    if (i == n) return n;
    dst = leaf_table(to, va);
    if (dst == NULL && (dst = table_make(to, va, 1)) == NULL) return i;
    dst += pte_index(va, 1);
    for (fresh = n - i; i < n; i++) {
        pte_t e = src[i], old = dst[i];

        if (__builtin_expect((e & PTE_RAM) == 0, 0)) {
            fresh--;
            continue;
        }
        had |= e;
        e &= keep;
        __atomic_fetch_and(&src[i], keep, __ATOMIC_RELAXED); /* others may mark it meanwhile */
        dst[i] = e & ~(PTE_ACCESSED | PTE_DIRTY);
        frame_map_get(frame_of_entry(frames, e));
        if (__builtin_expect(old != 0, 0)) {
            leaf_put(to, va, i, old);
            over++;
        }
    }
    frame_of_table(dst)->live += (uint16_t)(fresh - over);
    count_stale(to, over, n, va);
    count_stale(from, had & ~keep, n, va);
    return n;
}

int64_t space_copy(struct space *to, struct space *from, uint64_t address, uint64_t count,
                   bool protect) {
    uint64_t done = 0, some, asked;
    pte_t *e;

    for (uint64_t units = HV_MAX_COPY_PAGES; done < count && units != 0; done += some) {
        uint64_t va = address + (done << PAGE_SHIFT);

        some = asked = stretch(from, va, count - done, leaf_table(to, va) != NULL, &e);
        if (some != 0 && e != NULL) {
            if (is_large(*e) && units < some) break;
            asked = asked < units ? asked : units;
            some = copy_stretch(to, from, e, va, asked, protect ? ~PTE_WRITE : ~(pte_t)0);
        }
        if (some == 0 || some < asked)
            return done + some != 0 ? (int64_t)(done + some) : -HV_ENOMEM;
        units -= e != NULL ? some : 1;
    }
    return (int64_t)done;
}

/* ---- query ---- */

/* What a guest is told of a leaf. */
static uint8_t query_bits(pte_t e) {
    unsigned int bits = HV_MAP_READ;

    if (e == 0) return 0;
    if (e & PTE_WRITE) bits |= HV_MAP_WRITE;
    if ((e & PTE_NX) == 0) bits |= HV_MAP_EXEC;
    if (e & PTE_ACCESSED) bits |= HV_QUERY_ACCESSED;
    if (e & PTE_DIRTY) bits |= HV_QUERY_DIRTY;
    if ((e & PTE_RAM) == 0) bits |= HV_QUERY_NOT_RAM;
    return (uint8_t)bits;
}

static void query_stretch(struct space *s, pte_t *e, uint64_t va, uint64_t n, uint8_t *out,
                          bool clear) {
    const pte_t used = PTE_ACCESSED | PTE_DIRTY;
    const bool large = is_large(*e);

    for (uint64_t i = 0; i < n; i++) {
        pte_t *at = large ? e : &e[i];
        pte_t old = __atomic_load_n(at, __ATOMIC_RELAXED);

        if (clear && (old & used) != 0 && !(large && i + 1 < n)) {
            /* Others may set them meanwhile. Who has the translation would not set them again. */
            old = __atomic_fetch_and(at, ~used, __ATOMIC_RELAXED);
            count_stale(s, 1, n, va);
        }
        out[i] = query_bits(old);
    }
}

/* Is no large leaf in the way of a border at `va`, any more? */
static bool border(struct space *s, uint64_t va) {
    pte_t *e;

    return va % LEAF_SPAN == 0 || stretch(s, va, 1, false, &e) != 0;
}

int space_query(struct space *s, uint64_t address, uint64_t count, uint8_t *out, bool clear) {
    uint64_t some;
    pte_t *e;

    /* What is outside of the range keeps its marks. */
    if (clear && (!border(s, address) || !border(s, address + (count << PAGE_SHIFT))))
        return -HV_ENOMEM;
    memset(out, 0, count);
    for (uint64_t done = 0; done < count; done += some) {
        uint64_t va = address + (done << PAGE_SHIFT);

        some = table_stretch(s, va, count - done, &e);
        if (e != NULL) query_stretch(s, e, va, some, &out[done], clear);
    }
    return 0;
}

/* ---- taking apart ---- */

/* A hole of any size is a unit of work, and so is an entry. */
bool table_clear_step(struct space *s, uint64_t end) {
    pte_t *e;

    for (uint64_t units = PTE_SLOTS; s->destroy_at < end && units != 0;) {
        uint64_t va = s->destroy_at << PAGE_SHIFT;
        uint64_t some = table_stretch(s, va, end - s->destroy_at, &e);

        if (e != NULL) {
            if (is_large(*e) && units < some) break;
            some = some < units ? some : units;
            unmap_stretch(s, e, va, some);
        }
        units -= e != NULL ? some : 1;
        s->destroy_at += some;
    }
    return s->destroy_at < end;
}
