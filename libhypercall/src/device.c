/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device page's state machine, both ends.
 *
 * Each end writes its own line only, the state last and with release; an answer counts only when it
 * carries the generation of the last offer. State and generation are two words: who changes the
 * generation says RESET before it, and who looks reads the generation before the state, so that no
 * state is taken for a later generation's. All values that leave here are copies that were checked.
 */
#include "hvlib/device.h"
#include "hvlib/guard.h"
#include "hvlib/string.h"

/* ---- front end: the page is its own memory ---- */

static void front_state(struct hv_front *f, uint32_t state)
{
    f->state = state;
    __atomic_store_n(&f->page->front.state, state, __ATOMIC_RELEASE);
}

void hv_front_init(struct hv_front *f, struct hv_device_page *page)
{
    memset(f, 0, sizeof *f);
    f->page = page;
    /* A front end that was restarted on the same page goes on counting. What it offered last may be
     * newer than what the back end answered last. */
    f->generation = __atomic_load_n(&page->front.generation, __ATOMIC_RELAXED);
}

static bool offer_in_range(const struct hv_offer *o)
{
    if (o->ring_pages == 0 || o->ring_pages > 8 || o->region_count > HV_DEV_MAX_GRANTS ||
        o->queues > HV_DEV_MAX_QUEUES)
        return false;
    for (uint32_t i = 0; i < o->region_count; i++) {
        if (o->region_pages[i] == 0 || o->region_pages[i] > 512)
            return false;
    }
    return true;
}

int64_t hv_front_offer(struct hv_front *f, const struct hv_offer *offer)
{
    struct hv_device_page *p = f->page;

    if (!offer_in_range(offer))
        return -HV_EINVAL;
    /* The back end reads the offer only between OFFER and its answer. */
    front_state(f, HV_DEV_RESET);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    p->front.generation = ++f->generation;
    p->front.features = f->offered = offer->features;
    p->front.ring_pages = offer->ring_pages;
    p->front.region_count = offer->region_count;
    p->front.queues = offer->queues;
    p->front.request_ref = offer->request_ref;
    p->front.response_ref = offer->response_ref;
    memcpy(p->front.region_ref, offer->region_ref, sizeof p->front.region_ref);
    memcpy(p->front.region_pages, offer->region_pages, sizeof p->front.region_pages);
    memcpy(p->queue, offer->queue, sizeof p->queue);
    front_state(f, HV_DEV_OFFER);
    return 0;
}

static uint32_t front_dead(struct hv_front *f)
{
    f->state = HV_DEV_DEAD;
    return HV_DEV_DEAD;
}

static uint32_t take_answer(struct hv_front *f)
{
    f->features = __atomic_load_n(&f->page->back.features, __ATOMIC_RELAXED);
    for (uint32_t i = 0; i < HV_DEV_CONFIG_WORDS; i++)
        f->config[i] = __atomic_load_n(&f->page->back.config[i], __ATOMIC_RELAXED);
    if (f->features & ~f->offered)
        return front_dead(f);
    f->state = HV_DEV_ACK;
    return HV_DEV_ACK;
}

uint32_t hv_front_step(struct hv_front *f)
{
    bool current = __atomic_load_n(&f->page->back.generation, __ATOMIC_ACQUIRE) == f->generation;
    uint32_t state = __atomic_load_n(&f->page->back.state, __ATOMIC_ACQUIRE);

    if (f->state == HV_DEV_RESET || f->state == HV_DEV_DEAD)
        return f->state;
    if (f->state == HV_DEV_OFFER) {
        if (!current || state == HV_DEV_RESET)
            return HV_DEV_OFFER;
        return state == HV_DEV_ACK ? take_answer(f) : front_dead(f);
    }
    if (!current || (state != HV_DEV_ACK && state != HV_DEV_RUN))
        return front_dead(f);
    return f->state;
}

void hv_front_run(struct hv_front *f)
{
    front_state(f, HV_DEV_RUN);
}

void hv_front_reset(struct hv_front *f)
{
    front_state(f, HV_DEV_RESET);
}

/* ---- back end: the page is a window ---- */

