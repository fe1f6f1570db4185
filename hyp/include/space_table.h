/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables below the top of a space: between space.c, which owns the tops, and space_table.c.
 */
#pragma once

#include "arch/pte.h"
#include "frame.h"
#include "p2m.h"
#include "space.h"

#define LEAF_SPAN ((uint64_t)PTE_SLOTS << PAGE_SHIFT) /* bytes behind one leaf table */

/* Leaf bits of each combination of rights, in the kernel half and in the user half; 0: refused. */
extern const pte_t leaf_bits[2][8];

/* The leaf table of this address, or NULL; looks at the tables. */
pte_t *table_find(struct space *s, uint64_t va);
/* The table of level `lowest`, 1 for the leaf table, made when it is not there; a 2 MiB leaf in
 * place of a leaf table is split into it. NULL: no memory, and nothing has changed. */
pte_t *table_make(struct space *s, uint64_t va, unsigned int lowest);
/* The leaf table of `va` has become empty, or its 2 MiB leaf is uncounted: it goes, and with it
 * what becomes empty above. */
void table_prune(struct space *s, uint64_t va);
/* Pages from `va` on, at most `left`, whose leaves are entries behind each other, the first of
 * which *e becomes, or one and the same large leaf; or, *e is NULL then, which have none. */
uint64_t table_stretch(struct space *s, uint64_t va, uint64_t left, pte_t **e);

/* The leaf table, with the memory of the one that was used last. */
static inline pte_t *leaf_table(struct space *s, uint64_t va) {
    return (va - s->leaf_first) >> PAGE_SHIFT < s->leaf_pages ? s->leaf : table_find(s, va);
}

/* The record of the frame that an entry names, in `table`, which is frame_table: one shift and one
 * mask for what is four steps by way of the number. */
static inline struct frame *frame_of_entry(struct frame *table, pte_t e) {
    const unsigned int shift = PAGE_SHIFT - FRAME_RECORD_SHIFT;

    return (struct frame *)((uint8_t *)table + ((e >> shift) & (PTE_FRAME >> shift)));
}

static inline struct frame *frame_of_table(const pte_t *table) {
    return frame_of(frame_mfn_of(table));
}

/* Removes leaves from page number s->destroy_at up to `end`, and moves destroy_at: at most 512
 * entries and holes are looked at. True while there is more. */
bool table_clear_step(struct space *s, uint64_t end);

static inline bool is_large(pte_t e) { return (e & PTE_LARGE) != 0; }

/* The leaf entry at this address, 0: none; of a large leaf, what it would be if that were split. */
static inline pte_t leaf_at(struct space *s, uint64_t va) {
    pte_t *e;

    table_stretch(s, va, 1, &e);
    if (e == NULL || !is_large(*e)) return e != NULL ? *e : 0;
    return (*e ^ PTE_LARGE) + (va & (LEAF_SPAN - 1) & ~PAGE_MASK);
}

/* Rotated by the page shift, an address that is not aligned, or below the first, is a large number.
 */
static inline uint64_t page_offset(uint64_t address, uint64_t first) {
    uint64_t offset = address - first;

    return offset >> PAGE_SHIFT | offset << (64 - PAGE_SHIFT);
}

/*
 * For grant.c: maps window page n, which has no leaf, in the 2 MiB that were used last, where
 * nothing is. False: no such case, and nothing has happened.
 */
static inline bool window_map(struct space *s, uint64_t address, struct window *w, uint64_t n) {
    uint64_t page = page_offset(address, s->leaf_first);

    if (page >= s->leaf_pages || s->leaf[page] != 0) return false;
    s->leaf[page] = pte_make(w->mfn.n, (s->bits[w->rights] ^ (PTE_RAM | PTE_WINDOW)) | pte_tag(n));
    frame_of_table(s->leaf)->live++;
    frame_map_get(frame_of(w->mfn));
    w->space = s;
    w->address = address;
    return true;
}

/* For grant.c: removes the leaf of a window page. space_flush of its space makes it felt. */
static inline void window_zap(struct window *w) {
    struct space *s = w->space;
    pte_t *table = leaf_table(s, w->address), *e = &table[pte_index(w->address, 1)];

    BUG_ON(table == NULL || pte_frame(*e) != w->mfn.n);
    *e = 0;
    s->stale++;
    s->stale_at = w->address;
    w->space = NULL;
    frame_map_put(frame_of(w->mfn));
    if (--frame_of_table(table)->live == 0) table_prune(s, w->address);
}
