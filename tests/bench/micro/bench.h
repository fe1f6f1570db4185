/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a family of rows is written against. A family is a file of this folder: it measures its
 * operations with MEASURE and names itself with BENCH_FAMILY. All families are one guest image,
 * which is root; a family that needs a second domain spawns one with its own name as role, which
 * then runs `.peer`.
 */
#ifndef BENCH_H
#define BENCH_H

#include "measure.h"
#include "test.h"

#define RUNS  1000u
#define BATCH 32u

struct bench_family {
    const char *name;
    void (*run)(void);
    void (*peer)(void); /**< what test_spawn(name, …) runs; may be NULL */
    uint32_t cpus;      /**< the processors of the machine that it measures; 0: one */
} __attribute__((aligned(32)));

#define BENCH_FAMILY(name_, ...)                                                                   \
    static const struct bench_family family_##name_                                                \
        __attribute__((used, section("families"))) = { .name = #name_, __VA_ARGS__ }

/** What the runs of the row that is measured took, one word a run. */
extern uint32_t bench_sample[RUNS];

/**
 * The row of the first `runs` samples: its line on the console. What an empty marker costs is taken
 * off. `divisor` is the number of entries when the operation is a batch.
 */
void bench_report(const char *name, uint32_t runs, uint32_t divisor);

/**
 * A row that begins with an instant and not with an instruction: its samples are differences of the
 * clock, without a marker whose cost would be to be taken off, and the plugin does not see it
 * (BY_CLOCK in tests/bench/targets.py names such rows).
 */
void bench_report_clock(const char *name, uint32_t runs);

/**
 * Measure an operation `runs_` times (at most RUNS) and report it. The operation stands between the
 * two readings; the loop, `before` and the store are outside. `before` and `operation` may use
 * `run`; a declaration in `before` reaches into `operation`.
 */
#define MEASURE_RUNS(name, runs_, divisor, before, operation)                                      \
    do {                                                                                           \
        for (uint32_t run = 0; run < (runs_); run++) {                                             \
            uint32_t from, to;                                                                     \
            before;                                                                                \
            from = bench_begin();                                                                  \
            operation;                                                                             \
            to = bench_end();                                                                      \
            bench_sample[run] = to - from;                                                         \
        }                                                                                          \
        bench_report(name, (runs_), divisor);                                                      \
    } while (0)

#define MEASURE(name, divisor, before, operation)                                                  \
    MEASURE_RUNS(name, RUNS, divisor, before, operation)

#endif
