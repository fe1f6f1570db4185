/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block front end of guests that write their own main loop.
 *
 * A request's tag is its number in the bitmap `under_way`: the bit is set when it goes onto the
 * ring and cleared with its one answer. An answer whose bit is not set is a lie, and breaks the
 * ring, as an index that cannot be right does. The ring has at most as many requests as tags, so
 * that a free tag means room.
 */
#include "hvlib/block.h"
#include "hvlib/arch/hypercall.h"
#include "hvlib/event.h"
#include "hvlib/grant.h"
#include "hvlib/memory.h"
#include "hvlib/start.h"
#include "hvlib/string.h"

HV_RING_DEFINE(block_ring, HV_RING_FRONT, struct hv_block_request, struct hv_block_response);

static void send(const struct hv_block *b)
{
    hv_event_send(b->record.port);
}

static int64_t take_back(uint64_t ref, const void *at, uint64_t pages)
{
    return ref ? hv_grant_take_back(ref, at, pages) : 0;
}

/* All three, whatever becomes of each; the first error. */
static int64_t unlend(struct hv_block *b)
{
    int64_t request = take_back(b->request_ref, b->request_page, 1);
    int64_t response = take_back(b->response_ref, b->response_page, 1);
    int64_t region = take_back(b->region_ref, b->region, b->region_bytes / HV_PAGE_SIZE);

    b->request_ref = b->response_ref = b->region_ref = 0;
    return request < 0 ? request : response < 0 ? response : region;
}

static int64_t lend_one(const struct hv_block *b, const void *at, uint64_t pages, uint64_t rights,
                        uint64_t *ref)
{
    int64_t result = hv_grant_give(b->record.peer, at, pages, rights);

    *ref = result < 0 ? 0 : (uint64_t)result;
    return result < 0 ? result : 0;
}

static int64_t lend(struct hv_block *b)
{
    const uint64_t rw = HV_MAP_READ | HV_MAP_WRITE;
    uint64_t pages = b->region_bytes / HV_PAGE_SIZE;
    int64_t result = lend_one(b, b->request_page, 1, HV_MAP_READ, &b->request_ref);

    if (result == 0)
        result = lend_one(b, b->response_page, 1, rw, &b->response_ref);
    if (result == 0)
        result = lend_one(b, b->region, pages, rw, &b->region_ref);
    if (result < 0)
        unlend(b);
    return result;
}

static int64_t give_up(struct hv_block *b)
{
    b->open = false;
    return -HV_EDEAD;
}

/* Wait for the answer to the offer. */
static int64_t shake_hands(struct hv_block *b)
{
    uint32_t state;

    while ((state = hv_front_step(&b->front)) == HV_DEV_OFFER)
        hv_wait();
    if (state != HV_DEV_ACK)
        return -HV_EDEAD;
    b->sectors = b->front.config[HV_BLOCK_CONFIG_SECTORS];
    b->read_only = (b->front.config[HV_BLOCK_CONFIG_FLAGS] & HV_BLOCK_RO) != 0;
    b->open = true;
    hv_front_run(&b->front);
    send(b);
    return 0;
}

static int64_t connect(struct hv_block *b)
{
    struct hv_offer o = { .ring_pages = 1, .region_count = 1 };
    int64_t result = lend(b);

    if (result < 0)
        return result;
    o.request_ref = b->request_ref;
    o.response_ref = b->response_ref;
    o.region_ref[0] = b->region_ref;
    o.region_pages[0] = b->region_bytes / HV_PAGE_SIZE;
    block_ring_init(&b->ring, b->request_page, 1, b->response_page, 1);
    hv_front_init(&b->front, (struct hv_device_page *)hv_va(b->record.page * HV_PAGE_SIZE));
    hv_front_offer(&b->front, &o);
    send(b);
    result = shake_hands(b);
    if (result < 0)
        hv_block_close(b);
    return result;
}

int64_t hv_block_open(struct hv_block *b, uint32_t index, void *region, uint32_t region_pages)
{
    memset(b, 0, sizeof *b);
    b->region = region;
    b->region_bytes = (uint64_t)region_pages * HV_PAGE_SIZE;
    if (region_pages == 0 || region_pages > HV_BLOCK_MAX_REGION_PAGES ||
        (uintptr_t)region % HV_PAGE_SIZE)
        return -HV_EINVAL;
    if (!hv_start_device(HV_DEVICE_BLOCK, index, &b->record))
        return -HV_EINVAL;
    return connect(b);
}

int64_t hv_block_close(struct hv_block *b)
{
    b->open = false;
    b->under_way = 0;
    hv_front_reset(&b->front);
    send(b);
    return unlend(b);
}

