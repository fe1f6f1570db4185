/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * string.c: memory and string functions for freestanding code; no state.
 *
 * Copies go by 8-byte words where they can: a REP iteration counts as one instruction, and the
 * word form is the fast one in wall clock as well.
 */
#include "string.h"
#include <stdint.h>

typedef uint64_t __attribute__((may_alias, aligned(1))) word_t;

void *memset(void *to, int byte, size_t count) {
    unsigned char *p = to;
    uint64_t pattern = UINT64_C(0x0101010101010101) * (unsigned char)byte;

    for (; count >= sizeof(word_t); count -= sizeof(word_t), p += sizeof(word_t))
        *(word_t *)p = pattern;
    while (count-- > 0) *p++ = (unsigned char)byte;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
    unsigned char *p = to;
    const unsigned char *q = from;

    for (; count >= sizeof(word_t); count -= sizeof(word_t), p += 8, q += 8)
        *(word_t *)p = *(const word_t *)q;
    while (count-- > 0) *p++ = *q++;
    return to;
}

int memcmp(const void *a, const void *b, size_t count) {
    const unsigned char *p = a, *q = b;

    for (size_t i = 0; i < count; i++)
        if (p[i] != q[i]) return p[i] - q[i];
    return 0;
}

size_t strnlen(const char *s, size_t limit) {
    size_t n = 0;

    while (n < limit && s[n] != '\0') n++;
    return n;
}

size_t strlen(const char *s) { return strnlen(s, SIZE_MAX); }

int strncmp(const char *a, const char *b, size_t limit) {
    for (size_t i = 0; i < limit; i++)
        if (a[i] != b[i] || a[i] == '\0') return (unsigned char)a[i] - (unsigned char)b[i];
    return 0;
}

char *strchr(const char *s, int c) {
    for (;; s++) {
        if (*s == (char)c) return (char *)(uintptr_t)s;
        if (*s == '\0') return NULL;
    }
}

int string_copy(char *to, size_t size, const char *from) {
    size_t length = strnlen(from, size - 1);

    memcpy(to, from, length);
    to[length] = '\0';
    return from[length] == '\0';
}
