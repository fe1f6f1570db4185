/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings between domains, both ends. See hvlib/ring.h for the picture and abi/hv_ring.h for the
 * protocol.
 *
 * Invariants, whatever the peer writes:
 *   pushed <= prod, prod - pushed <= out_slots; BACK: in_prod - prod <= out_slots;
 *   cons <= in_prod <= cons + in_slots (as differences, modulo 2^32);
 *   no slot outside the ring is read or written; no private field is ever loaded from shared memory
 *   unchecked; once broken, nothing shared is touched any more.
 */
#include "hvlib/ring.h"
#include "hvlib/arch/hypercall.h"
#include "hvlib/guard.h"

static int64_t break_ring(struct hv_ring *r)
{
    r->broken = true;
    return -HV_EDEAD;
}

uint32_t hv_ring_slots(uint32_t pages, uint32_t size)
{
    uint32_t fit, slots = 1;

    if (pages == 0 || pages > HV_RING_MAX_PAGES || size < 4 || size % 4 || size > HV_PAGE_SIZE)
        return 0;
    fit = (pages * HV_PAGE_SIZE - (uint32_t)sizeof(struct hv_ring_head)) / size;
    if (fit == 0)
        return 0;
    while (slots * 2 <= fit)
        slots *= 2;
    return slots;
}

int64_t hv_ring_init(struct hv_ring *r, uint32_t kind, void *out, uint32_t out_pages,
                     uint32_t out_size, const void *in, uint32_t in_pages, uint32_t in_size)
{
    *r = (struct hv_ring){
        .out = out,
        .in = in,
        .out_slots = hv_ring_slots(out_pages, out_size),
        .in_slots = hv_ring_slots(in_pages, in_size),
        .out_size = out_size,
        .in_size = in_size,
        .kind = kind,
    };
    if (kind > HV_RING_STREAM || r->out_slots == 0 || r->in_slots == 0) {
        r->broken = true;
        return -HV_EINVAL;
    }
    return 0;
}

static void *out_slot(const struct hv_ring *r, uint32_t index)
{
    return (char *)(r->out + 1) + (uint64_t)(index & (r->out_slots - 1)) * r->out_size;
}

static const void *in_slot(const struct hv_ring *r, uint32_t index)
{
    return (const char *)(r->in + 1) + (uint64_t)(index & (r->in_slots - 1)) * r->in_size;
}

/* The peer's event index says that it has consumed all below it. A value that cannot be right is no
 * news: a peer that lies about it has only its own input overwritten. */
static uint32_t stream_room(struct hv_ring *r)
{
    uint32_t event, ahead;

    if (hv_guard_read32(&r->in->event, &event) < 0) {
        break_ring(r);
        return 0;
    }
    ahead = event - 1 - r->acked;
    if (ahead <= r->pushed - r->acked)
        r->acked += ahead;
    return r->out_slots - (r->prod - r->acked);
}

static uint32_t front_room(const struct hv_ring *r)
{
    uint32_t limit = r->out_slots < r->in_slots ? r->out_slots : r->in_slots;

    return limit - (r->prod - r->cons);
}

uint32_t hv_ring_room(struct hv_ring *r)
{
    if (r->broken)
        return 0;
    if (r->kind == HV_RING_FRONT)
        return front_room(r);
    if (r->kind == HV_RING_BACK)
        return r->cons - r->prod;
    return stream_room(r);
}

int64_t hv_ring_put(struct hv_ring *r, const void *slot)
{
    uint32_t room = hv_ring_room(r);

    if (r->broken)
        return -HV_EDEAD;
    if (room == 0)
        return -HV_EAGAIN;
    if (hv_guard_copy_to(out_slot(r, r->prod), slot, r->out_size) < 0)
        return break_ring(r);
    r->prod++;
    return 0;
}

/* Slots first, then the index, then a look at what the peer asked for: the peer stores its event
 * index before it looks at ours, so one of the two sees the other's. */
int64_t hv_ring_push(struct hv_ring *r)
{
    uint32_t old = r->pushed, event;

    if (r->broken)
        return -HV_EDEAD;
    if (r->prod == old)
        return 0;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    if (hv_guard_write32(&r->out->prod, r->prod) < 0)
        return break_ring(r);
    r->pushed = r->prod;
    hv_fence();
    if (hv_guard_read32(&r->in->event, &event) < 0)
        return break_ring(r);
    return event - old - 1 < r->pushed - old;
}

/* How far ahead of `cons` the peer's index may be: the ring, for answers what was asked, and for
 * questions what there is room to answer. */
static uint32_t believable(const struct hv_ring *r)
{
    uint32_t limit = r->in_slots;

    if (r->kind == HV_RING_FRONT)
        limit = r->pushed - r->cons;
    else if (r->kind == HV_RING_BACK)
        limit = r->out_slots - (r->cons - r->prod);
    return limit < r->in_slots ? limit : r->in_slots;
}

/* Look at the peer's index. Going backwards shows as a huge distance, and breaks the ring as well.
 */
static int64_t refresh(struct hv_ring *r)
{
    uint32_t prod;

    if (hv_guard_read32(&r->in->prod, &prod) < 0)
        return break_ring(r);
    if (prod - r->cons > believable(r) || prod - r->cons < r->in_prod - r->cons)
        return break_ring(r);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    r->in_prod = prod;
    return prod != r->cons;
}

int64_t hv_ring_get(struct hv_ring *r, void *slot)
{
    if (r->broken)
        return -HV_EDEAD;
    if (r->in_prod == r->cons) {
        int64_t more = refresh(r);

        if (more <= 0)
            return more;
    }
    if (hv_guard_copy_from(slot, in_slot(r, r->cons), r->in_size) < 0)
        return break_ring(r);
    r->cons++;
    return 1;
}

static int64_t ask(struct hv_ring *r, uint32_t slots)
{
    if (r->broken)
        return -HV_EDEAD;
    if (hv_guard_write32(&r->out->event, r->cons + slots) < 0)
        return break_ring(r);
    return 0;
}

int64_t hv_ring_consumed(struct hv_ring *r)
{
    return ask(r, 1);
}

int64_t hv_ring_sleep(struct hv_ring *r)
{
    return hv_ring_sleep_for(r, 1);
}

int64_t hv_ring_sleep_for(struct hv_ring *r, uint32_t slots)
{
    int64_t result = ask(r, slots);

    if (result < 0)
        return result;
    hv_fence();
    result = refresh(r);
    return result < 0 ? result : r->in_prod - r->cons >= slots;
}
