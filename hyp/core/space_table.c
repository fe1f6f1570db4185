/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lower tables of address spaces, which come and go with their leaves.
 *
 * Every table below the top belongs to one space (the kernel half's to space 0) and is reached by
 * one entry; no guest names one. Invariants, all under memory_lock:
 *  - frame.live of a lower table is the number of its present entries; a table whose count falls to
 *    zero is unlinked and freed at once, through the epoch, so that no empty table ever stays. The
 * L3 tables of the kernel half are counted but stay; the tops are not counted.
 *  - an entry of an L2 table may be a leaf of 2 MiB, which is an entry like a table's; it is split
 *    into a leaf table of the same 512 pages where a part of it is to change, and never put
 * together again.
 *  - space.leaf, when leaf_pages is not 0, is the linked leaf table of the 2 MiB at leaf_first.
 */
#include "space_table.h"

/* ---- tables ---- */

static pte_t *table_of(pte_t e) { return frame_va((mfn_t){ pte_frame(e) }); }

/* The table below; NULL: none, but perhaps a large leaf. */
static pte_t *next_table(const pte_t *table, uint64_t va, unsigned int level) {
    pte_t e = table[pte_index(va, level)];

    return e != 0 && !is_large(e) ? table_of(e) : NULL;
}

/* The L3 table: of the kernel half always there, of the user half perhaps not. */
static pte_t *top_table(const struct space *s, uint64_t va) {
    unsigned int slot = pte_index(va, 4);

    if (slot >= PTE_KERNEL_SLOT) return frame_va(s->domain->kernel_l3[slot - PTE_KERNEL_SLOT]);
    return next_table(frame_va(s->l4_user), va, 4);
}

/* The last page below the canonical hole is not part of what it remembers. */
static pte_t *remember(struct space *s, uint64_t va, pte_t *leaf) {
    s->leaf_first = va & ~(LEAF_SPAN - 1);
    s->leaf_pages = s->leaf_first == (HV_USER_END & ~(LEAF_SPAN - 1)) ? 511 : 512;
    s->leaf = leaf;
    return leaf;
}

pte_t *table_find(struct space *s, uint64_t va) {
    pte_t *table = top_table(s, va);

    if (table != NULL) table = next_table(table, va, 3);
    if (table != NULL) table = next_table(table, va, 2);
    return table != NULL ? remember(s, va, table) : NULL;
}

static unsigned int missing_tables(const struct space *s, uint64_t va, unsigned int lowest) {
    const pte_t *table = top_table(s, va);
    unsigned int level = 4;

    for (; table != NULL; table = next_table(table, va, level))
        if (--level == lowest) return 0;
    return level - lowest;
}

/* Puts a leaf table, at `next`, that says what a large leaf said, rights and marks, in the place of
 * that: also the marks that another processor sets meanwhile. A TLB may have the large one beside
 * what comes now: all of it goes. */
static void split(struct space *s, pte_t *e, pte_t next) {
    pte_t large = *e, *table = table_of(next);
    struct frame *f = frame_of_entry(frame_table, large);

    for (uint64_t i = 0; i < PTE_SLOTS; i++) {
        table[i] = (large ^ PTE_LARGE) + (i << PAGE_SHIFT);
        frame_map_get(&f[i]);
    }
    frame_of_table(table)->live = PTE_SLOTS;
    while (!__atomic_compare_exchange_n(e, &large, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        for (uint64_t i = 0; i < PTE_SLOTS; i++) table[i] |= large & (PTE_ACCESSED | PTE_DIRTY);
    superframe_map_put(superframe_of(f));
    s->splits++;
    s->stale += 2;
}

static pte_t *link_table(struct space *s, pte_t *table, uint64_t va, unsigned int level, mfn_t m) {
    pte_t *e = &table[pte_index(va, level)], next = pte_make(m.n, PTE_TABLE);

    if (*e != 0) {
        split(s, e, next);
    } else {
        frame_of_table(table)->live++;
        *e = next;
    }
    return frame_va(m);
}

/* Both views share what is below; users' pages are not executable in the kernel view. */
static void set_top(struct space *s, uint64_t va, pte_t e) {
    pte_t *user = frame_va(s->l4_user), *kernel = frame_va(s->l4_kernel);

    user[pte_index(va, 4)] = e;
    kernel[pte_index(va, 4)] = e != 0 ? e | PTE_NX : 0;
}

/* All frames are had before the first is linked, so that a failure leaves no empty table. */
pte_t *table_make(struct space *s, uint64_t va, unsigned int lowest) {
    mfn_t spare[3];
    unsigned int want = missing_tables(s, va, lowest), have;
    pte_t *table;

    for (have = 0; have < want; have++) {
        spare[have] = frame_alloc(s->domain, FRAME_TABLE);
        if (mfn_is_none(spare[have])) {
            while (have-- > 0) frame_free(s->domain, spare[have]);
            return NULL;
        }
    }
    if (have == 4 - lowest) set_top(s, va, pte_make(spare[--have].n, PTE_TABLE));
    table = top_table(s, va);
    for (unsigned int level = 3; level > lowest; level--) {
        pte_t *next = next_table(table, va, level);

        table = next != NULL ? next : link_table(s, table, va, level, spare[--have]);
    }
    return lowest == 1 ? remember(s, va, table) : table;
}

/* Frees an unlinked table, which is empty, that is, zero: a processor may still have it cached,
 * hence the stamp. */
static void free_table(struct space *s, const pte_t *table) {
    frame_of_table(table)->clean = 1;
    frame_of_table(table)->epoch = epoch_now;
    frame_free(s->domain, frame_mfn_of(table));
}

static bool unlink_entry(pte_t *table, uint64_t va, unsigned int level) {
    struct frame *f = frame_of_table(table);

    table[pte_index(va, level)] = 0;
    BUG_ON(f->live == 0);
    f->live--;
    return f->live == 0;
}

void table_prune(struct space *s, uint64_t va) {
    pte_t *l3 = top_table(s, va), *l2 = next_table(l3, va, 3), *l1 = next_table(l2, va, 2);
    bool empty;

    s->leaf_pages = 0;
    empty = unlink_entry(l2, va, 2);
    if (l1 != NULL) free_table(s, l1);
    if (!empty) return;
    empty = unlink_entry(l3, va, 3);
    free_table(s, l2);
    if (empty && pte_index(va, 4) < PTE_USER_SLOTS) {
        set_top(s, va, 0);
        free_table(s, l3);
    }
}

/* How far the leaf table or the large leaf reaches; without one, how far the table in which the way
 * to it ends is empty. */
uint64_t table_stretch(struct space *s, uint64_t va, uint64_t left, pte_t **e) {
    pte_t *table = leaf_table(s, va), *next = table == NULL ? top_table(s, va) : NULL;
    uint64_t span = PTE_SLOTS, n;
    unsigned int level = 1;

    if (table == NULL)
        for (level = 4, table = frame_va(s->l4_user); next != NULL; level--) {
            table = next;
            next = next_table(table, va, level - 1);
        }
    if (level > 1) span <<= 9 * (level - 2);
    n = span - ((va >> PAGE_SHIFT) & (span - 1));
    *e = &table[pte_index(va, level)];
    if (level > 1 && **e == 0) {
        *e = NULL;
        for (unsigned int i = pte_index(va, level) + 1; n < left && i < PTE_SLOTS; i++, n += span)
            if (table[i] != 0) break;
    }
    return n < left ? n : left;
}
