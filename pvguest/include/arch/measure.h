/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the machine beneath has counted for this kernel. How much of the time it had the processor
 * can be told of every machine; which other counts exist differs, so each comes with its names.
 */
#ifndef PVGUEST_ARCH_MEASURE_H
#define PVGUEST_ARCH_MEASURE_H

#include <stdint.h>

#define ARCH_MAX_COUNTERS 8u

struct arch_counter {
    const char *key;  /**< in lines for programs */
    const char *text; /**< in tables for people */
};

/** Counter `n` (0..), or NULL behind the last one; at most ARCH_MAX_COUNTERS. */
const struct arch_counter *arch_counter(unsigned n);

/** Since the start, of all CPUs together. What reading it costs is not in it. */
struct arch_usage {
    uint64_t running; /**< nanoseconds on the processor */
    uint64_t total;   /**< nanoseconds in all states */
    uint64_t trapped; /**< port accesses that something beneath carried out instead */
    uint64_t copied;  /**< bytes copied on this kernel's behalf */
    uint64_t count[ARCH_MAX_COUNTERS];
};

/*
 * Markers for a tool that watches the machine from outside and counts instructions: begin and end
 * of a sample, "the samples so far had nothing between", "the samples so far are a row".
 */
#define MEASURE_MARK(n) __asm__ volatile("nopl %c0(%%rax)" : : "i"(0x50560000 + (n)) : "memory")

static inline void measure_mark_begin(void)
{
    MEASURE_MARK(1);
}

static inline void measure_mark_end(void)
{
    MEASURE_MARK(2);
}

static inline void measure_mark_empty(void)
{
    MEASURE_MARK(3);
}

static inline void measure_mark_row(void)
{
    MEASURE_MARK(4);
}

/** Read it all; `now` is the time at which, as arch_clock_ns gives it. */
void arch_usage_read(struct arch_usage *u, uint64_t *now);

#endif
