/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What output costs, by whatever driver stands behind the console: role `consolebench`, with
 * `mode=MODE` as the name of the way. A pass writes LINES lines of WIDTH characters, as printk
 * would, and sleeps until all of them must be out, on whatever terminal there is; an empty pass
 * only sleeps. For a run under -icount with a counter of instructions outside, which does not count
 * the sleep.
 */
#include "clock.h"
#include "guest.h"
#include "kernel.h"
#include "kstring.h"
#include "printk.h"
#include "thread.h"

#define WIDTH   80u
#define LINES   32u
#define PASSES  9u
#define REST_NS (40 * NS_PER_MS)

static uint64_t sample[PASSES];

static __attribute__((noinline)) void pass(const char *line, unsigned lines)
{
    measure_mark_begin();
    for (unsigned i = 0; i < lines; i++) {
        console_write(line, WIDTH);
    }
    thread_sleep_ns(REST_NS);
    measure_mark_end();
}

static void passes(const char *line, unsigned lines)
{
    for (unsigned n = 0; n < PASSES; n++) {
        uint64_t from = clock_ns();

        pass(line, lines);
        sample[n] = clock_ns() - from;
    }
}

static unsigned role_consolebench(void)
{
    struct measure start;
    char line[WIDTH], mode[24] = "unnamed";
    const struct arch_counter *c;

    (void)option_text("mode", mode, sizeof(mode));
    memset(line, '.', sizeof(line));
    line[WIDTH - 1] = '\n';
    passes(line, 0);
    measure_mark_empty();
    start = measure_now();
    passes(line, LINES);
    measure_mark_row();
    start = measure_since(&start);
    samples_sort(sample, PASSES);
    printk("BENCH console.write_%u %s instructions %lu %lu %lu %u %u\n", WIDTH, mode,
           sample[PASSES / 2], sample[0], sample[PASSES - 1], PASSES, LINES);
    for (unsigned i = 0; (c = arch_counter(i)) != NULL; i++) {
        printk("COUNT console.write_%u %s %s %lu %u\n", WIDTH, mode, c->key, start.usage.count[i],
               PASSES * LINES);
    }
    return 0;
}

ROLE("consolebench", role_consolebench);
