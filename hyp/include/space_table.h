/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables below the top of a space: between space.c, which owns the tops, and space_table.c.
 */
#ifndef SPACE_TABLE_H
#define SPACE_TABLE_H

#include "arch/pte.h"
#include "space.h"

/* The leaf table of this address, or NULL; looks at the tables. */
pte_t *table_find(struct space *s, uint64_t va);

/* The same, with the memory of the one that was used last. */
static inline pte_t *leaf_table(struct space *s, uint64_t va)
{
    return s->leaf_at == va >> 21 ? s->leaf : table_find(s, va);
}

/* Removes leaves from page number s->destroy_at up to `end`, at most 512 entries are looked at, and
 * moves destroy_at; true while there is more. */
bool table_clear_step(struct space *s, uint64_t end);

/* The leaf entry at this address, 0: none. */
static inline pte_t leaf_at(struct space *s, uint64_t va)
{
    const pte_t *table = leaf_table(s, va);

    return table != NULL ? table[pte_index(va, 1)] : 0;
}

#endif
