/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A page of code that measures switches, whichever vCPU of whichever domain runs it, and the page
 * that they all write what they find into.
 */
#ifndef BENCH_TURN_H
#define BENCH_TURN_H

#define BENCH_TURNS 1000

/* Offsets in the page. */
#define TURN_COUNT  4
#define TURN_SAMPLE 8

#ifndef __ASSEMBLER__
#include <stdint.h>

/* All of one page, at its own address in every domain. */
extern char bench_turn[];

/* `count` is how many turns there were: from a number below 0 on, as signed, the samples are those
 * of the turns 0 to BENCH_TURNS - 1. */
extern struct bench_turns {
    uint32_t from; /* the time stamp at the last begin */
    uint32_t count;
    uint32_t sample[BENCH_TURNS];
} bench_turns;
#endif
#endif