static int64_t back_state(struct hv_back *b, uint32_t state)
{
    b->state = state;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    return hv_guard_write32(&b->page->back.state, state);
}

static int64_t back_dead(struct hv_back *b)
{
    int64_t result = back_state(b, HV_DEV_DEAD);

    return result < 0 ? result : HV_DEV_DEAD;
}

/* From here on this end's line is about the offer with `generation`. What it said of the one before
 * is taken away first: a refusal of that one would be read as one of this. */
static int64_t back_generation(struct hv_back *b, uint32_t generation)
{
    if (back_state(b, HV_DEV_RESET) < 0)
        return -HV_EDEAD;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    b->generation = generation;
    return hv_guard_write32(&b->page->back.generation, generation);
}

void hv_back_init(struct hv_back *b, struct hv_device_page *page)
{
    memset(b, 0, sizeof *b);
    b->page = page;
}

/* One copy of the front end's lines; what is checked and used is the copy. Of one offer it is if
 * the generation is the same behind it: who offers anew changes that first. */
static int64_t take_offer(struct hv_back *b, uint32_t generation)
{
    __typeof__(b->page->front) front;
    uint32_t after;

    if (hv_guard_copy_from(&front, &b->page->front, sizeof front) < 0 ||
        hv_guard_copy_from(b->offer.queue, b->page->queue, sizeof b->offer.queue) < 0)
        return -HV_EDEAD;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (hv_guard_read32(&b->page->front.generation, &after) < 0 ||
        back_generation(b, generation) < 0)
        return -HV_EDEAD;
    b->offer.features = front.features;
    b->offer.ring_pages = front.ring_pages;
    b->offer.region_count = front.region_count;
    b->offer.queues = front.queues > 0 ? front.queues : 1;
    b->offer.request_ref = front.request_ref;
    b->offer.response_ref = front.response_ref;
    memcpy(b->offer.region_ref, front.region_ref, sizeof b->offer.region_ref);
    memcpy(b->offer.region_pages, front.region_pages, sizeof b->offer.region_pages);
    if (after != generation || !offer_in_range(&b->offer))
        return back_dead(b);
    b->state = HV_DEV_OFFER;
    return HV_DEV_OFFER;
}

static int64_t step_connected(struct hv_back *b, uint32_t state)
{
    if (state == HV_DEV_OFFER || (state == HV_DEV_RUN && b->state == HV_DEV_RUN))
        return b->state;
    if (state != HV_DEV_RUN || b->state != HV_DEV_ACK)
        return HV_DEV_DEAD;
    int64_t result = back_state(b, HV_DEV_RUN);

    return result < 0 ? result : HV_DEV_RUN;
}

int64_t hv_back_step(struct hv_back *b)
{
    uint32_t state, generation;

    if (hv_guard_read32(&b->page->front.generation, &generation) < 0)
        return -HV_EDEAD;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (hv_guard_read32(&b->page->front.state, &state) < 0)
        return -HV_EDEAD;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (state == HV_DEV_RESET)
        return HV_DEV_RESET;
    bool connected = b->state != HV_DEV_RESET && b->state != HV_DEV_DEAD;

    if (connected && generation == b->generation)
        return step_connected(b, state);
    if (connected)
        return HV_DEV_DEAD;
    if (state != HV_DEV_OFFER)
        return back_dead(b); /* it runs with a back end that was here before */
    if (b->state == HV_DEV_DEAD && generation == b->generation)
        return HV_DEV_DEAD;
    return take_offer(b, generation);
}

int64_t hv_back_ack(struct hv_back *b, uint64_t features,
                    const uint64_t config[HV_DEV_CONFIG_WORDS])
{
    uint64_t agreed = features & b->offer.features;

    if (hv_guard_copy_to(&b->page->back.features, &agreed, sizeof agreed) < 0 ||
        hv_guard_copy_to(b->page->back.config, config, sizeof b->page->back.config) < 0)
        return -HV_EDEAD;
    return back_state(b, HV_DEV_ACK);
}

int64_t hv_back_refuse(struct hv_back *b)
{
    return back_state(b, HV_DEV_DEAD);
}

int64_t hv_back_reset(struct hv_back *b)
{
    return back_state(b, HV_DEV_RESET);
}
