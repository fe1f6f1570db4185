/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * printk.h: formatted output to the machine's console and into buffers.
 *
 * Conversions: %s %d %u %x %%, with l, z, '0' and a width. A guest must not be able to trigger an
 * unlimited number of printk calls.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/** Takes one character of formatted output. */
typedef void format_sink_t(char c, void *arg);

/** Formats into a sink; returns the number of characters. */
int format_to(format_sink_t *sink, void *arg, const char *format, va_list args);

/** Formats into a buffer, always terminated if size > 0; returns the untruncated length. */
int snprintf(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

int vsnprintf(char *buffer, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/** Prints one "hyp: " line; the line feed is added. */
void printk(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Prints raw text as it is (a guest's line, already filtered and prefixed by the caller). */
void console_write(const char *text, size_t length);
