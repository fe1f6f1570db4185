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
/* Pages from page number `page` to the next one that could have a leaf; 0: it has a table itself.
 */
uint64_t table_hole(struct space *s, uint64_t page);

/* The leaf table, with the memory of the one that was used last. */
static inline pte_t *leaf_table(struct space *s, uint64_t va) {
    return (va - s->leaf_first) >> PAGE_SHIFT < s->leaf_pages ? s->leaf : table_find(s, va);
}

static inline struct frame *frame_of_table(const pte_t *table) {
    return frame_of(frame_mfn_of(table));
}

/* Removes leaves from page number s->destroy_at up to `end`, at most 512 entries are looked at, and
 * moves destroy_at; true while there is more. */
bool table_clear_step(struct space *s, uint64_t end);

/* The leaf entry at this address, 0: none. */
static inline pte_t leaf_at(struct space *s, uint64_t va) {
    const pte_t *table = leaf_table(s, va);

    return table != NULL ? table[pte_index(va, 1)] : 0;
}
