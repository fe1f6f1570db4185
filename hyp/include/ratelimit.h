/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A token bucket: how much of something a guest may cause in a time. Its owner guards it.
 */
#pragma once

#include "types.h"

struct bucket {
    uint64_t refilled; /* ns: up to when tokens were counted */
    uint64_t tokens;
};

/*
 * Takes up to `want` tokens and returns how many were there. One comes every `period` ns, at most
 * `burst` are kept; a bucket that was never used is full.
 */
static inline uint64_t bucket_take(struct bucket *b, uint64_t now, uint64_t want, uint64_t period,
                                   uint64_t burst) {
    uint64_t come = (now - b->refilled) / period;
    uint64_t taken;

    if (b->refilled == 0 || come >= burst || b->tokens + come >= burst) {
        b->tokens = burst;
        b->refilled = now ? now : 1;
    } else {
        b->tokens += come;
        b->refilled += come * period;
    }
    taken = want < b->tokens ? want : b->tokens;
    b->tokens -= taken;
    return taken;
}
