/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of <string.h> that freestanding code needs. Some loops carry a compiler fence:
 * without it the compiler knows them for what they are and makes them calls of the very function.
 */
#include "hvlib/string.h"
#include "hvlib/arch/string.h"

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    hv_copy_forward(to, from, bytes);
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    if ((size_t)(t - f) >= bytes) {
        hv_copy_forward(to, from, bytes);
        return to;
    }
    while (bytes--) {
        t[bytes] = f[bytes];
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    }
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    hv_fill(to, (unsigned char)value, bytes);
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const unsigned char *x = a, *y = b;

    for (size_t i = 0; i < bytes; i++) {
        if (x[i] != y[i])
            return x[i] - y[i];
    }
    return 0;
}

void *memchr(const void *from, int value, size_t bytes)
{
    const unsigned char *f = from;

    for (size_t i = 0; i < bytes; i++) {
        if (f[i] == (unsigned char)value)
            return (void *)(size_t)(f + i);
    }
    return NULL;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n]) {
        n++;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
    }
    return n;
}

size_t strnlen(const char *s, size_t limit)
{
    size_t n = 0;

    while (n < limit && s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, (size_t)-1);
}

int strncmp(const char *a, const char *b, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        if (a[i] != b[i] || !a[i])
            return (unsigned char)a[i] - (unsigned char)b[i];
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)(size_t)s;
        if (!*s)
            return NULL;
    }
}

char *strstr(const char *s, const char *word)
{
    size_t n = strlen(word);

    for (; strncmp(s, word, n) != 0; s++) {
        if (!*s)
            return NULL;
    }
    return (char *)(size_t)s;
}
