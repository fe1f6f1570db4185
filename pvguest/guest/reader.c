/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a whole disk in order with as many requests under way as the device likes, and hands the
 * data to a digest. Owns its requests and buffers while it runs. Invariant: the requests under way
 * are those of slots [head, tail), in the order of their sectors.
 *
 * All requests that are finished are digested and their slots filled again before the device is
 * told, so that the device hears of a batch at once.
 */
#include "reader.h"

#include "irq.h"
#include "mem.h"
#include "printk.h"
#include "thread.h"

#define MAX_DEPTH    32u
#define BUFFER_PAGES (BLOCK_MAX_BYTES / PAGE_SIZE)

struct slot {
    struct block_request request;
    void *buffer;
    bool own; /* the buffer is the kernel's, not the device's */
};

struct reader {
    struct block_device *device;
    struct slot slots[MAX_DEPTH];
    unsigned depth;
    unsigned head;
    unsigned tail;
    uint64_t next; /* sector */
    unsigned tenths;
    struct wait_queue waiters;
};

static void read_done(struct block_request *r)
{
    struct reader *reader = r->arg;

    wait_wake_all(&reader->waiters);
}

static void slot_submit(struct reader *r)
{
    struct slot *s = &r->slots[r->tail % r->depth];
    uint64_t left = r->device->sectors - r->next;

    s->request = (struct block_request){
        .op = BLOCK_READ,
        .sector = r->next,
        .count = left < BLOCK_MAX_SECTORS ? (uint32_t)left : BLOCK_MAX_SECTORS,
        .buffer = s->buffer,
        .done = read_done,
        .arg = r,
    };
    r->next += s->request.count;
    r->tail++;
    block_submit(r->device, &s->request);
}

static void refill(struct reader *r)
{
    while (r->tail - r->head < r->depth && r->next < r->device->sectors) {
        slot_submit(r);
    }
    block_kick(r->device);
}

static void buffers_free(struct reader *r)
{
    for (unsigned i = 0; i < r->depth; i++) {
        if (r->slots[i].own) {
            page_free(r->slots[i].buffer, BUFFER_PAGES);
        } else {
            block_buffer_put(r->device, r->slots[i].buffer);
        }
    }
}

static unsigned buffers_get(struct reader *r, unsigned wanted)
{
    for (r->depth = 0; r->depth < wanted; r->depth++) {
        struct slot *s = &r->slots[r->depth];

        s->buffer = block_buffer_get(r->device);
        s->own = !s->buffer;
        if (s->own && !(s->buffer = page_alloc(BUFFER_PAGES))) {
            break;
        }
    }
    return r->depth;
}

/* A line for each tenth of the disk. */
static void progress(struct reader *r, const char *name, uint64_t done)
{
    unsigned tenths = (unsigned)(done * 10 / r->device->sectors);

    if (tenths != r->tenths) {
        r->tenths = tenths;
        printk("%s: %u%%\n", name, tenths * 10);
    }
}

/* Digest what has finished, in order. Returns a request's error. */
static int consume(struct reader *r, struct sha256 *sum, const char *name)
{
    while (r->head != r->tail && r->slots[r->head % r->depth].request.finished) {
        struct block_request *q = &r->slots[r->head % r->depth].request;

        if (q->status < 0) {
            return q->status;
        }
        sha256_update(sum, q->buffer, (size_t)q->count * BLOCK_SECTOR);
        r->head++;
        progress(r, name, q->sector + q->count);
    }
    return 0;
}

/* Nothing may return while the device still writes to the buffers. */
static void drain(struct reader *r)
{
    for (; r->head != r->tail; r->head++) {
        struct block_request *q = &r->slots[r->head % r->depth].request;

        wait_event(&r->waiters, q->finished);
    }
}

int disk_digest(struct block_device *d, const char *name, char hex[SHA256_HEX_BYTES])
{
    static struct reader r;
    uint8_t digest[SHA256_BYTES];
    struct sha256 sum;
    int error = 0;

    r = (struct reader){ .device = d };
    sha256_init(&sum);
    if (buffers_get(&r, d->depth < MAX_DEPTH ? d->depth : MAX_DEPTH) == 0) {
        return BLOCK_EIO;
    }
    refill(&r);
    while (error == 0 && r.head != r.tail) {
        wait_event(&r.waiters, r.slots[r.head % r.depth].request.finished);
        error = consume(&r, &sum, name);
        refill(&r);
    }
    drain(&r);
    buffers_free(&r);
    sha256_final(&sum, digest);
    sha256_hex(digest, hex);
    return error;
}
