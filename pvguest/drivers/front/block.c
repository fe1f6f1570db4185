/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of the block front end. Data lie in one region of 32 buffers of 64 KiB that stays
 * granted to the back end: a request whose buffer is there needs no copy, any other borrows a
 * buffer and is copied. Invariant: a tag is free, or its inflight record holds all that is needed
 * to send the request again; the record is cleared when the answer is taken, once.
 *
 * A CPU puts its requests on a queue of its own, as far as there are enough; tags and buffers are
 * one for all. Requests have no order, on one queue or several. A flush is put on any of them: it
 * covers what was acknowledged before on whatever queue, which is all that a flush promises.
 *
 * Everything runs with interrupts off. Requests are put on the ring as they come and published by
 * kick, so that the back end hears of a batch at once. With many requests under way the front end
 * asks for an event only when half of them are answered.
 */
#include "cpu.h"
#include "front/block_front.h"
#include "kstring.h"

#include <hvlib/arch/hypercall.h>

static unsigned first_bit(uint32_t bits)
{
    return (unsigned)__builtin_ctz(bits);
}

/* Does the whole of it lie in the region? */
static bool in_region(const struct front_block *b, const void *buffer, uint32_t count)
{
    uintptr_t offset = (uintptr_t)buffer - (uintptr_t)b->region;

    return offset < REGION_BYTES && REGION_BYTES - offset >= (uintptr_t)count * BLOCK_SECTOR &&
           offset % BLOCK_SECTOR == 0;
}

static void *buffer_get(struct block_device *d)
{
    struct front_block *b = d->driver;
    unsigned n;

    if (b->buffers == 0) {
        return NULL;
    }
    n = first_bit(b->buffers);
    b->buffers &= ~((uint32_t)1 << n);
    return b->region + (size_t)n * BUFFER_BYTES;
}

static void buffer_free(struct front_block *b, const void *buffer)
{
    b->buffers |= (uint32_t)1 << (((const char *)buffer - b->region) / BUFFER_BYTES);
}

/* The queue of the CPU that runs this, or the next one. */
static struct front_queue *own_queue(struct front_block *b)
{
    unsigned n = b->in_turn ? b->turn++ : cpu_this()->number;

    return b->served == 1 ? b->queue : &b->queue[n % b->served];
}

static void push(struct front_queue *q)
{
    if (hv_ring_push(&q->ring) > 0) {
        (void)hv_event_send(q->port);
    }
}

static uint8_t wire_op(enum block_op op)
{
    return op == BLOCK_READ ? HV_BLOCK_READ : op == BLOCK_WRITE ? HV_BLOCK_WRITE : HV_BLOCK_FLUSH;
}

/* Give a request a tag and, when its data are elsewhere, a buffer. False: neither is to be had. */
static bool start(struct front_queue *q, struct block_request *r)
{
    struct front_block *b = q->owner;
    bool bounce = r->count > 0 && !in_region(b, r->buffer, r->count);
    char *data = r->buffer;
    struct inflight *f;

    if (b->tags == 0 || (bounce && !(data = buffer_get(&b->device)))) {
        return false;
    }
    r->tag = first_bit(b->tags);
    b->tags &= ~((uint32_t)1 << r->tag);
    if (bounce && r->op == BLOCK_WRITE) {
        memcpy(data, r->buffer, (size_t)r->count * BLOCK_SECTOR);
        b->device.stats.copied += (uint64_t)r->count * BLOCK_SECTOR;
    }
    f = &b->inflight[r->tag];
    q->under_way++;
    f->request = r;
    f->queue = q;
    f->order = b->order++;
    f->bounce = bounce;
    f->wire = (struct hv_block_request){ .id = r->tag,
                                         .sector = r->sector,
                                         .offset = r->count > 0 ? (uint64_t)(data - b->region) : 0,
                                         .count = r->count,
                                         .op = wire_op(r->op) };
    (void)block_ring_put(&q->ring, &f->wire); /* a ring that broke is replaced, and this resent */
    return true;
}

static void start_waiting(struct front_queue *q)
{
    struct front_block *b = q->owner;

    while (b->waiting && start(q, b->waiting)) {
        b->waiting = b->waiting->next;
    }
}

