/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bits of maps that a guest writes too: one locked instruction a bit, wherever it lies in the map.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Sets bit `n` of the map; was it set before? A full barrier. The caller vouches for the range of
 * n. */
static inline bool bitmap_test_and_set(uint64_t *map, uint64_t n) {
    bool was;

    __asm__ volatile("lock btsq %2, %1" : "=@ccc"(was), "+m"(*map) : "r"(n) : "memory");
    return was;
}
