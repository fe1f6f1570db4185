/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A binary heap: slot 1 has the least key, slot n none above those of 2n and 2n + 1. What lies in a
 * slot is its owner's matter, who tells the key of a slot and swaps two. Each operation is O(log
 * n).
 */
#pragma once

#include "types.h"

typedef uint64_t heap_key_t(void *owner, uint32_t slot);
typedef void heap_swap_t(void *owner, uint32_t a, uint32_t b);

#define HEAP_INLINE static inline __attribute__((always_inline))

/* Moves what is in `slot`, the only one that may be wrong, to where it belongs. */
HEAP_INLINE void heap_settle(void *owner, uint32_t used, uint32_t slot, heap_key_t *key,
                             heap_swap_t *swap) {
    uint32_t child;

    for (; slot > 1 && key(owner, slot) < key(owner, slot / 2); slot /= 2)
        swap(owner, slot, slot / 2);
    for (; (child = slot * 2) <= used; slot = child) {
        if (child < used && key(owner, child + 1) < key(owner, child)) child++;
        if (key(owner, child) >= key(owner, slot)) break;
        swap(owner, slot, child);
    }
}

/* What was in `slot` is in slot `*used` + 1 afterwards, outside the heap. */
HEAP_INLINE void heap_remove(void *owner, uint32_t *used, uint32_t slot, heap_key_t *key,
                             heap_swap_t *swap) {
    swap(owner, slot, *used);
    if (slot < (*used)--) heap_settle(owner, *used, slot, key, swap);
}
