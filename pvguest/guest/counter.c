/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest without a disk: counts, says once a second how far it came and how much of the CPU it
 * got, and ends when "quit" is typed at its console, or after `seconds=` of them.
 */
#include "clock.h"
#include "guest.h"
#include "kernel.h"
#include "kstring.h"
#include "printk.h"
#include "thread.h"

#define STEP 65536u

/* The same each time it is called with the line's rest: true once the word is complete. */
static bool quit_typed(void)
{
    static char line[8];
    static unsigned length;
    int c;

    while ((c = console_poll()) >= 0) {
        if (c == '\n' || c == '\r') {
            line[length] = '\0';
            length = 0;
            if (strcmp(line, "quit") == 0) {
                return true;
            }
        } else if (length + 1 < sizeof(line)) {
            line[length++] = (char)c;
        }
    }
    return false;
}

static void report(uint64_t count, const struct measure *last)
{
    struct measure m = measure_since(last);
    unsigned share = measure_share(&m);

    printk("counter: %lu, share of the CPU %u.%u%%\n", (unsigned long)count, share / 10,
           share % 10);
}

static unsigned role_counter(void)
{
    uint64_t seconds = option_number("seconds", UINT64_MAX / NS_PER_S / 2);
    uint64_t start = clock_ns();
    uint64_t end = start + seconds * NS_PER_S;
    uint64_t next = start + NS_PER_S;
    struct measure last = measure_now();
    volatile uint64_t count = 0;
    uint64_t now;

    while ((now = clock_ns()) < end && !quit_typed()) {
        for (unsigned i = 0; i < STEP; i++) {
            count = count + 1;
        }
        if (now >= next) {
            report(count, &last);
            last = measure_now();
            next += NS_PER_S;
        }
        thread_yield();
    }
    printk("COUNTER count=%lu seconds=%lu\n", (unsigned long)count,
           (unsigned long)((clock_ns() - start) / NS_PER_S));
    print_share();
    return 0;
}

ROLE("counter", role_counter);
