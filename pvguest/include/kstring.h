/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of <string.h> that the kernel uses. The functions come with the architecture (a library
 * or its own); the compiler calls the first three by itself as well.
 */
#ifndef PVGUEST_KSTRING_H
#define PVGUEST_KSTRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int c, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t bytes);

#endif
