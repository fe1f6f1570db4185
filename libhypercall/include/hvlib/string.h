/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few functions of <string.h> that freestanding code and the compilers themselves need.
 */
#ifndef HVLIB_STRING_H
#define HVLIB_STRING_H

#include "hvlib/cxx.h"
#include <stddef.h>

HV_C_BEGIN

void *memcpy(void *HV_RESTRICT to, const void *HV_RESTRICT from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
void *memchr(const void *from, int value, size_t bytes);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);
char *strchr(const char *s, int c);
char *strstr(const char *s, const char *word);

HV_C_END

#endif
