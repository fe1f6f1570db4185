/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device pages and rings: how a front end and a back end meet and talk. No hypercall knows of
 * these; they are a contract between guests.
 *
 * Each cache line and each page has one writer. Indices run freely (32 bits) and are taken modulo
 * the number of slots. A reader copies a slot out once and checks the copy. A producer index that
 * is more than the ring ahead of the reader's private cursor, or moves backwards, breaks the ring:
 * the reader stops using it and says DEAD; it is not harmed. Producer: write slots; release-store
 * prod; full fence; read the other side's event; send when event lies in (old, new]. Consumer: when
 * empty, store event = own cursor + 1; full fence; look once more at prod.
 */
#ifndef HV_RING_H
#define HV_RING_H

#include "hv_call.h"

/** States of one end, in its own line of the device page. */
#define HV_DEV_RESET 0u
#define HV_DEV_OFFER 1u /**< front: grants and ring sizes are written */
#define HV_DEV_ACK   2u /**< back: features and geometry are written, everything is mapped */
#define HV_DEV_RUN   3u
#define HV_DEV_DEAD  4u

/** Data regions of a device. */
#define HV_DEV_MAX_GRANTS 24u

/** Queues of a device: each is a pair of rings and a port. */
#define HV_DEV_MAX_QUEUES 8u

/** A queue beyond the first, written by the front end before OFFER. Its rings have as many pages as
 * the first one's. */
struct hv_device_queue {
    uint64_t request_ref;
    uint64_t response_ref;
    uint32_t port; /**< of the front end, made for the back end's domain, which binds to it */
    uint32_t rsvd;
};
HV_STATIC_ASSERT(sizeof(struct hv_device_queue) == 24, "layout");

/** The device page. Front end writes `front` and `queue`, back end writes `back`; state last, with
 * release. An end says RESET before it changes its generation; the other end reads the generation,
 * with acquire, before the state. */
struct hv_device_page {
    struct {
        uint32_t state;
        uint32_t generation; /**< +1 at every offer; the back end answers with the same */
        uint64_t features;   /**< offered; the back end says which of them it agrees on */
        uint32_t ring_pages; /**< pages of the request ring and of the response ring, each 1..8 */
        uint32_t region_count;
        uint64_t request_ref;  /**< grant of the request ring's pages, read-only */
        uint64_t response_ref; /**< grant of the response ring's pages, read-write */
        uint32_t queues;       /**< offered, 1..HV_DEV_MAX_QUEUES; 0 is 1 */
        uint32_t rsvd2;
        uint64_t rsvd[2];
        uint64_t region_ref[HV_DEV_MAX_GRANTS]; /**< grants of data regions, read-write, 512 pages
                                                   each but the last */
        uint64_t region_pages[HV_DEV_MAX_GRANTS];
    } front;
    uint64_t rsvd0[8];
    struct {
        uint32_t state;
        uint32_t generation;
        uint64_t features;
        uint64_t config[14]; /**< by class, see hv_block.h */
    } back;
    struct hv_device_queue queue[HV_DEV_MAX_QUEUES - 1]; /**< by the front end: queues 1, 2, … */
    uint64_t rsvd1[411];
};
HV_STATIC_ASSERT(sizeof(struct hv_device_page) == 4096, "layout");

/** Head of a ring: the first 64 bytes of its first page, then slots, the largest power of two that
 * fits into the ring's pages. `prod`: slots written; `event`: see above. A ring starts zeroed. */
struct hv_ring_head {
    uint32_t prod;  /**< by the ring's writer: slots it has produced */
    uint32_t event; /**< by the ring's writer: tell me when the OTHER ring's prod reaches this */
    uint32_t rsvd[14];
};
HV_STATIC_ASSERT(sizeof(struct hv_ring_head) == 64, "layout");

#endif
