/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two instants between which a guest counts instructions.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include "mark.h"
#include <stdint.h>

/* What the plugin is to know beside. */
#define BENCH_MARK(mark) __asm__ volatile("nopl %c0(%%rax)" : : "i"(mark))

/*
 * The two ends of what is measured: the time stamp counter, which counts instructions (its low half
 * only: no operation is longer than 2^32 of them), and a no-operation that the counting plugin
 * knows (tests/bench/plugin). Nothing can come between the two.
 */
static inline uint32_t bench_begin(void)
{
    uint32_t low;

    __asm__ volatile("rdtsc\n\tmovl %%eax, %0\n\tnopl %c1(%%rax)"
                     : "=r"(low)
                     : "i"(BENCH_BEGIN)
                     : "rax", "rdx", "memory");
    return low;
}

static inline uint32_t bench_end(void)
{
    uint32_t low;

    __asm__ volatile("nopl %c1(%%rax)\n\trdtsc" : "=a"(low) : "i"(BENCH_END) : "rdx", "memory");
    return low;
}

#endif
