/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/page.h: whole pages, cleared and copied in the fastest way there is.
 */
#pragma once

#include "arch/layout.h"

static inline void page_clear(void *page) {
    uint64_t words = PAGE_SIZE / 8;

    __asm__ volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0ul) : "memory");
}

/** For debug builds. */
static inline bool page_is_zero(const void *page) {
    uint64_t words = PAGE_SIZE / 8;
    bool zero;

    __asm__ volatile("repe scasq" : "+D"(page), "+c"(words), "=@ccz"(zero) : "a"(0ul) : "memory");
    return zero;
}

/** Copies any number of bytes forwards; the ranges are the same or do not overlap. */
static inline void bytes_copy(void *to, const void *from, uint64_t bytes) {
    uint64_t words = bytes / 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    bytes &= 7;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}
