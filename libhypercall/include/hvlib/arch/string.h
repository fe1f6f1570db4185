/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copy and fill by the string instructions: eight bytes at a time, then the rest.
 */
#ifndef HVLIB_ARCH_STRING_H
#define HVLIB_ARCH_STRING_H

#include <stddef.h>
#include <stdint.h>

static inline void hv_copy_forward(void *to, const void *from, size_t bytes)
{
    size_t words = bytes / 8, rest = bytes % 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
}

static inline void hv_fill(void *to, unsigned char value, size_t bytes)
{
    size_t words = bytes / 8, rest = bytes % 8;
    uint64_t pattern = value * (uint64_t)0x0101010101010101;

    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
}

#endif
