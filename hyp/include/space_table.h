/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables below the top of a space: between space.c, which owns the tops, and space_table.c.
 */
#pragma once

#include "arch/pte.h"
#include "frame.h"
#include "space.h"

#define LEAF_SPAN ((uint64_t)PTE_SLOTS << PAGE_SHIFT) /* bytes behind one leaf table */

/* Leaf bits of each combination of rights, in the kernel half and in the user half; 0: refused. */
extern const pte_t leaf_bits[2][8];

/* The leaf table of this address, or NULL; looks at the tables. */
pte_t *table_find(struct space *s, uint64_t va);
/* The same; made when it is not there. NULL: no memory, and nothing has changed. */
pte_t *table_make(struct space *s, uint64_t va);
/* The leaf table of `va` has become empty: it goes, and with it what becomes empty above. */
void table_prune(struct space *s, uint64_t va);
/* Pages from `va` on, at most `left`, that have the same leaf table, which is put into *leaf; NULL:
 * none of them has one. */
uint64_t table_stretch(struct space *s, uint64_t va, uint64_t left, pte_t **leaf);

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

/* The leaf entry at this address, 0: none. */
static inline pte_t leaf_at(struct space *s, uint64_t va) {
    const pte_t *table = leaf_table(s, va);

    return table != NULL ? table[pte_index(va, 1)] : 0;
}
