/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine's time for tests of calibration: each access takes some, and behind an access that the
 * test chooses the processor is away for a while, as on a busy host.
 */
#ifndef HOST_AWAY_H
#define HOST_AWAY_H

#include <check.h>
#include <stdint.h>

#define TSC_MHZ   2600u
#define LAPIC_MHZ 1000u
#define NEVER     (~(uint64_t)0)

/* Nanoseconds, and accesses so far. */
static uint64_t now, accesses;
/* Gone for `away_ns` behind the access `away_at`, and each `away_every` on. */
static uint64_t away_at, away_every, away_ns;

static inline void tick(uint64_t ns)
{
    now += ns;
    if (accesses++ == away_at) {
        now += away_ns;
        away_at += away_every;
    }
}

static inline uint64_t away_rdtsc(void)
{
    tick(20);
    return now * TSC_MHZ / 1000;
}

/* Calls `calibrated`, which calibrates and checks what has come out. */
static inline void away_from(uint64_t at, uint64_t every, uint64_t ns, void (*calibrated)(void))
{
    now = 123456789;
    accesses = 0;
    away_at = at;
    away_every = every;
    away_ns = ns;
    calibrated();
}

/* Once, at each step near the two ends of the measurement, which are what counts; then again and
 * again, as on a host with eight others at work: three milliseconds here, twenty away. */
static inline void away_everywhere(void (*calibrated)(void))
{
    away_from(NEVER, 0, 0, calibrated);
    uint64_t total = accesses;

    for (uint64_t at = 0; at < total; at += at < 50 || at + 90 > total ? 1 : 197) {
        away_from(at, NEVER, 30000000, calibrated);
        away_from(at, NEVER, 500000, calibrated);
    }
    for (uint64_t every = total * 6 / 10; every < total * 7 / 10; every += total / 100)
        away_from(every % 1000, every, 20000000, calibrated);
}

static inline int away_run(const char *name, const TTest *test)
{
    Suite *suite = suite_create(name);
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_test(all, test);
    tcase_set_timeout(all, 60);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
