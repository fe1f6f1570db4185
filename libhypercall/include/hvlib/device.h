/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device page: how front end and back end meet, part, and meet again.
 *
 *      front end                                  back end
 *      RESET                                      RESET
 *      hv_front_offer   --- OFFER(gen) --->       hv_back_step: OFFER, the offer is in b->offer
 *      hv_front_step:  <--- ACK(gen) -----        hv_back_ack, when everything is mapped
 *        ACK, f->features, f->config
 *      hv_front_run     --- RUN(gen) ---->        hv_back_step: RUN
 *      hv_front_step: RUN  <--- RUN(gen) ---
 *      ...
 *      hv_front_reset   --- RESET -------->       hv_back_step: RESET; unmap all, hv_back_reset
 *
 * After each step that says so the caller raises the other end's port; an end steps when its port
 * is raised. Every offer has a generation of its own: an answer to an older one does not count, and
 * a new offer at any time means that the front end has forgotten everything before. Reconnecting is
 * the same path as connecting.
 *
 * Neither end believes the page: it is read through guarded accesses, the other end's line is
 * copied once and checked, and the own line is never read back.
 */
#ifndef HVLIB_DEVICE_H
#define HVLIB_DEVICE_H

#include "hvlib/cxx.h"
#include <hv_ring.h>
#include <stdbool.h>

HV_C_BEGIN

#define HV_DEV_CONFIG_WORDS 14u

/** What a front end offers. */
struct hv_offer {
    uint64_t features;
    uint32_t ring_pages; /**< 1..8 */
    uint32_t region_count;
    uint32_t queues; /**< 0..HV_DEV_MAX_QUEUES; 0 is 1 */
    uint64_t request_ref;
    uint64_t response_ref;
    uint64_t region_ref[HV_DEV_MAX_GRANTS];
    uint64_t region_pages[HV_DEV_MAX_GRANTS];            /**< each 1..512 */
    struct hv_device_queue queue[HV_DEV_MAX_QUEUES - 1]; /**< queues 1, 2, … */
};

struct hv_front {
    struct hv_device_page
        *page; /**< a frame of the front end, granted to the back end read-write */
    uint32_t generation;
    uint32_t state;    /**< of the connection as this end sees it, HV_DEV_… */
    uint64_t offered;  /**< features */
    uint64_t features; /**< agreed on, from ACK on */
    uint64_t config[HV_DEV_CONFIG_WORDS];
};

/** Start with a page that was zeroed before the first front end used it. */
void hv_front_init(struct hv_front *f, struct hv_device_page *page);
/** Offer, from any state. Raise the port afterwards. Returns 0 or -HV_EINVAL. */
int64_t hv_front_offer(struct hv_front *f, const struct hv_offer *offer);
/** Look at the back end. Returns the state: OFFER (no answer yet), ACK (features and config are
 * there), RUN, DEAD (the back end is gone or talks nonsense; hv_front_reset, then offer again). */
uint32_t hv_front_step(struct hv_front *f);
/** After ACK: go. Raise the port afterwards. */
void hv_front_run(struct hv_front *f);
/** Leave: the back end is to let go. Raise the port afterwards. */
void hv_front_reset(struct hv_front *f);

struct hv_back {
    struct hv_device_page *page; /**< a window */
    uint32_t generation;         /**< of the offer that is served */
    uint32_t state;
    struct hv_offer offer;
};

void hv_back_init(struct hv_back *b, struct hv_device_page *page);
/**
 * Look at the front end. Returns the state, or -HV_EDEAD when the page was revoked:
 *   RESET  nothing is offered; when something was mapped before: unmap it, hv_back_reset
 *   OFFER  b->offer is new and its numbers are in range: map it, then hv_back_ack or hv_back_refuse
 *   ACK    acknowledged, the front end does not run yet
 *   RUN    both run; raise the port when it was not RUN before
 *   DEAD   something is mapped: the front end has gone on to another offer, or talks nonsense.
 *          Unmap it, hv_back_reset, and step again.
 *          Nothing is: the offer cannot be, was refused before, or the front end runs with a
 *          back end that is gone. Raise the port: it may not know that this end says DEAD.
 */
int64_t hv_back_step(struct hv_back *b);
/** Answer the offer. `features` are among those offered. Raise the port afterwards. Returns 0 or
 * -HV_EDEAD. */
int64_t hv_back_ack(struct hv_back *b, uint64_t features,
                    const uint64_t config[HV_DEV_CONFIG_WORDS]);
/** Say DEAD for this generation. Raise the port afterwards. Returns 0 or -HV_EDEAD. */
int64_t hv_back_refuse(struct hv_back *b);
/** Everything is unmapped. Returns 0 or -HV_EDEAD. */
int64_t hv_back_reset(struct hv_back *b);

HV_C_END

#endif
