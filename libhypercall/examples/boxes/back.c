/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The back end: maps what the front end offers, and answers.
 *
 * The front end may write anything into its pages at any moment, take them away in the middle of an
 * instruction, and die. Four habits are enough:
 *
 *   - a slot is copied out once, and the copy is checked and used (hv_ring_get does the copy);
 *   - a window is touched through the library's guarded accesses only, so that memory that has gone
 *     is an error like another;
 *   - whatever fails, everything of the peer's is let go, and the device says DEAD: one path for a
 *     lie, a revoked page and a death;
 *   - a step is bounded: a peer that never stops asking does not keep the others from their turn.
 */
#include "boxes.h"
#include <hvlib/arch/hypercall.h>
#include <hvlib/grant.h>
#include <hvlib/string.h>

HV_RING_DEFINE(boxes_ring, HV_RING_BACK, struct boxes_answer, struct boxes_request);

#define BATCH 32 /* requests a step */

static void let_go(struct boxes_back *b)
{
    if (b->in)
        hv_window_unmap(b->in, 1);
    if (b->out)
        hv_window_unmap(b->out, 1);
    b->in = b->out = NULL;
}

static int64_t map_rings(struct boxes_back *b, const struct hv_offer *offer)
{
    if (offer->ring_pages != 1 || offer->region_count != 0)
        return -HV_EINVAL;
    int64_t result = hv_window_map(b->peer, offer->request_ref, 1, b->port, HV_MAP_READ, &b->in);

    if (result == 0)
        result = hv_window_map(b->peer, offer->response_ref, 1, b->port, HV_MAP_READ | HV_MAP_WRITE,
                               &b->out);
    if (result < 0)
        let_go(b);
    return result;
}

static void connect(struct boxes_back *b)
{
    uint64_t config[HV_DEV_CONFIG_WORDS] = { [BOXES_CONFIG_COUNT] = BOXES };

    if (map_rings(b, &b->device.offer) < 0) {
        hv_back_refuse(&b->device);
    } else {
        boxes_ring_init(&b->ring, b->out, 1, b->in, 1);
        hv_back_ack(&b->device, 0, config);
    }
    hv_event_send(b->port);
}

/* `q` is a copy: it does not change while it is looked at. */
static struct boxes_answer answer_to(struct boxes_back *b, const struct boxes_request *q)
{
    struct boxes_answer a = { .id = q->id };

    if (q->op > BOXES_LOOK)
        a.status = BOXES_EOP;
    else if (q->box >= BOXES)
        a.status = BOXES_EBOX;
    else if (q->op == BOXES_PUT)
        b->box[q->box] = q->value;
    else
        a.value = b->box[q->box];
    b->served += a.status == BOXES_OK;
    b->refused += a.status != BOXES_OK;
    return a;
}

/* 1: there is more, 0: the peer will send an event, or an error. */
static int64_t serve(struct boxes_back *b)
{
    struct boxes_request q;
    int64_t got = 1;

    for (int n = 0; n < BATCH && (got = boxes_ring_get(&b->ring, &q)) == 1; n++) {
        struct boxes_answer a = answer_to(b, &q);

        boxes_ring_put(&b->ring, &a);
    }
    int64_t wanted = hv_ring_push(&b->ring);

    if (wanted == 1)
        hv_event_send(b->port);
    if (got < 0 || wanted < 0)
        return -HV_EDEAD;
    return got == 1 ? 1 : hv_ring_sleep(&b->ring);
}

static bool run(struct boxes_back *b)
{
    int64_t more = serve(b);

    if (more >= 0)
        return more > 0;
    let_go(b);
    if (hv_back_step(&b->device) == HV_DEV_RESET) { /* it has left, in the middle of this step */
        hv_back_reset(&b->device);
        return false;
    }
    b->broken++;
    hv_back_refuse(&b->device);
    hv_event_send(b->port);
    return false;
}

bool boxes_back_step(struct boxes_back *b)
{
    switch (hv_back_step(&b->device)) {
    case HV_DEV_OFFER:
        connect(b);
        return false;
    case HV_DEV_RUN:
        return b->in && run(b);
    case HV_DEV_RESET:
    case HV_DEV_DEAD:
        if (!b->in) {
            hv_event_send(b->port); /* it may wait for the answer to an offer that cannot be */
            return false;
        }
        let_go(b);
        hv_back_reset(&b->device);
        return true; /* it may have offered again already */
    default:
        return false;
    }
}

int64_t boxes_back_open(struct boxes_back *b, uint64_t peer, uint64_t page_ref, uint32_t port)
{
    void *page;

    memset(b, 0, sizeof *b);
    b->peer = peer;
    b->port = port;
    int64_t result = hv_window_map(peer, page_ref, 1, port, HV_MAP_READ | HV_MAP_WRITE, &page);

    if (result == 0)
        hv_back_init(&b->device, page);
    return result;
}

void boxes_back_close(struct boxes_back *b)
{
    let_go(b);
    hv_window_unmap(b->device.page, 1);
}
