/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user program's library: output by system call. Owns nothing.
 */
#include "user/lib.h"

size_t user_length(const char *s)
{
    size_t n = 0;

    while (s[n] != '\0') {
        n++;
    }
    return n;
}

long user_write(const char *text, size_t bytes)
{
    return user_syscall(USER_WRITE, 1, (long)text, (long)bytes, 0, 0);
}

void user_puts(const char *text)
{
    (void)user_write(text, user_length(text));
}

/* Digits are made from the end of the buffer; text and number go out in one write, so that the line
 * stays whole. */
void user_print(const char *before, unsigned long number, const char *after)
{
    char line[160];
    char digits[24];
    size_t n = 0;
    size_t d = sizeof(digits);

    do {
        digits[--d] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (; *before != '\0' && n < 80; before++) {
        line[n++] = *before;
    }
    for (; d < sizeof(digits); d++) {
        line[n++] = digits[d];
    }
    for (; *after != '\0' && n < sizeof(line); after++) {
        line[n++] = *after;
    }
    (void)user_write(line, n);
}

/* The compiler calls these two by itself. */
void *memset(void *to, int c, size_t bytes)
{
    volatile char *p = to;

    while (bytes-- > 0) {
        *p++ = (char)c;
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
    volatile char *p = to;
    const char *s = from;

    while (bytes-- > 0) {
        *p++ = *s++;
    }
    return to;
}
