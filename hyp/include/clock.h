/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h: nanoseconds since boot, from a counter that guests can read too.
 *
 * ns = ((counter - base) * mult) >> CLOCK_SHIFT, with a 128-bit product. Constant after boot; exact
 * when the counter's frequency is a whole number of megahertz.
 */
#pragma once

#include <stdint.h>

#ifdef HYP_UNIT
uint64_t arch_counter(void);
#else
#include "arch/insn.h"
#define arch_counter rdtsc
#endif

#define CLOCK_SHIFT 31

struct clock {
    uint64_t base; /**< counter at nanosecond 0 */
    uint64_t mult; /**< below 2^32 */
    uint64_t hz;
};

extern struct clock clock;

/** Scales a counter difference to nanoseconds. */
static inline uint64_t clock_scale(const struct clock *c, uint64_t delta) {
    return (uint64_t)(((unsigned __int128)delta * c->mult) >> CLOCK_SHIFT);
}

/** Nanoseconds since boot; never goes back on one CPU. */
#ifdef HYP_UNIT
uint64_t clock_now_ns(void);
#else
static inline uint64_t clock_now_ns(void) {
    return clock_scale(&clock, arch_counter() - clock.base);
}
#endif
