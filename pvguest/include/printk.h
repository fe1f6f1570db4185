/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel output. printk formats a line and gives it to every sink that is registered; before the
 * first sink is there, to the architecture's early console.
 */
#ifndef PVGUEST_PRINTK_H
#define PVGUEST_PRINTK_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

void printk(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** As snprintf: %d %i %u %x %X %p %s %c %% with l, ll, z, width, precision, '-' and '0'. The
 * formatting, like the string functions, comes with the architecture. */
int format_text(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int format_textv(char *out, size_t size, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/** A place where output goes. `write` may not block and may not print; `drain` (or NULL) waits
 * until all of it is out of this kernel's hands. */
struct console_sink {
    void (*write)(struct console_sink *s, const char *text, size_t bytes);
    void (*drain)(struct console_sink *s);
    struct console_sink *next;
};

/** Send output to `s` from now on. */
void console_add(struct console_sink *s);
/** Write to all sinks. */
void console_write(const char *text, size_t bytes);
/** A byte of input has come (from a console driver's interrupt). */
void console_input(char c);
/** Wait for a byte of input. */
char console_getc(void);
/** Wait for one until absolute time `deadline` at most: -1 when none has come. */
int console_getc_until(uint64_t deadline);
/** A byte of input, or -1 when there is none. */
int console_poll(void);

/** Print and stop the machine with reason `1`. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Flush and stop the machine; `reason` 0 is success. */
_Noreturn void shutdown(unsigned reason);
/** Waits until the sinks have taken all that was printed, or for as long as they try. Threads only.
 */
void console_drain(void);

#define PANIC_REASON 1u

#endif
