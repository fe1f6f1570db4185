/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings, for both ends: one end owns a ring for writing (`out`) and reads the other's (`in`).
 *
 * An end trusts nothing it reads. Its own cursors are private and never read back; the peer's
 * producer index is checked before it is used, and an index that cannot be right breaks the ring:
 * from then on every call returns -HV_EDEAD, and nothing else happens. A slot is copied out once,
 * and the copy is what the caller checks and uses. All shared memory is touched through guarded
 * accesses, so that a revoked grant shows as -HV_EDEAD too.
 *
 * The number of slots is the largest power of two that fits behind the head, so that free running
 * 32-bit indices stay right when they wrap.
 *
 *      out, written here                      in, written by the peer
 *      +------+----+----+----+----+           +------+----+----+----+----+
 *      | head | .. | .. |    |    |           | head | .. | .. | .. |    |
 *      +------+----+----+----+----+           +------+----+----+----+----+
 *                         ^ prod (private,            ^ cons       ^ in_prod (checked
 *                           published by push)          (private)    copy of the peer's)
 *
 * How much may be put:
 *   HV_RING_FRONT   each slot put is answered by one slot got: at most a ring of unanswered ones
 *   HV_RING_BACK    at most one answer to each slot got
 *   HV_RING_STREAM  no answers: what the peer has consumed is taken from the event index that it
 *                   publishes (hv_ring_sleep, hv_ring_consumed)
 */
#ifndef HVLIB_RING_H
#define HVLIB_RING_H

#include "hvlib/cxx.h"
#include <hv_ring.h>
#include <stdbool.h>

HV_C_BEGIN

#define HV_RING_FRONT  0u
#define HV_RING_BACK   1u
#define HV_RING_STREAM 2u

#define HV_RING_MAX_PAGES 8u

struct hv_ring {
    struct hv_ring_head *out;
    const struct hv_ring_head *in;
    uint32_t out_slots, in_slots; /* powers of two */
    uint32_t out_size, in_size;   /* bytes of a slot */
    uint32_t kind;                /* HV_RING_FRONT, … */
    uint32_t prod;                /* slots put */
    uint32_t pushed;              /* of these, published */
    uint32_t cons;                /* slots got */
    uint32_t in_prod;             /* the peer's prod when last looked at, checked */
    uint32_t acked;               /* STREAM: slots that the peer has surely consumed */
    bool broken;
};

/** Slots of `size` bytes in a ring of `pages` pages: a power of two, 0 when none fits. */
uint32_t hv_ring_slots(uint32_t pages, uint32_t size);

/**
 * Set up one end: `out` and `in` are page aligned, of `out_pages` and `in_pages` pages (1..8). The
 * owner of the memory has zeroed it; both ends start at 0. Returns 0, or -HV_EINVAL when the sizes
 * make no ring.
 */
int64_t hv_ring_init(struct hv_ring *r, uint32_t kind, void *out, uint32_t out_pages,
                     uint32_t out_size, const void *in, uint32_t in_pages, uint32_t in_size);

/** Slots that may be put now. */
uint32_t hv_ring_room(struct hv_ring *r);

/** Write one slot; the peer does not see it yet. Returns 0, -HV_EAGAIN without room, -HV_EDEAD. */
int64_t hv_ring_put(struct hv_ring *r, const void *slot);

/** Publish what was put. Returns 1 when the peer wants an event, 0 when not, -HV_EDEAD. */
int64_t hv_ring_push(struct hv_ring *r);

/** Copy the next slot out. Returns 1, 0 when there is none, -HV_EDEAD. */
int64_t hv_ring_get(struct hv_ring *r, void *slot);

/** Ask for an event with the next slot. Returns 0: nothing is there, the event will come; 1: there
 * is something after all, go on getting; -HV_EDEAD. */
int64_t hv_ring_sleep(struct hv_ring *r);

/** The same, for an event when `slots` (1..) slots are there, for an end that expects at least so
 * many and can let them gather. Returns 1 when they are there already. Not for HV_RING_STREAM. */
int64_t hv_ring_sleep_for(struct hv_ring *r, uint32_t slots);

/** STREAM: tell the peer how much was consumed, without going to sleep. Returns 0 or -HV_EDEAD. */
int64_t hv_ring_consumed(struct hv_ring *r);

/**
 * Typed functions for one end: NAME_init, NAME_put, NAME_get, the first with the kind and the sizes
 * filled in, the others taking only the right structures.
 */
#define HV_RING_DEFINE(NAME, KIND, OUT_TYPE, IN_TYPE)                                              \
    __attribute__((unused)) static inline int64_t NAME##_init(                                     \
        struct hv_ring *r, void *out, uint32_t out_pages, const void *in, uint32_t in_pages)       \
    {                                                                                              \
        return hv_ring_init(r, KIND, out, out_pages, (uint32_t)sizeof(OUT_TYPE), in, in_pages,     \
                            (uint32_t)sizeof(IN_TYPE));                                            \
    }                                                                                              \
    __attribute__((unused)) static inline int64_t NAME##_put(struct hv_ring *r,                    \
                                                             const OUT_TYPE *slot)                 \
    {                                                                                              \
        return hv_ring_put(r, slot);                                                               \
    }                                                                                              \
    __attribute__((unused)) static inline int64_t NAME##_get(struct hv_ring *r, IN_TYPE *slot)     \
    {                                                                                              \
        return hv_ring_get(r, slot);                                                               \
    }                                                                                              \
    HV_STATIC_ASSERT(sizeof(OUT_TYPE) >= 4 && sizeof(IN_TYPE) >= 4, "slot")

HV_C_END

#endif
