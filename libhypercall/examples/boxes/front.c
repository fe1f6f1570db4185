/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front end: lends two pages for rings, offers them, and sends one request at a time.
 *
 * It believes the back end as little as that believes it. An answer to something that was not
 * asked, or a status that does not exist, ends the connection.
 */
#include "boxes.h"
#include <hvlib/arch/hypercall.h>
#include <hvlib/event.h>
#include <hvlib/grant.h>
#include <hvlib/memory.h>
#include <hvlib/start.h>
#include <hvlib/string.h>

HV_RING_DEFINE(boxes_ring, HV_RING_FRONT, struct boxes_request, struct boxes_answer);

static int64_t lend(struct boxes *b)
{
    int64_t request = hv_grant_give(b->record.peer, b->request_page, 1, HV_MAP_READ);
    int64_t answer = hv_grant_give(b->record.peer, b->answer_page, 1, HV_MAP_READ | HV_MAP_WRITE);

    b->request_ref = request < 0 ? 0 : (uint64_t)request;
    b->answer_ref = answer < 0 ? 0 : (uint64_t)answer;
    return request < 0 ? request : answer < 0 ? answer : 0;
}

/* Wait until the back end has answered the offer. */
static int64_t shake_hands(struct boxes *b)
{
    uint32_t state;

    while ((state = hv_front_step(&b->front)) == HV_DEV_OFFER)
        hv_wait();
    if (state != HV_DEV_ACK)
        return -HV_EDEAD;
    b->count = b->front.config[BOXES_CONFIG_COUNT];
    hv_front_run(&b->front);
    return hv_event_send(b->record.port);
}

int64_t boxes_open(struct boxes *b)
{
    struct hv_offer offer = { .ring_pages = 1 };

    memset(b, 0, sizeof *b);
    if (!hv_start_device(BOXES_CLASS, 0, &b->record))
        return -HV_EINVAL;
    int64_t result = lend(b);

    if (result == 0) {
        offer.request_ref = b->request_ref;
        offer.response_ref = b->answer_ref;
        boxes_ring_init(&b->ring, b->request_page, 1, b->answer_page, 1);
        hv_front_init(&b->front, hv_va(b->record.page * HV_PAGE_SIZE));
        hv_front_offer(&b->front, &offer);
        hv_event_send(b->record.port);
        result = shake_hands(b);
    }
    if (result < 0)
        boxes_close(b);
    return result;
}

void boxes_close(struct boxes *b)
{
    if (b->front.page) {
        hv_front_reset(&b->front);
        hv_event_send(b->record.port);
    }
    if (b->request_ref)
        hv_grant_take_back(b->request_ref, b->request_page, 1);
    if (b->answer_ref)
        hv_grant_take_back(b->answer_ref, b->answer_page, 1);
    b->request_ref = b->answer_ref = 0;
}

/* Ask for an event, look once more, sleep: in this order no answer is missed. */
static int64_t wait_for(struct boxes *b, struct boxes_answer *answer)
{
    int64_t got;

    while ((got = boxes_ring_get(&b->ring, answer)) == 0) {
        int64_t there = hv_ring_sleep(&b->ring);

        if (there < 0 || hv_front_step(&b->front) == HV_DEV_DEAD)
            return -HV_EDEAD;
        if (there == 0)
            hv_wait();
    }
    return got;
}

int64_t boxes_call(struct boxes *b, uint32_t op, uint64_t box, uint64_t *value)
{
    struct boxes_request request = { .id = b->next_id++, .op = op, .box = box, .value = *value };
    struct boxes_answer answer;

    if (boxes_ring_put(&b->ring, &request) < 0)
        return -HV_EDEAD;
    if (hv_ring_push(&b->ring) == 1)
        hv_event_send(b->record.port);
    if (wait_for(b, &answer) < 0 || answer.id != request.id || answer.status >= BOXES_STATES)
        return -HV_EDEAD;
    *value = answer.value;
    return answer.status;
}
