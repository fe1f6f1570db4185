/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h: nanoseconds since boot, from a counter that guests can read too.
 *
 * ns = ((counter - base) * mult) >> shift, with a 128-bit product. Constant after boot; exact when
 * the counter's frequency is a whole number of megahertz.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct clock {
    uint64_t base; /**< counter at nanosecond 0 */
    uint64_t mult; /**< below 2^32 */
    uint32_t shift;
    uint64_t hz;
};

extern struct clock clock;

uint64_t arch_counter(void);

/** Scales a counter difference to nanoseconds. */
static inline uint64_t clock_scale(const struct clock *c, uint64_t delta) {
    /* Told that it is below 64 the compiler shifts by two instructions. */
    return (uint64_t)(((unsigned __int128)delta * c->mult) >> (c->shift & 63));
}

/** Nanoseconds since boot; never goes back on one CPU. */
uint64_t clock_now_ns(void);
