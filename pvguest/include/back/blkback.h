/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block back end: serves one front end from one block device.
 */
#ifndef BACK_BLKBACK_H
#define BACK_BLKBACK_H

#include "back/place.h"
#include "block.h"

struct block_back;

struct block_back_stats {
    uint64_t requests;
    uint64_t refused; /* malformed ones */
    uint64_t batches; /* wake-ups of the thread */
    uint64_t sends;   /* events to the front end */
};

/** Serve `disk` (read-only unless `writable`) to the front end at `place`; NULL without memory. */
struct block_back *block_back_open(const struct back_place *place, struct block_device *disk,
                                   bool writable);
/** Stop, wait for the requests under way, let go of everything of the peer's. */
void block_back_close(struct block_back *b);
const char *block_back_state(const struct block_back *b);
struct block_back_stats block_back_stats(const struct block_back *b);

#endif
