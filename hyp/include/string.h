/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * string.h: the few C library functions that hyp uses; the compiler may call the first four.
 */
#pragma once

#include <stddef.h>

void *memset(void *to, int byte, size_t count);
void *memcpy(void *restrict to, const void *restrict from, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t limit);
int strncmp(const char *a, const char *b, size_t limit);
char *strchr(const char *s, int c);

/** Copies at most size - 1 characters and always terminates; returns whether all fitted. */
int string_copy(char *to, size_t size, const char *from);
