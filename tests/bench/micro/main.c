/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's own operations, each from the instruction before it in the guest to the one
 * after it, stub included. The rows are in files of their own, one a family; this one runs them.
 *
 * Runs as root under -icount shift=0, where the time stamp counter counts instructions. One line a
 * row goes to the console: "BENCH name mode unit median min max runs divisor";
 * tests/bench/run.py collects them.
 */
#include "bench.h"

const char test_title[] = "instructions of the hypervisor's operations";

uint32_t bench_sample[RUNS];
static uint32_t empty;

extern const struct bench_family __start_families[], __stop_families[];

static void sort_samples(uint32_t runs)
{
    for (uint32_t i = 1; i < runs; i++) {
        uint32_t value = bench_sample[i], j = i;

        for (; j > 0 && bench_sample[j - 1] > value; j--) {
            bench_sample[j] = bench_sample[j - 1];
        }
        bench_sample[j] = value;
    }
}

static void line(const char *name, uint32_t runs, uint32_t divisor, uint32_t off)
{
    sort_samples(runs);
    hv_printf("BENCH %s pv instructions %u %u %u %u %u\n", name, bench_sample[runs / 2] - off,
              bench_sample[0] - off, bench_sample[runs - 1] - off, runs, divisor);
}

void bench_report(const char *name, uint32_t runs, uint32_t divisor)
{
    BENCH_MARK(BENCH_ROW);
    line(name, runs, divisor, empty);
}

void bench_report_clock(const char *name, uint32_t runs)
{
    line(name, runs, 1, 0);
}

static void measure_empty(void)
{
    for (uint32_t run = 0; run < RUNS; run++) {
        uint32_t from = bench_begin(), to = bench_end();

        bench_sample[run] = to - from;
    }
    BENCH_MARK(BENCH_EMPTY);
    sort_samples(RUNS);
    empty = bench_sample[RUNS / 2];
    hv_printf("bench: an empty marker is %u instructions\n", empty);
}

void test_main(void)
{
    const struct bench_family *f;
    uint32_t cpus;

    if (!test_is("root")) {
        for (f = __start_families; f < __stop_families; f++) {
            if (test_is(f->name)) {
                f->peer();
            }
        }
        return;
    }
    hv_printf("bench: guest's first line at TSC %lu\n", hv_tsc());
    measure_empty();
    cpus = test_cpus();
    for (f = __start_families; f < __stop_families; f++) {
        if (cpus == (f->cpus ? f->cpus : 1)) {
            f->run();
        }
    }
}
