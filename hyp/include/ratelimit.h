/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A token bucket: how much of something a guest may cause in a time. Its owner guards it.
 */
#pragma once

#include "types.h"

struct bucket {
    uint64_t full_at; /* ns: when it has all its tokens, if none is taken */
};

/*
 * Takes up to `want` tokens and returns how many were there. One comes every `period` ns, at most
 * `burst` are kept; a bucket that was never used is full.
 */
static inline uint64_t bucket_take(struct bucket *b, uint64_t now, uint64_t want, uint64_t period,
                                   uint64_t burst) {
    uint64_t full_at = b->full_at > now ? b->full_at : now;
    uint64_t gone = (full_at - now + period - 1) / period;
    uint64_t left = gone < burst ? burst - gone : 0; /* another pCPU's clock may be behind */
    uint64_t taken = want < left ? want : left;

    b->full_at = full_at + taken * period;
    return taken;
}
