/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block back end. Owns, for each front end, HV_BLOCK_MAX_INFLIGHT records of requests and the
 * windows of its data regions. A record is free, under way in the disk's driver, or done and waits
 * for the thread to answer.
 *
 * The data of a request never pass through here: the regions are mapped for the disk's DMA once, at
 * connect, so that a disk reads and writes the front end's own frames. Each request is copied out
 * of the ring once and that copy is checked: operation, region, offset and length against what was
 * mapped, rights; the block layer checks the sectors. Nothing is unmapped while a record is under
 * way.
 *
 * A front end may have several queues: each is a ring with a port of its own, and all of them share
 * the records and the regions. A request is answered where it came from. Nothing is promised of the
 * order of requests; a flush is given to the disk when every write that was answered on whatever
 * queue was done by it, so it covers them all.
 *
 * Completions come in handlers and are only noted; the thread answers all of them at once, so one
 * event carries a batch. A ring is asked to wake only when it was found empty.
 */
#include "back/back.h"
#include "back/blkback.h"
#include "irq.h"
#include "mem.h"

#include <hv_block.h>
#include <hvlib/grant.h>

/* Rounds of one call of serve(); a front end that never stops takes turns with the others. */
#define ROUNDS 4

HV_RING_DEFINE(block_ring, HV_RING_BACK, struct hv_block_response, struct hv_block_request);

struct io {
    struct block_request r;
    struct block_back *owner;
    struct io *next;
    struct back_queue *queue; /* it came from there, and is answered there */
    uint64_t id;              /* the front end's */
};

struct region {
    void *at;
    uint64_t pages;
};

struct block_back {
    struct back back; /* first: the ops get it and mean this */
    struct block_device *disk;
    bool read_only;
    struct io io[HV_BLOCK_MAX_INFLIGHT];
    struct io *free;
    struct io *done;
    struct io **done_end;
    unsigned under_way;
    uint32_t turn; /* the queue that is looked at first */
    struct wait_queue idle;
    struct region region[HV_DEV_MAX_GRANTS];
    unsigned regions;
    struct block_back_stats stats;
};

/* Takes the same place first in the structure. */
static struct block_back *of(struct back *b)
{
    return (struct block_back *)b;
}

/* --- connecting ------------------------------------------------------------------------------- */

static void unmap_regions(struct block_back *k)
{
    while (k->regions) {
        struct region *r = &k->region[--k->regions];
        if (k->disk->ops->region_unmap)
            k->disk->ops->region_unmap(k->disk, r->at);
        (void)hv_window_unmap(r->at, r->pages);
    }
}

static int64_t map_region(struct block_back *k, uint64_t ref, uint64_t pages)
{
    struct region *r = &k->region[k->regions];
    int64_t result = hv_window_map(k->back.place.peer, ref, pages, k->back.place.port,
                                   HV_MAP_READ | HV_MAP_WRITE, &r->at);
    if (result < 0)
        return result;
    r->pages = pages;
    if (k->disk->ops->region_map)
        result = k->disk->ops->region_map(k->disk, r->at, (uint32_t)pages);
    if (result < 0)
        (void)hv_window_unmap(r->at, pages);
    else
        k->regions++;
    return result;
}

static void free_records(struct block_back *k)
{
    k->free = NULL;
    k->done = NULL;
    k->done_end = &k->done;
    for (unsigned n = 0; n < HV_BLOCK_MAX_INFLIGHT; n++) {
        k->io[n].owner = k;
        k->io[n].next = k->free;
        k->free = &k->io[n];
    }
}

/* Windows, and what a disk can reach, are all front ends': each has a share. */
static bool within_share(const struct hv_offer *o)
{
    uint64_t pages = 0;
    for (uint32_t n = 0; n < o->region_count; n++)
        pages += o->region_pages[n];
    return pages <= HV_BLOCK_MAX_REGION_PAGES;
}