static bool data_in_region(const struct hv_block *b, uint64_t offset, uint32_t count)
{
    uint64_t bytes = (uint64_t)count * HV_BLOCK_SECTOR;

    return offset % HV_BLOCK_SECTOR == 0 && offset <= b->region_bytes &&
           bytes <= b->region_bytes - offset;
}

static bool sectors_on_disk(const struct hv_block *b, uint64_t sector, uint32_t count)
{
    return sector <= b->sectors && count <= b->sectors - sector;
}

int64_t hv_block_submit(struct hv_block *b, uint32_t op, uint64_t sector, void *data,
                        uint32_t count)
{
    bool flush = op == HV_BLOCK_FLUSH;
    uint64_t offset = flush ? 0 : (uint64_t)((uintptr_t)data - (uintptr_t)b->region);

    if (!b->open)
        return -HV_EDEAD;
    if (op > HV_BLOCK_FLUSH || (count == 0) != flush || count > HV_BLOCK_MAX_SECTORS ||
        !data_in_region(b, offset, count) || !sectors_on_disk(b, sector, count))
        return -HV_EINVAL;
    if (b->under_way == ~(uint32_t)0)
        return -HV_EAGAIN;
    uint32_t tag = (uint32_t)__builtin_ctz(~b->under_way);
    struct hv_block_request r = { .id = tag, .sector = sector, .offset = offset, .count = count };

    r.op = (uint8_t)op;
    if (block_ring_put(&b->ring, &r) < 0)
        return give_up(b);
    b->under_way |= (uint32_t)1 << tag;
    return tag;
}

int64_t hv_block_kick(struct hv_block *b)
{
    int64_t wanted = b->open ? hv_ring_push(&b->ring) : -HV_EDEAD;

    if (wanted == 1)
        send(b);
    return wanted < 0 ? give_up(b) : 0;
}

int64_t hv_block_collect(struct hv_block *b, struct hv_block_done *done)
{
    struct hv_block_response answer;
    int64_t got = b->open ? block_ring_get(&b->ring, &answer) : -HV_EDEAD;

    if (got == 0)
        return 0;
    if (got < 0 || answer.id >= HV_BLOCK_MAX_INFLIGHT || !(b->under_way >> answer.id & 1))
        return give_up(b);
    b->under_way &= ~((uint32_t)1 << answer.id);
    done->tag = (uint32_t)answer.id;
    done->status = answer.status <= HV_BLOCK_EROFS ? answer.status : HV_BLOCK_EIO;
    return 1;
}

int64_t hv_block_wait(struct hv_block *b)
{
    int64_t there = hv_block_kick(b);

    while (there == 0 && b->under_way) {
        there = hv_ring_sleep(&b->ring);
        if (there == 0 && hv_front_step(&b->front) != HV_DEV_RUN)
            there = -HV_EDEAD;
        if (there == 0)
            hv_wait();
    }
    return there < 0 ? give_up(b) : 0;
}

/* Submit as much of [*done, count) as there are tags for. */
static int64_t submit_some(struct hv_block *b, uint32_t op, uint64_t sector, char *data,
                           uint64_t count, uint64_t *done)
{
    int64_t tag = 0;

    while (*done < count && tag >= 0) {
        uint64_t left = count - *done;
        uint32_t some = left < HV_BLOCK_MAX_SECTORS ? (uint32_t)left : HV_BLOCK_MAX_SECTORS;

        tag = hv_block_submit(b, op, sector + *done, data + *done * HV_BLOCK_SECTOR, some);
        if (tag >= 0)
            *done += some;
    }
    return tag == -HV_EAGAIN || tag >= 0 ? 0 : tag;
}

/* Wait until nothing is under way. Returns the first status that is not HV_BLOCK_OK, 0 or
 * -HV_EDEAD. */
static int64_t collect_all(struct hv_block *b)
{
    struct hv_block_done done;
    int64_t first = 0;

    while (b->under_way) {
        int64_t got = hv_block_collect(b, &done);

        if (got == 0)
            got = hv_block_wait(b);
        else if (got == 1 && first == 0)
            first = done.status;
        if (got < 0)
            return got;
    }
    return first;
}

int64_t hv_block_transfer(struct hv_block *b, uint32_t op, uint64_t sector, void *data,
                          uint64_t count)
{
    uint64_t sent = 0;

    if (op == HV_BLOCK_FLUSH) {
        int64_t tag = hv_block_submit(b, op, 0, NULL, 0);

        return tag < 0 ? tag : collect_all(b);
    }
    while (sent < count) {
        int64_t refused = submit_some(b, op, sector, (char *)data, count, &sent);
        int64_t result = collect_all(b);

        if (result || refused)
            return result ? result : refused;
    }
    return 0;
}
