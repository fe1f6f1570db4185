/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel output and console input. Owns the list of sinks, the line buffer of printk and the input
 * queue, all touched with interrupts off. Output never blocks: a sink that is full drops or waits
 * on its own account, so that a handler may print.
 */
#include "printk.h"

#include "arch/cpu.h"
#include "irq.h"
#include "thread.h"

#define LINE  256u
#define INPUT 4096u /* a paste */

static struct console_sink *sinks;
static char input[INPUT];
static unsigned input_head;
static unsigned input_tail;
static struct wait_queue input_waiters;

void console_add(struct console_sink *s)
{
    uint64_t flags = irq_save();

    s->next = sinks;
    sinks = s;
    irq_restore(flags);
}

void console_write(const char *text, size_t bytes)
{
    uint64_t flags = irq_save();

    if (!sinks) {
        arch_early_write(text, bytes);
    }
    for (struct console_sink *s = sinks; s; s = s->next) {
        s->write(s, text, bytes);
    }
    irq_restore(flags);
}

void printk(const char *format, ...)
{
    static char line[LINE]; /* not on the stack: handlers print too, but interrupts are off */
    uint64_t flags = irq_save();
    va_list args;
    int n;

    va_start(args, format);
    n = format_textv(line, sizeof(line), format, args);
    va_end(args);
    console_write(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
    irq_restore(flags);
}

int format_text(char *out, size_t size, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = format_textv(out, size, format, args);
    va_end(args);
    return n;
}

/* A full queue drops what comes: the typist sees it. */
void console_input(char c)
{
    if (input_head - input_tail < INPUT) {
        input[input_head++ % INPUT] = c;
        wait_wake_one(&input_waiters);
    }
}

int console_poll(void)
{
    uint64_t flags = irq_save();
    int c = -1;

    if (input_head != input_tail) {
        c = (unsigned char)input[input_tail++ % INPUT];
    }
    irq_restore(flags);
    return c;
}

int console_getc_until(uint64_t deadline)
{
    uint64_t flags = irq_save();
    int c;

    while ((c = console_poll()) < 0 && wait_block_until(&input_waiters, deadline)) {
    }
    irq_restore(flags);
    return c;
}

char console_getc(void)
{
    uint64_t flags = irq_save();
    int c;

    while ((c = console_poll()) < 0) {
        wait_block(&input_waiters);
    }
    irq_restore(flags);
    return (char)c;
}

void console_drain(void)
{
    for (struct console_sink *s = sinks; s; s = s->next) {
        if (s->drain) {
            s->drain(s);
        }
    }
}

void shutdown(unsigned reason)
{
    console_drain();
    arch_shutdown(reason);
}

void panic(const char *format, ...)
{
    char line[LINE];
    va_list args;
    int n;

    (void)irq_save();
    va_start(args, format);
    n = format_textv(line, sizeof(line), format, args);
    va_end(args);
    arch_early_write("panic: ", 7);
    arch_early_write(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
    arch_early_write("\n", 1);
    arch_shutdown(PANIC_REASON);
}
