/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bad neighbour: writes to its console what a terminal would obey, what others could have
 * written, a line without an end, and then `lines` lines, with time for each to get out, and the
 * last of them for certain; when it is not said how many, it never stops and takes no breath.
 */
#include "clock.h"
#include "guest.h"
#include "kernel.h"
#include "kstring.h"
#include "printk.h"
#include "thread.h"

#define LONG 40000u

static void write(const char *text)
{
    console_write(text, strlen(text));
}

static unsigned role_shout(void)
{
    uint64_t lines = option_number("lines", 0);

    write("\033[2J\033[1;1Hanybody> \033]0;title\007\n");
    write("\033[Aroot: forged by cursor\n");
    write("gone\rroot: forged by return\n");
    write("gone\b\b\b\b\b\b\b\b\b\b\b\broot: forged by backspace\n");
    write("\2332J\220\235root: forged by eight bits\n");
    write("\016\017\005\033c\033Z\x7f\n");
    for (unsigned n = 0; n < LONG; n++) {
        write("x");
        if (lines && n % 512 == 0) {
            thread_sleep_ns(NS_PER_MS);
        }
    }
    write("\n");
    for (uint64_t n = 1; !lines || n <= lines; n++) {
        if (n == lines) {
            console_drain(); /* the last one finds room */
        }
        printk("shout %lu: the quick brown fox jumps over the lazy dog, again and again\n",
               (unsigned long)n);
        if (lines) {
            thread_sleep_ns(NS_PER_MS);
        }
    }
    return 0;
}

ROLE("shout", role_shout);
