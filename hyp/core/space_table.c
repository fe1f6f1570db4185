/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of address spaces: leaves, and the lower tables that come and go with them.
 *
 * Every table below the top belongs to one space (the kernel half's to space 0) and is reached by
 * one entry; no guest names one. Invariants, all under memory_lock:
 *  - frame.live of a lower table is the number of its present entries; a table whose count falls to
 *    zero is unlinked and freed at once, through the epoch, so that no empty table ever stays. The
 * L3 tables of the kernel half and the tops are not counted and stay.
 *  - every leaf of RAM, a window or a shared page is counted once in frame.maps of what it names; a
 *    window leaf also has its address in the window's record, and is that record's only one.
 *  - leaves are user, never global; not-present is all zero.
 *  - space.leaf, when leaf_at says so, is a linked leaf table of the space.
 * What makes a right smaller is felt when space_flush returns; until then frame.epoch, stamped when
 * the leaf goes, keeps the frame from being reused.
 */
#include "space_table.h"
#include "frame.h"
#include "p2m.h"

/* ---- tables ---- */

static pte_t *table_of(pte_t e)
{
    return frame_va((mfn_t){ pte_frame(e) });
}

static pte_t *next_table(const pte_t *table, uint64_t va, unsigned int level)
{
    pte_t e = table[pte_index(va, level)];

    return e != 0 ? table_of(e) : NULL;
}

/* The L3 table: of the kernel half always there, of the user half perhaps not. */
static pte_t *top_table(const struct space *s, uint64_t va)
{
    unsigned int slot = pte_index(va, 4);

    if (slot >= PTE_KERNEL_SLOT) {
        return frame_va(s->domain->kernel_l3[slot - PTE_KERNEL_SLOT]);
    }
    return next_table(frame_va(s->l4_user), va, 4);
}

static pte_t *remember(struct space *s, uint64_t va, pte_t *leaf)
{
    s->leaf_at = va >> 21;
    s->leaf = leaf;
    return leaf;
}

pte_t *table_find(struct space *s, uint64_t va)
{
    pte_t *table = top_table(s, va);

    if (table != NULL) {
        table = next_table(table, va, 3);
    }
    if (table != NULL) {
        table = next_table(table, va, 2);
    }
    return table != NULL ? remember(s, va, table) : NULL;
}

static unsigned int missing_tables(const struct space *s, uint64_t va)
{
    const pte_t *table = top_table(s, va);

    if (table == NULL) {
        return 3;
    }
    table = next_table(table, va, 3);
    if (table == NULL) {
        return 2;
    }
    return next_table(table, va, 2) == NULL ? 1 : 0;
}

static struct frame *frame_of_table(const pte_t *table)
{
    return frame_of(frame_mfn_of(table));
}

static pte_t *link_table(pte_t *table, uint64_t va, unsigned int level, mfn_t m)
{
    table[pte_index(va, level)] = pte_make(m.n, PTE_TABLE);
    frame_of_table(table)->live++;
    return frame_va(m);
}

/* Both views share what is below; users' pages are not executable in the kernel view. */
static void set_top(struct space *s, uint64_t va, pte_t e)
{
    pte_t *user = frame_va(s->l4_user), *kernel = frame_va(s->l4_kernel);

    user[pte_index(va, 4)] = e;
    kernel[pte_index(va, 4)] = e != 0 ? e | PTE_NX : 0;
}

/* The leaf table, made when it is not there; NULL: no memory, and nothing has changed. All frames
 * are had before the first is linked, so that a failure leaves no empty table. */
static pte_t *table_make(struct space *s, uint64_t va)
{
    mfn_t spare[3];
    unsigned int want = missing_tables(s, va), have;
    pte_t *table;

    for (have = 0; have < want; have++) {
        spare[have] = frame_alloc(s->domain, FRAME_TABLE);
        if (mfn_is_none(spare[have])) {
            while (have-- > 0) {
                frame_free(s->domain, spare[have]);
            }
            return NULL;
        }
    }
    if (have == 3) {
        set_top(s, va, pte_make(spare[--have].n, PTE_TABLE));
    }
    table = top_table(s, va);
    for (unsigned int level = 3; level >= 2; level--) {
        pte_t *next = next_table(table, va, level);

        table = next != NULL ? next : link_table(table, va, level, spare[--have]);
    }
    return remember(s, va, table);
}

/* Frees an unlinked table: a processor may still have it cached, hence the stamp. */
static void free_table(struct space *s, const pte_t *table)
{
    frame_of_table(table)->epoch = epoch_now;
    frame_free(s->domain, frame_mfn_of(table));
}

static bool unlink_table(pte_t *table, uint64_t va, unsigned int level)
{
    struct frame *f = frame_of_table(table);

    table[pte_index(va, level)] = 0;
    BUG_ON(f->live == 0);
    f->live--;
    return f->live == 0;
}

/* The leaf table of `va` has become empty: it goes, and with it what becomes empty above. */
static void prune(struct space *s, uint64_t va)
{
    pte_t *l3 = top_table(s, va);
    pte_t *l2 = next_table(l3, va, 3);
    pte_t *l1 = next_table(l2, va, 2);
    bool empty;

    s->leaf_at = ~(uint64_t)0;
    empty = unlink_table(l2, va, 2);
    free_table(s, l1);
    if (!empty) {
        return;
    }
    empty = unlink_table(l3, va, 3);
    free_table(s, l2);
    if (empty && pte_index(va, 4) < PTE_USER_SLOTS) {
        set_top(s, va, 0);
        free_table(s, l3);
    }
}

/* ---- leaves ---- */

/*
 * The record of a window leaf. The entry keeps the low bits of the window's index; at most 64
 * windows share them, and the record says exactly which one it is.
 */
static struct window *window_of_leaf(const struct space *s, uint64_t va, pte_t e)
{
    const struct domain *d = s->domain;

    for (uint64_t n = pte_tag_of(e); n < d->window_pages; n += PTE_TAG_MASK + 1) {
        struct window *w = p2m_window_at(d, n);

        if (w->space == s && w->address == va) {
            return w;
        }
    }
    panic("BUG: a window leaf without its window");
}

static void forget_window(const struct space *s, uint64_t va, pte_t e)
{
    window_of_leaf(s, va, e)->space = NULL;
}

/* Uncounts a leaf that was taken out of its table. */
static inline void leaf_put(struct space *s, uint64_t va, pte_t old)
{
    pte_t kind = old & PTE_KIND;

    s->stale++;
    s->stale_at = va;
    if (kind == PTE_MMIO) {
        return;
    }
    if (kind == PTE_WINDOW) {
        forget_window(s, va, old);
    }
    frame_map_put(frame_of((mfn_t){ pte_frame(old) }));
}

/* Rights as bits; the caller has seen that they are HV_MAP_… bits. */
static inline pte_t right_bits(uint64_t rights)
{
    pte_t bits = PTE_PRESENT | PTE_USER | (rights & HV_MAP_EXEC ? 0 : PTE_NX);

    return rights & HV_MAP_WRITE ? bits | PTE_WRITE : bits;
}

/* 1. Only known rights, and at least one? 2. In the kernel half, not both write and execute? */
static bool rights_ok(const struct space *s, uint64_t rights)
{
    const uint64_t wx = HV_MAP_WRITE | HV_MAP_EXEC;

    if (rights == 0 || rights > (HV_MAP_READ | HV_MAP_WRITE | HV_MAP_EXEC)) {
        return false;
    }
    return s->id != 0 || (rights & wx) != wx;
}

/*
 * Maps a page that is not RAM of the domain itself. 1. Does the GFN name something? 2. Does that
 * carry the rights? 3. A shared page: in the kernel half? 4. A window page: not mapped elsewhere?
 */
static int resolve_other(const struct space *s, uint64_t va, gfn_t g, uint64_t rights,
                         struct p2m_target *t)
{
    int error = p2m_resolve(s->domain, g, t);

    if (error != 0) {
        return error;
    }
    if ((rights & ~(uint64_t)(t->rights | HV_MAP_READ)) != 0) {
        return -HV_EINVAL;
    }
    if (t->shared && s->id != 0) {
        return -HV_EINVAL;
    }
    if (t->window != NULL && t->window->space != NULL &&
        (t->window->space != s || t->window->address != va)) {
        return -HV_EBUSY;
    }
    return 0;
}

static pte_t kind_bits(const struct p2m_target *t, gfn_t g)
{
    if (t->mmio) {
        return PTE_MMIO | PTE_UNCACHED;
    }
    if (t->window != NULL) {
        return PTE_WINDOW | pte_tag(g.n - HV_GFN_WINDOW);
    }
    return t->shared ? PTE_SHARED : PTE_RAM;
}

/* Puts a leaf into its table and uncounts what was there. */
static inline void leaf_set(struct space *s, pte_t *table, uint64_t va, pte_t e)
{
    pte_t old = __atomic_exchange_n(&table[pte_index(va, 1)], e, __ATOMIC_RELAXED);

    if (old != 0) {
        leaf_put(s, va, old);
    } else {
        frame_of_table(table)->live++;
    }
}

static __attribute__((noinline)) int map_other(struct space *s, uint64_t va, gfn_t g,
                                               uint64_t rights)
{
    struct p2m_target t;
    pte_t *table;
    int error = resolve_other(s, va, g, rights, &t);

    if (error != 0) {
        return error;
    }
    table = leaf_table(s, va);
    if (table == NULL && (table = table_make(s, va)) == NULL) {
        return -HV_ENOMEM;
    }
    leaf_set(s, table, va, pte_make(t.mfn.n, right_bits(rights) | kind_bits(&t, g)));
    /* After leaf_set, which clears the record when the page was mapped here before. */
    if (t.window != NULL) {
        t.window->space = s;
        t.window->address = va;
    }
    if (!t.mmio) {
        frame_map_get(frame_of(t.mfn));
    }
    return 0;
}

static inline int map_page(struct space *s, uint64_t va, gfn_t g, uint64_t rights)
{
    mfn_t m = p2m_ram(s->domain, g);
    struct frame *f;
    pte_t *table;

    if (__builtin_expect(mfn_is_none(m), 0)) {
        return map_other(s, va, g, rights);
    }
    f = frame_of(m);
    table = leaf_table(s, va);
    if (__builtin_expect(f->maps == UINT32_MAX, 0)) {
        return -HV_ENOMEM;
    }
    if (__builtin_expect(table == NULL, 0) && (table = table_make(s, va)) == NULL) {
        return -HV_ENOMEM;
    }
    leaf_set(s, table, va, pte_make(m.n, right_bits(rights) | PTE_RAM));
    frame_map_get(f);
    return 0;
}

/* ---- runs ---- */

int64_t space_map(struct space *s, const struct hv_map_run *run, uint64_t budget)
{
    uint64_t n = run->count < budget ? run->count : budget;
    uint64_t va = run->address;

    if (!rights_ok(s, run->rights)) {
        return -HV_EINVAL;
    }
    for (uint64_t i = 0; i < n; i++, va += PAGE_SIZE) {
        int error = map_page(s, va, (gfn_t){ run->gfn + i }, run->rights);

        if (__builtin_expect(error != 0, 0)) {
            return i != 0 ? (int64_t)i : error;
        }
    }
    return (int64_t)n;
}

static inline void unmap_page(struct space *s, uint64_t va)
{
    pte_t *table = leaf_table(s, va);
    pte_t old;

    if (table == NULL) {
        return;
    }
    old = __atomic_exchange_n(&table[pte_index(va, 1)], 0, __ATOMIC_RELAXED);
    if (old != 0) {
        struct frame *f = frame_of_table(table);

        leaf_put(s, va, old);
        f->live--;
        if (f->live == 0) {
            prune(s, va);
        }
    }
}

int64_t space_unmap(struct space *s, const struct hv_map_run *run, uint64_t budget)
{
    uint64_t n = run->count < budget ? run->count : budget;

    for (uint64_t i = 0; i < n; i++) {
        unmap_page(s, run->address + i * PAGE_SIZE);
    }
    return (int64_t)n;
}

/* The rights that the frame behind a leaf carries. */
static uint64_t leaf_rights(const struct space *s, uint64_t va, pte_t e)
{
    switch (e & PTE_KIND) {
    case PTE_RAM:
        return HV_MAP_READ | HV_MAP_WRITE | HV_MAP_EXEC;
    case PTE_WINDOW:
        return window_of_leaf(s, va, e)->rights | HV_MAP_READ;
    default:
        return HV_MAP_READ | HV_MAP_WRITE;
    }
}

static inline int protect_page(struct space *s, uint64_t va, uint64_t rights)
{
    const pte_t changed = PTE_PRESENT | PTE_USER | PTE_WRITE | PTE_NX;
    pte_t *table = leaf_table(s, va);
    pte_t *e = table != NULL ? &table[pte_index(va, 1)] : NULL;

    if (e == NULL || *e == 0) {
        return 0;
    }
    if ((rights & ~leaf_rights(s, va, *e)) != 0) {
        return -HV_EINVAL;
    }
    *e = (*e & ~changed) | right_bits(rights);
    s->stale++;
    s->stale_at = va;
    return 0;
}

int64_t space_protect(struct space *s, const struct hv_map_run *run, uint64_t budget)
{
    uint64_t n = run->count < budget ? run->count : budget;

    if (!rights_ok(s, run->rights)) {
        return -HV_EINVAL;
    }
    for (uint64_t i = 0; i < n; i++) {
        int error = protect_page(s, run->address + i * PAGE_SIZE, run->rights);

        if (error != 0) {
            return i != 0 ? (int64_t)i : error;
        }
    }
    return (int64_t)n;
}

void space_zap(struct space *s, uint64_t address, mfn_t m)
{
    BUG_ON(pte_frame(leaf_at(s, address)) != m.n);
    unmap_page(s, address);
}

/* ---- taking apart ---- */

/* Pages from page number `page` to the next one that could have a leaf, 0: it has a table itself.
 */
static uint64_t hole(struct space *s, uint64_t page)
{
    uint64_t va = page << PAGE_SHIFT;
    const pte_t *table;
    uint64_t span;

    if (leaf_table(s, va) != NULL) {
        return 0;
    }
    table = top_table(s, va);
    if (table == NULL) {
        span = (uint64_t)1 << 27;
    } else {
        span = next_table(table, va, 3) == NULL ? (uint64_t)1 << 18 : (uint64_t)1 << 9;
    }
    return span - (page & (span - 1));
}

bool table_clear_step(struct space *s, uint64_t end)
{
    for (unsigned int i = 0; i < PTE_SLOTS && s->destroy_at < end; i++) {
        uint64_t skip = hole(s, s->destroy_at);

        if (skip == 0) {
            unmap_page(s, s->destroy_at << PAGE_SHIFT);
            skip = 1;
        }
        s->destroy_at += skip;
    }
    return s->destroy_at < end;
}