static void submit(struct block_device *d, struct block_request *r)
{
    struct front_block *b = d->driver;

    if (b->gone) {
        block_finish(r, BLOCK_EGONE);
        return;
    }
    if (b->running && !b->waiting && start(own_queue(b), r)) {
        return;
    }
    r->next = NULL;
    if (b->waiting) {
        b->waiting_last->next = r;
    } else {
        b->waiting = r;
    }
    b->waiting_last = r;
}

static void kick(struct block_device *d)
{
    struct front_block *b = d->driver;

    for (unsigned n = 0; b->running && n < b->served; n++) {
        if (b->queue[n].ring.prod != b->queue[n].ring.pushed) {
            push(&b->queue[n]);
        }
    }
}

static void buffer_put(struct block_device *d, void *buffer)
{
    struct front_block *b = d->driver;

    buffer_free(b, buffer);
    if (b->running && b->waiting) {
        struct front_queue *q = own_queue(b);

        start_waiting(q);
        push(q);
    }
}

const struct block_ops front_block_ops = {
    .submit = submit,
    .kick = kick,
    .buffer_get = buffer_get,
    .buffer_put = buffer_put,
    .restart = front_block_restart,
};

static int status_of(uint32_t wire)
{
    return wire == HV_BLOCK_OK       ? 0
           : wire == HV_BLOCK_EINVAL ? BLOCK_EINVAL
           : wire == HV_BLOCK_EROFS  ? BLOCK_EROFS
                                     : BLOCK_EIO;
}

static void finish(struct front_block *b, uint32_t tag, int status)
{
    struct inflight *f = &b->inflight[tag];
    struct block_request *r = f->request;

    f->request = NULL;
    f->queue->under_way--;
    b->tags |= (uint32_t)1 << tag;
    if (f->bounce) {
        char *data = b->region + f->wire.offset;

        if (r->op == BLOCK_READ && status == 0) {
            memcpy(r->buffer, data, (size_t)r->count * BLOCK_SECTOR);
            b->device.stats.copied += (uint64_t)r->count * BLOCK_SECTOR;
        }
        buffer_free(b, data);
    }
    block_finish(r, status);
}

/* An answer that names no request under way on this queue is the back end's mistake, and ignored.
 */
static void take_answers(struct front_queue *q)
{
    struct front_block *b = q->owner;
    struct hv_block_response answer;

    while (block_ring_get(&q->ring, &answer) > 0) {
        if (answer.id < TAGS && b->inflight[answer.id].request &&
            b->inflight[answer.id].queue == q) {
            finish(b, (uint32_t)answer.id, status_of(answer.status));
        }
    }
}

void front_block_collect(struct front_queue *q)
{
    uint32_t patience;

    do {
        take_answers(q);
        start_waiting(q);
        patience = q->under_way / 2;
    } while (hv_ring_sleep_for(&q->ring, patience > 0 ? patience : 1) > 0);
    push(q);
}

/* The back end may serve fewer queues than the one before it. */
static void resubmit(struct front_block *b, struct inflight *f)
{
    f->queue = &b->queue[(unsigned)(f->queue - b->queue) % b->served];
    f->queue->under_way++;
    (void)block_ring_put(&f->queue->ring, &f->wire);
}

void front_block_resubmit(struct front_block *b)
{
    struct inflight *next;
    uint64_t from = 0;

    for (unsigned n = 0; n < b->queues; n++) {
        b->queue[n].under_way = 0;
    }
    do {
        next = NULL;
        for (unsigned i = 0; i < TAGS; i++) {
            struct inflight *f = &b->inflight[i];

            if (f->request && f->order >= from && (!next || f->order < next->order)) {
                next = f;
            }
        }
        if (next) {
            from = next->order + 1;
            resubmit(b, next);
        }
    } while (next);
    for (unsigned n = 0; n < b->served; n++) {
        front_block_collect(&b->queue[n]);
    }
}

void front_block_fail(struct front_block *b)
{
    b->gone = true;
    b->running = false;
    for (uint32_t i = 0; i < TAGS; i++) {
        if (b->inflight[i].request) {
            finish(b, i, BLOCK_EGONE);
        }
    }
    while (b->waiting) {
        struct block_request *r = b->waiting;

        b->waiting = r->next;
        block_finish(r, BLOCK_EGONE);
    }
}
