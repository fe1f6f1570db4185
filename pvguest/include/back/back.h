/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all back ends share: a thread that follows the device page's state machine, maps and unmaps
 * the rings, and calls the device class's own functions in between.
 */
#ifndef BACK_BACK_H
#define BACK_BACK_H

#include "back/place.h"
#include "thread.h"

#include <hvlib/device.h>
#include <hvlib/ring.h>
#include <stdbool.h>

struct back;

/* A pair of rings, and the port that tells of them. */
struct back_queue {
    struct hv_ring ring;
    void *in;  /* window of the front end's request ring, read-only */
    void *out; /* window of its response ring */
    uint32_t port;
};

struct back_ops {
    /** Queues that this class can serve: as many of those offered are connected, from the first on.
     */
    uint32_t queues;
    /** An offer has come, the rings of b->queues queues are mapped at out and in: set them up, map
     * the rest, fill b->config. 0, or negative with nothing left mapped. */
    int64_t (*connect)(struct back *b);
    /** Work on what is there. 1: more is left, call again soon; 0: nothing; negative: the peer is
     * gone or has broken the ring. Bounded, and never blocks. */
    int64_t (*serve)(struct back *b);
    /** Wait until nothing uses the peer's memory and unmap what connect has mapped. May block. */
    void (*disconnect)(struct back *b);
};

struct back {
    const struct back_ops *ops;
    struct back_place place;
    struct hv_back device;
    struct back_queue queue[HV_DEV_MAX_QUEUES];
    uint32_t queues;     /* that are connected */
    uint32_t ring_pages; /* of what is mapped, whatever is offered meanwhile */
    uint64_t config[HV_DEV_CONFIG_WORDS];
    uint64_t sends; /* events to the front end */
    struct wait_queue wake;
    struct wait_queue end;
    bool work; /* something has happened since the thread last looked */
    bool connected;
    bool running;
    bool gone; /* the device page was revoked: nothing can come any more */
    bool closing;
    bool closed;
};

/** Map the device page and start the thread. 0, or negative with nothing left. */
int64_t back_open(struct back *b, const struct back_ops *ops, const struct back_place *place,
                  const char *name);
/** Stop the thread; everything of the peer's is unmapped when it returns. */
void back_close(struct back *b);
/** Make the thread look again. From threads and handlers. */
void back_wake(struct back *b);
/** Publish what was put into a queue's ring, with an event when the peer wants one. */
int64_t back_push(struct back *b, struct back_queue *q);
const char *back_state(const struct back *b);

#endif
