/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The early console: text by hypercall, and a small printf. Once hvlib/consolefront.h has opened
 * the domain's own console, the same functions use that.
 *
 * Root prints as it likes; from every other domain whole lines are printed, at a limited rate, with
 * the domain's number in front. hv_puts waits when the limit is hit, so nothing is lost.
 */
#ifndef HVLIB_CONSOLE_H
#define HVLIB_CONSOLE_H

#include "hvlib/cxx.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

HV_C_BEGIN

/** Write text, as it is. */
void hv_write(const char *text, size_t bytes);
void hv_puts(const char *text);

/** Formatted output: %c %s %d %i %u %x %X %p %%, lengths l ll z h hh, flags 0 - +, width and
 * precision as digits or *. Lines of at most 511 bytes; longer ones are cut. Returns the number of
 * bytes. */
int hv_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int hv_vprintf(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

/** Into a buffer, always NUL-terminated when `bytes` is not 0. Returns the length it would have
 * had. */
int hv_snprintf(char *buffer, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int hv_vsnprintf(char *buffer, size_t bytes, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/** Read up to `bytes` of console input into `buffer`, without waiting. Without an own console only
 * the console's holder has any. Returns the number of bytes, an error of console_read, or -HV_EDEAD
 * when the own console's back end is gone. */
int64_t hv_console_input(char *buffer, size_t bytes);

HV_C_END

#endif
