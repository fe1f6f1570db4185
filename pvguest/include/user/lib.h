/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a user program of pvguest sees: system calls by Linux's numbers, and a little output.
 */
#ifndef PVGUEST_USER_LIB_H
#define PVGUEST_USER_LIB_H

#include <stddef.h>

#define USER_WRITE         1
#define USER_MMAP          9
#define USER_MUNMAP        11
#define USER_BRK           12
#define USER_YIELD         24
#define USER_GETPID        39
#define USER_EXIT          60
#define USER_CLOCK_GETTIME 228

/** One system call; negative results are errors. */
long user_syscall(long nr, long a0, long a1, long a2, long a3, long a4);

/** The instruction OUT, which a user program has no right to. */
void user_out8(unsigned port, unsigned value);

/** Put a value where only an extended register holds it, and look at it again. */
void user_keep(unsigned long value);
unsigned long user_kept(void);

size_t user_length(const char *s);
long user_write(const char *text, size_t bytes);
void user_puts(const char *text);
/** before, a decimal number, after: one write. */
void user_print(const char *before, unsigned long number, const char *after);

void *memset(void *to, int c, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);

int main(void);

#endif