static int64_t block_connect(struct back *b)
{
    struct block_back *k = of(b);
    const struct hv_offer *o = &b->device.offer;
    int64_t result = within_share(o) ? 0 : -HV_EINVAL;
    for (uint32_t n = 0; n < b->queues && result == 0; n++) {
        struct back_queue *q = &b->queue[n];
        result = block_ring_init(&q->ring, q->out, o->ring_pages, q->in, o->ring_pages);
    }
    for (uint32_t n = 0; n < o->region_count && result == 0; n++)
        result = map_region(k, o->region_ref[n], o->region_pages[n]);
    if (result < 0) {
        unmap_regions(k);
        return result;
    }
    free_records(k);
    b->config[HV_BLOCK_CONFIG_SECTORS] = k->disk->sectors;
    b->config[HV_BLOCK_CONFIG_FLAGS] = k->read_only ? HV_BLOCK_RO : 0;
    b->config[HV_BLOCK_CONFIG_QUEUES] = b->queues;
    return 0;
}

static void block_disconnect(struct back *b)
{
    struct block_back *k = of(b);
    wait_event(&k->idle, k->under_way == 0);
    unmap_regions(k);
}

/* --- serving ---------------------------------------------------------------------------------- */

/* From the disk's driver, interrupts off. */
static void io_done(struct block_request *r)
{
    struct io *io = r->arg;
    struct block_back *k = io->owner;
    io->next = NULL;
    *k->done_end = io;
    k->done_end = &io->next;
    k->under_way--;
    if (k->under_way == 0)
        wait_wake_all(&k->idle);
    back_wake(&k->back);
}

static int64_t answer(struct back_queue *q, uint64_t id, uint32_t status)
{
    struct hv_block_response response = { .id = id, .status = status };
    return block_ring_put(&q->ring, &response);
}

static uint32_t status_of(int status)
{
    switch (status) {
    case 0:
        return HV_BLOCK_OK;
    case BLOCK_EINVAL:
        return HV_BLOCK_EINVAL;
    case BLOCK_EROFS:
        return HV_BLOCK_EROFS;
    default:
        return HV_BLOCK_EIO;
    }
}

static struct io *take_done(struct block_back *k)
{
    uint64_t flags = irq_save();
    struct io *io = k->done;
    k->done = NULL;
    k->done_end = &k->done;
    irq_restore(flags);
    return io;
}

static int64_t answer_done(struct block_back *k)
{
    int64_t result = 0;
    for (struct io *io = take_done(k); io;) {
        struct io *next = io->next;
        if (result == 0)
            result = answer(io->queue, io->id, status_of(io->r.status));
        io->next = k->free;
        k->free = io;
        io = next;
    }
    return result;
}

/* Is the copy of a request one that may be done? The status to answer with. */
static uint32_t check(const struct block_back *k, const struct hv_block_request *q)
{
    if (q->op > HV_BLOCK_FLUSH || q->rsvd)
        return HV_BLOCK_EINVAL;
    if (q->op == HV_BLOCK_FLUSH)
        return q->count ? HV_BLOCK_EINVAL : HV_BLOCK_OK;
    if (!q->count || q->count > HV_BLOCK_MAX_SECTORS || q->region >= k->regions)
        return HV_BLOCK_EINVAL;
    uint64_t bytes = (uint64_t)q->count * HV_BLOCK_SECTOR;
    uint64_t size = k->region[q->region].pages * PAGE_SIZE;
    if (q->offset % HV_BLOCK_SECTOR || q->offset > size || bytes > size - q->offset)
        return HV_BLOCK_EINVAL;
    return q->op == HV_BLOCK_WRITE && k->read_only ? HV_BLOCK_EROFS : HV_BLOCK_OK;
}

