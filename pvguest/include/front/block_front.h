/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The insides of the block front end, shared by its two files: the connection and the requests.
 */
#ifndef PVGUEST_FRONT_BLOCK_H
#define PVGUEST_FRONT_BLOCK_H

#include "block.h"
#include "clock.h"

#include <hv_block.h>
#include <hv_start.h>
#include <hvlib/device.h>
#include <hvlib/ring.h>

#define TAGS         HV_BLOCK_MAX_INFLIGHT
#define BUFFER_BYTES (HV_BLOCK_MAX_SECTORS * HV_BLOCK_SECTOR)
#define REGION_BYTES (TAGS * BUFFER_BYTES)
#define REGION_PAGES (REGION_BYTES / HV_PAGE_SIZE)

HV_RING_DEFINE(block_ring, HV_RING_FRONT, struct hv_block_request, struct hv_block_response);

/** One of the rings, and the port that tells of it. */
struct front_queue {
    struct front_block *owner;
    struct hv_ring ring;
    void *request_page;
    void *response_page;
    int64_t request_ref;
    int64_t response_ref;
    uint32_t port;      /**< of the first queue it is the record's */
    uint32_t under_way; /**< requests on this ring */
};

/** A request that the back end has, or will get again. */
struct inflight {
    struct block_request *request; /**< NULL: the tag is free */
    struct front_queue *queue;
    struct hv_block_request wire;
    uint64_t order; /**< of submission */
    bool bounce;    /**< the data go through a buffer of the region that is this request's own */
};

struct front_block {
    struct block_device device;
    struct hv_device record;
    struct hv_front front;
    struct front_queue queue[HV_DEV_MAX_QUEUES];
    unsigned queues; /**< offered: one for each CPU, if `queues=` does not say otherwise */
    unsigned served; /**< of these, from the first on, by the back end */
    bool in_turn;    /**< `queues=` was said: a request takes the next one, whatever CPU it is on */
    unsigned turn;
    char *region;
    int64_t region_ref;
    bool granted;
    bool running;
    bool gone;
    unsigned refused; /**< offers in a row that the back end turned down */
    struct timer retry;
    struct wait_queue waiters; /**< of whoever waits for the connection */
    struct inflight inflight[TAGS];
    uint32_t tags;    /**< bit n: tag n is free */
    uint32_t buffers; /**< bit n: buffer n is free */
    uint64_t order;
    struct block_request *waiting; /**< not started for want of a tag, a buffer or a connection */
    struct block_request *waiting_last;
};

extern const struct block_ops front_block_ops;

/** Leave the back end and connect anew, as if it had died (ops.restart). */
bool front_block_restart(struct block_device *d);

/** The connection is new: give the back end all that was not acknowledged, then what waits. */
void front_block_resubmit(struct front_block *b);
/** Take a queue's answers and start what waits. */
void front_block_collect(struct front_queue *q);
/** The device is gone for good: fail everything. */
void front_block_fail(struct front_block *b);
#endif
