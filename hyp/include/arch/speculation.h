/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps an index that a guest chose inside its table, also when the comparison before was
 * mispredicted.
 */
#pragma once

#include <stdint.h>

/* `index` when it is below `limit`, else 0; without a branch, and opaque to the compiler. */
static inline uint64_t index_mask(uint64_t index, uint64_t limit) {
    uint64_t mask;

    __asm__("cmp %2, %1\n\tsbb %0, %0" : "=r"(mask) : "r"(index), "er"(limit) : "cc");
    return index & mask;
}
