/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=240
 *
 * Threat (E8). A scheduler that charges by samples, or at the end of slices, charges whoever runs
 * at that moment: a guest that knows when it comes sleeps or yields just before it, runs the rest
 * of the time, and is charged for nothing; its neighbour pays. One that takes a sleeper for an
 * interactive guest, and puts it first for it, gives the same away.
 *
 * This guest runs 9 ms and sleeps 1 ms, and other times around the length of a slice and of the
 * period of a cap, from its wake-up on or at fixed phases of the clock, with one vCPU or many,
 * alone or with accomplices; it yields just before the end of its slice, and all the time; it wakes
 * as often as it can. Its neighbour computes. Held here: by CPU time over 2 s, the guest has at
 * most its due, or what the neighbour has by its weight when accomplices leave some of theirs, and
 * 2%, the neighbour at least its due less 2%; one that wants nine tenths has its due. A capped one
 * has its cap and 2% at most.
 */
#include "load.h"

const char test_title[] = "sleeping, yielding and waking at chosen moments gains less than 2%";

#define WINDOW (2 * LOAD_S)

static const struct pattern {
    const char *what;
    struct load l;
    bool full; /* it wants more than its due, whatever it gains by its sleeps */
} patterns[] = {
    { "only computes", { .run = 0 }, true },
    { "9 ms and 1 ms", { .run = 9 * LOAD_MS, .then = LOAD_SLEEPS, .sleep = LOAD_MS }, true },
    { "4.9 ms and 0.1 ms", { .run = 4900000, .then = LOAD_SLEEPS, .sleep = 100000 }, true },
    { "4.99 ms and 10 us", { .run = 4990000, .then = LOAD_SLEEPS, .sleep = 10000 }, true },
    { "2.9 ms and 3 ms", { .run = 2900000, .then = LOAD_SLEEPS, .sleep = 3 * LOAD_MS }, false },
    { "0.9 ms and 0.1 ms", { .run = 900000, .then = LOAD_SLEEPS, .sleep = 100000 }, true },
    { "9 ms, to the next 10",
      { .run = 9 * LOAD_MS, .then = LOAD_PHASE, .sleep = 10 * LOAD_MS },
      false },
    { "4.9 ms, to the next 5",
      { .run = 4900000, .then = LOAD_PHASE, .sleep = 5 * LOAD_MS },
      false },
    { "0.45 ms, to the next 0.5", { .run = 450000, .then = LOAD_PHASE, .sleep = 500000 }, false },
    { "a yield after 4.9 ms", { .run = 4900000, .then = LOAD_YIELDS }, false },
    { "a yield after 0.1 ms", { .run = 100000, .then = LOAD_YIELDS }, false },
    { "wakes after 10 us", { .run = 1000, .then = LOAD_SLEEPS, .sleep = 10000 }, false },
    { "16 of 0.5 and 1 ms",
      { .vcpus = 16, .run = 500000, .then = LOAD_SLEEPS, .sleep = LOAD_MS },
      true },
    { "16 that wake after 30 us",
      { .vcpus = 16, .run = 20000, .then = LOAD_SLEEPS, .sleep = 30000 },
      true },
};

/* `count` guests of one weight beside the neighbour. */
static void beside(const struct pattern *p, uint32_t count, uint32_t weight)
{
    struct load l[4] = { { .weight = 256 } };
    uint32_t weights = 256 + count * weight;
    uint64_t passed, due, most;

    for (uint32_t i = 1; i <= count; i++) {
        l[i] = p->l;
        l[i].weight = weight;
    }
    load_start_all(l, 1 + count);
    load_sleep(40 * LOAD_MS);
    passed = load_measure(l, 1 + count, WINDOW);
    due = passed * 256 / weights;
    hv_printf("%u at %u, %s: the neighbour has %lu us, due %lu us;", count, weight, p->what,
              l[0].ran / 1000, due / 1000);
    for (uint32_t i = 1; i <= count; i++)
        hv_printf(" %lu", l[i].ran / 1000);
    hv_printf(" us for the other\n");
    if (l[0].ran * 100 < due * 98)
        test_failure("%s leaves the neighbour %lu ns of %lu", p->what, l[0].ran, due);
    /* What accomplices leave is shared: the neighbour, who takes all it can get, says how much. */
    due = passed * weight / weights;
    most = l[0].ran * weight / 256 > due ? l[0].ran * weight / 256 : due;
    for (uint32_t i = 1; i <= count; i++) {
        if (l[i].ran * 100 > most * 102)
            test_failure("%s has %lu ns, not %lu", p->what, l[i].ran, most);
        if (p->full && l[i].ran * 100 < due * 98)
            test_failure("%s has only %lu ns of %lu", p->what, l[i].ran, due);
    }
    load_end_all(l, 1 + count);
}

/* The same around the period of a cap. */
static void capped(const struct pattern *p)
{
    struct load l = p->l;
    uint64_t passed;

    l.cap = 25;
    load_start_all(&l, 1);
    load_sleep(40 * LOAD_MS);
    passed = load_measure(&l, 1, WINDOW);
    hv_printf("capped to 25%%, %s: %lu us, at most %lu us\n", p->what, l.ran / 1000, passed / 4000);
    if (l.ran * 400 > passed * 102)
        test_failure("%s has %lu ns of %lu under a cap of 25%%", p->what, l.ran, passed);
    load_end_all(&l, 1);
}

void test_main(void)
{
    if (load_main())
        return;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        beside(&patterns[i], 1, 256);
        beside(&patterns[i], 1, 1024);
        beside(&patterns[i], 3, 256);
        capped(&patterns[i]);
    }
}
