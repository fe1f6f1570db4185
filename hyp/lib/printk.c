/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * printk.c: whole lines to the console, one writer at a time.
 *
 * A panic takes the console without its lock: the holder may be the one that failed.
 */
#include "printk.h"
#include "cpu.h"
#include "lock.h"
#include "uart.h"

/* Guards the UART's transmit side. */
static struct spinlock console_lock = SPINLOCK_INIT(LOCK_CONSOLE);

/* A line in the making, so that the UART is fed by FIFO loads rather than by characters. */
struct line {
    size_t used;
    char text[128];
};

static void line_flush(struct line *line) {
    uart_write(line->text, line->used);
    line->used = 0;
}

static void line_sink(char c, void *arg) {
    struct line *line = arg;

    if (line->used == sizeof(line->text)) line_flush(line);
    line->text[line->used++] = c;
}

/* A panic does not wait for the line that it interrupted. */
static bool console_enter(void) {
    bool locked = !this_cpu()->panicking;

    if (locked) spin_lock(&console_lock);
    return locked;
}

void printk(const char *format, ...) {
    struct line line = { .used = 5, .text = "hyp: " };
    bool locked = console_enter();
    va_list args;

    va_start(args, format);
    format_to(line_sink, &line, format, args);
    va_end(args);
    line_sink('\n', &line);
    line_flush(&line);
    if (locked) spin_unlock(&console_lock);
}

void console_write(const char *text, size_t length) {
    bool locked = console_enter();

    uart_write(text, length);
    if (locked) spin_unlock(&console_lock);
}