static void start(struct block_back *k, struct back_queue *from, const struct hv_block_request *q)
{
    static const enum block_op op[] = { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };
    struct io *io = k->free;
    k->free = io->next;
    io->queue = from;
    io->id = q->id;
    io->r = (struct block_request){ .op = op[q->op],
                                    .count = q->count,
                                    .sector = q->op == HV_BLOCK_FLUSH ? 0 : q->sector,
                                    .done = io_done,
                                    .arg = io };
    if (q->op != HV_BLOCK_FLUSH)
        io->r.buffer = (uint8_t *)k->region[q->region].at + q->offset;
    uint64_t flags = irq_save();
    k->under_way++;
    block_submit(k->disk, &io->r);
    irq_restore(flags);
}

/* Take requests while there are records for them. One that is refused needs none: a front end that
 * makes such as fast as they are answered takes turns with the others. 1: the ring may hold more.
 */
static int64_t take_requests(struct block_back *k, struct back_queue *from)
{
    struct hv_block_request q;
    int64_t got = 1;
    unsigned refused = 0;
    while (k->free && (got = block_ring_get(&from->ring, &q)) == 1) {
        uint32_t status = check(k, &q);
        k->stats.requests++;
        if (status == HV_BLOCK_OK) {
            start(k, from, &q);
            continue;
        }
        k->stats.refused++;
        int64_t result = answer(from, q.id, status);
        if (result < 0 || ++refused == HV_BLOCK_MAX_INFLIGHT)
            return result;
    }
    return got;
}

/* From all queues, each round from another one on: records are few, and none may starve. */
static int64_t take_all(struct block_back *k)
{
    struct back *b = &k->back;
    int64_t got = 0;
    uint32_t at = k->turn = k->turn + 1 < b->queues ? k->turn + 1 : 0;
    for (uint32_t n = b->queues; n && got >= 0; n--) {
        got = take_requests(k, &b->queue[at]);
        at = at + 1 < b->queues ? at + 1 : 0;
    }
    return got;
}

/* Publish what was answered, also when something is wrong with another queue, and ask for an event
 * with the next request while there are records for it: without one the next completion wakes the
 * thread. 1: there is more at once. */
static int64_t push_all(struct block_back *k)
{
    int64_t result = k->done ? 1 : 0;
    for (struct back_queue *q = k->back.queue; q < k->back.queue + k->back.queues; q++) {
        int64_t more = back_push(&k->back, q);
        if (more >= 0)
            more = result == 0 && k->free ? hv_ring_sleep(&q->ring) : 0;
        if (more && result >= 0)
            result = more;
    }
    return result;
}

/* One round: answer, take, tell both sides. 1: there is more at once, 0: wait for an event. */
static int64_t serve_round(struct block_back *k)
{
    int64_t result = answer_done(k);
    if (result == 0)
        result = take_all(k);
    block_kick(k->disk);
    int64_t more = push_all(k);
    return result < 0 ? result : more;
}

static int64_t block_serve(struct back *b)
{
    int64_t more = 1;
    of(b)->stats.batches++;
    for (int n = 0; n < ROUNDS && more == 1; n++)
        more = serve_round(of(b));
    return more;
}

/* --- life ------------------------------------------------------------------------------------- */

static const struct back_ops ops = {
    .queues = HV_DEV_MAX_QUEUES,
    .connect = block_connect,
    .serve = block_serve,
    .disconnect = block_disconnect,
};

struct block_back *block_back_open(const struct back_place *place, struct block_device *disk,
                                   bool writable)
{
    struct block_back *k = kmalloc(sizeof(*k));
    if (!k)
        return NULL;
    k->disk = disk;
    k->read_only = !writable || disk->read_only;
    free_records(k);
    if (back_open(&k->back, &ops, place, "blkback") < 0) {
        kfree(k);
        return NULL;
    }
    return k;
}

void block_back_close(struct block_back *k)
{
    back_close(&k->back);
    kfree(k);
}

const char *block_back_state(const struct block_back *k)
{
    return back_state(&k->back);
}

struct block_back_stats block_back_stats(const struct block_back *k)
{
    struct block_back_stats s = k->stats;
    s.sends = k->back.sends;
    return s;
}
