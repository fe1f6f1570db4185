/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block back end against a front end that writes anything into its rings and its device page,
 * lends too little or too much, takes it all back at any access, and starts again at any step. The
 * disk checks what reaches it: a request in range, in memory that is mapped for it; and nothing is
 * unmapped under a request that it has.
 *
 * sources: pvguest/kernel/block.c libhypercall/src/device.c libhypercall/src/ring.c
 * sources: tests/unit/host_pv.c tests/unit/host_guard.c
 */
#include "host_pvback.h"

#include <pvguest/drivers/back/back.c>
#include <pvguest/drivers/back/block.c>

#define SECTORS 1000u
#define PAGES   16u
#define BYTES   ((uint64_t)PAGES * PAGE_SIZE)
#define MAPPED  HV_DEV_MAX_GRANTS
#define RW      (HV_MAP_READ | HV_MAP_WRITE)

HV_RING_DEFINE(front_ring, HV_RING_FRONT, struct hv_block_request, struct hv_block_response);

static struct hv_device_page *page;
static struct hv_front front;
static struct hv_ring ring;
static char *request_page, *response_page, *region;
static struct block_back *k;
static uint64_t next_id;

/* ---- the disk ---- */

static struct block_device disk;
static struct block_request *held[HV_BLOCK_MAX_INFLIGHT];
static unsigned holds, most, reached;
static bool slow; /* it answers when it is waited for */
static struct {
    char *at;
    uint64_t bytes;
} dma[MAPPED];
static unsigned dmas, dma_limit;

static bool reachable(const void *at, uint64_t bytes)
{
    for (unsigned n = 0; n < dmas; n++)
        if ((const char *)at >= dma[n].at && (const char *)at + bytes <= dma[n].at + dma[n].bytes)
            return true;
    return false;
}

static void disk_submit(struct block_device *d, struct block_request *r)
{
    must(d == &disk);
    must(holds < HV_BLOCK_MAX_INFLIGHT);
    if (r->op != BLOCK_FLUSH) {
        must(r->count > 0 && r->count <= SECTORS && r->sector <= SECTORS - r->count);
        must(reachable(r->buffer, (uint64_t)r->count * BLOCK_SECTOR));
    }
    must(r->op != BLOCK_WRITE || !k->read_only);
    held[holds++] = r;
    reached++;
    most = holds > most ? holds : most;
}

static void finish_all(void)
{
    while (holds)
        block_finish(held[--holds], 0);
}

static void disk_kick(struct block_device *d)
{
    (void)d;
    if (!slow)
        finish_all();
}

static int disk_map(struct block_device *d, void *p, uint32_t pages)
{
    (void)d;
    if (dmas == dma_limit)
        return BLOCK_EIO;
    dma[dmas].at = p;
    dma[dmas++].bytes = (uint64_t)pages * PAGE_SIZE;
    return 0;
}

static void disk_unmap(struct block_device *d, void *p)
{
    unsigned n = 0;

    (void)d;
    while (n < dmas && dma[n].at != p)
        n++;
    must(n < dmas);
    must(holds == 0);
    dma[n] = dma[--dmas];
}

static const struct block_ops disk_ops = {
    .submit = disk_submit, .kick = disk_kick, .region_map = disk_map, .region_unmap = disk_unmap
};

/* A window goes after the disk has let go of it. */
static void unmapping(const void *at, uint64_t pages)
{
    (void)pages;
    for (unsigned n = 0; n < dmas; n++)
        must(dma[n].at != at);
}

/* ---- the two ends ---- */

static void turn(void)
{
    for (unsigned n = 0; k->back.work && !k->back.gone; n++) {
        must(n < 100);
        k->back.work = false;
        step(&k->back);
    }
}

static void open_back(bool writable)
{
    struct back_place place = { .peer = HOST_PEER, .port = HOST_PORT };

    place.page = host_lend(page, 1, RW);
    k = block_back_open(&place, &disk, writable);
    ck_assert_ptr_nonnull(k);
    hv_front_init(&front, page);
}

static void closing(void)
{
    finish_all();
    if (k->back.closing && !k->back.closed)
        host_thread_ends();
}

static void raise_back(void)
{
    back_wake(&k->back);
    turn();
}

static struct hv_offer lend(void)
{
    struct hv_offer o = { .ring_pages = 1, .region_count = 1 };

    memset(request_page, 0, PAGE_SIZE);
    memset(response_page, 0, PAGE_SIZE);
    front_ring_init(&ring, request_page, 1, response_page, 1);
    o.request_ref = host_lend(request_page, 1, HV_MAP_READ);
    o.response_ref = host_lend(response_page, 1, RW);
    o.region_ref[0] = host_lend(region, PAGES, RW);
    o.region_pages[0] = PAGES;
    return o;
}

static void connect_with(const struct hv_offer *o)
{
    must(hv_front_offer(&front, o) == 0);
    raise_back();
}

static void connect_front(void)
{
    struct hv_offer o = lend();

    connect_with(&o);
    must(hv_front_step(&front) == HV_DEV_ACK);
    hv_front_run(&front);
    raise_back();
    must(hv_front_step(&front) == HV_DEV_RUN);
}

/* It leaves; nothing of it may be left mapped but the device page, which stays the first grant. */
static void leave(void)
{
    hv_front_reset(&front);
    raise_back();
    must(host_windows == 1);
    must(dmas == 0);
    must(holds == 0);
    host_grants = 1;
}

static void put(struct hv_block_request q)
{
    must(front_ring_put(&ring, &q) == 0);
}

static uint32_t ask_for(struct hv_block_request q)
{
    struct hv_block_response a;

    q.id = ++next_id;
    put(q);
    ck_assert_int_ge(hv_ring_push(&ring), 0);
    raise_back();
    must(front_ring_get(&ring, &a) == 1);
    must(a.id == q.id);
    must(a.rsvd == 0);
    return a.status;
}

static void honest_read(void)
{
    const struct hv_block_request q = { .op = HV_BLOCK_READ, .count = 1, .sector = SECTORS - 1 };

    must(ask_for(q) == HV_BLOCK_OK);
}

static void setup(void)
{
    host_back_start();
    host_unmapping = unmapping;
    host_waiting = closing;
    page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    request_page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    response_page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    region = aligned_alloc(PAGE_SIZE, BYTES);
    memset(page, 0, PAGE_SIZE);
    disk = (struct block_device){ .sectors = SECTORS, .ops = &disk_ops };
    holds = most = reached = dmas = 0;
    dma_limit = MAPPED;
    slow = false;
    open_back(true);
}

static void teardown(void)
{
    block_back_close(k);
    must(host_windows == 0);
    must(dmas == 0);
    must(host_objects == 0);
    free(page);
    free(request_page);
    free(response_page);
    free(region);
}

/* ---- requests ---- */

static const struct hv_block_request malformed[] = {
    { .op = 3, .count = 1 }, /* discard, write zeroes, FUA: there are none */
    { .op = 4, .count = 1 },
    { .op = 0x81, .count = 1 },
    { .op = 255, .count = 1 },
    { .op = HV_BLOCK_READ, .count = 1, .rsvd = 1 },
    { .op = HV_BLOCK_FLUSH, .rsvd = 0x80 },
    { .op = HV_BLOCK_FLUSH, .count = 1 },
    { .op = HV_BLOCK_FLUSH, .count = UINT32_MAX },
    { .op = HV_BLOCK_READ, .count = 0 },
    { .op = HV_BLOCK_WRITE, .count = 0 },
    { .op = HV_BLOCK_READ, .count = HV_BLOCK_MAX_SECTORS + 1 },
    { .op = HV_BLOCK_READ, .count = 1u << 23 }, /* 2^32 bytes */
    { .op = HV_BLOCK_READ, .count = UINT32_MAX },
    { .op = HV_BLOCK_READ, .count = 1, .region = 1 },
    { .op = HV_BLOCK_READ, .count = 1, .region = HV_DEV_MAX_GRANTS },
    { .op = HV_BLOCK_READ, .count = 1, .region = UINT16_MAX },
    { .op = HV_BLOCK_READ, .count = 1, .offset = 1 },
    { .op = HV_BLOCK_READ, .count = 1, .offset = 511 },
    { .op = HV_BLOCK_READ, .count = 1, .offset = BYTES },
    { .op = HV_BLOCK_READ, .count = 2, .offset = BYTES - BLOCK_SECTOR },
    { .op = HV_BLOCK_WRITE, .count = 128, .offset = BYTES - 127 * BLOCK_SECTOR },
    { .op = HV_BLOCK_READ, .count = 1, .offset = UINT64_MAX - 511 },
    { .op = HV_BLOCK_READ, .count = 2, .offset = UINT64_MAX - 511 }, /* ends at 512 */
    { .op = HV_BLOCK_READ, .count = 1, .sector = SECTORS },
    { .op = HV_BLOCK_READ, .count = 2, .sector = SECTORS - 1 },
    { .op = HV_BLOCK_WRITE, .count = 1, .sector = UINT64_MAX },
    { .op = HV_BLOCK_WRITE, .count = 2, .sector = UINT64_MAX },       /* ends at 1 */
    { .op = HV_BLOCK_READ, .count = 1, .sector = (uint64_t)1 << 55 }, /* 2^64 bytes */
};

START_TEST(test_malformed)
{
    connect_front();
    honest_read();
    reached = 0;
    ck_assert_uint_eq(ask_for(malformed[_i]), HV_BLOCK_EINVAL);
    ck_assert_uint_eq(reached, 0);
    honest_read();
    ck_assert_uint_eq(reached, 1);
    leave();
}
END_TEST

/* The last byte of the region, the last sector, the largest request. */
START_TEST(test_edges)
{
    const struct hv_block_request good[] = {
        { .op = HV_BLOCK_READ, .count = 1, .offset = BYTES - BLOCK_SECTOR },
        { .op = HV_BLOCK_WRITE, .count = HV_BLOCK_MAX_SECTORS },
        { .op = HV_BLOCK_READ, .count = HV_BLOCK_MAX_SECTORS, .sector = SECTORS - 128 },
        { .op = HV_BLOCK_FLUSH },
        { .op = HV_BLOCK_FLUSH,
          .sector = UINT64_MAX,
          .offset = 1,
          .region = 9 }, /* not looked at */
    };

    connect_front();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_uint_eq(ask_for(good[i]), HV_BLOCK_OK);
    ck_assert_uint_eq(reached, sizeof good / sizeof *good);
    ck_assert_uint_eq(block_back_stats(k).refused, 0);
    leave();
}
END_TEST

START_TEST(test_read_only)
{
    const struct hv_block_request w = { .op = HV_BLOCK_WRITE, .count = 1 };

    connect_front();
    ck_assert_uint_eq(ask_for(w), HV_BLOCK_OK);
    leave();
    block_back_close(k);
    host_forget();
    disk.read_only = _i & 1;
    open_back(!(_i & 2));
    connect_front();
    ck_assert_uint_eq(front.config[HV_BLOCK_CONFIG_FLAGS], _i ? HV_BLOCK_RO : 0);
    reached = 0;
    ck_assert_uint_eq(ask_for(w), _i ? HV_BLOCK_EROFS : HV_BLOCK_OK);
    ck_assert_uint_eq(reached, !_i);
    honest_read();
    ck_assert_uint_eq(ask_for((struct hv_block_request){ .op = HV_BLOCK_FLUSH }), HV_BLOCK_OK);
    leave();
}
END_TEST

/* As many as the ring takes, all the same one, on a disk that answers none: no more are begun than
 * there are records, and each is answered once. */
START_TEST(test_repeated)
{
    const struct hv_block_request q = { .id = 4711, .op = HV_BLOCK_READ, .count = 1 };
    struct hv_block_response a;
    unsigned asked = 0, answers = 0;

    connect_front();
    slow = true;
    while (front_ring_put(&ring, &q) == 0)
        asked++;
    ck_assert_uint_gt(asked, HV_BLOCK_MAX_INFLIGHT);
    hv_ring_push(&ring);
    raise_back();
    ck_assert_uint_eq(holds, HV_BLOCK_MAX_INFLIGHT);
    for (unsigned n = 0; n < asked; n++) {
        finish_all();
        turn();
        while (front_ring_get(&ring, &a) == 1) {
            ck_assert_uint_eq(a.id, 4711);
            ck_assert_uint_eq(a.status, HV_BLOCK_OK);
            answers++;
        }
    }
    ck_assert_uint_eq(answers, asked);
    ck_assert_uint_eq(reached, asked);
    ck_assert_uint_eq(most, HV_BLOCK_MAX_INFLIGHT);
    leave();
}
END_TEST

static void change_slot(void)
{
    static const struct hv_block_request bad = {
        .op = HV_BLOCK_WRITE, .count = 64, .offset = BYTES - 512, .sector = SECTORS, .region = 9
    };

    memcpy(request_page + sizeof(struct hv_ring_head), &bad, sizeof bad);
}

/* The slot changes before each access in turn: what the disk gets is the one or the other, whole.
 */
START_TEST(test_changed_while_read)
{
    const struct hv_block_request q = { .id = 1, .op = HV_BLOCK_READ, .count = 1 };

    for (uint64_t n = 0; n < 16; n++) {
        connect_front();
        put(q);
        hv_ring_push(&ring);
        host_guard_peer = change_slot;
        host_guard_turn = host_guard_accesses + n;
        raise_back();
        ck_assert_uint_eq(block_back_stats(k).requests, n + 1);
        host_guard_peer = NULL;
        leave();
    }
    ck_assert(block_back_stats(k).refused > 0 && reached > 0);
}
END_TEST

/* ---- what is lent ---- */

static uint64_t taken(void)
{
    return block_back_stats(k).requests;
}

/* Whenever the back end touches the ring there is one more. */
static void one_more(void)
{
    struct hv_ring_head *head = (struct hv_ring_head *)(void *)request_page;

    host_guard_turn = host_guard_accesses;
    if (taken() < 5000)
        head->prod = (uint32_t)taken() + 1;
}

/* A front end that refills its ring, as fast as it is emptied, with what is refused at once. */
START_TEST(test_refused_without_end)
{
    connect_front();
    memset(request_page + sizeof(struct hv_ring_head), 0xff,
           PAGE_SIZE - sizeof(struct hv_ring_head));
    host_guard_peer = one_more;
    one_more();
    k->back.work = false;
    step(&k->back);
    host_guard_peer = NULL;
    ck_assert_uint_gt(taken(), 0);
    ck_assert_uint_le(taken(), 4 * HV_BLOCK_MAX_INFLIGHT);
    ck_assert(k->back.work); /* behind the others */
    leave();
}
END_TEST

static void refused(const struct hv_offer *o)
{
    connect_with(o);
    ck_assert_uint_eq(hv_front_step(&front), HV_DEV_DEAD);
    ck_assert_uint_eq(host_windows, 1);
    ck_assert_uint_eq(dmas, 0);
    ck_assert_str_eq(block_back_state(k), "waiting");
    leave();
}

START_TEST(test_bad_grants)
{
    struct hv_offer o = lend();

    o.request_ref = 0;
    refused(&o);
    o = lend();
    o.response_ref = o.request_ref; /* read only, and mapped already */
    refused(&o);
    o = lend();
    o.response_ref = host_lend(response_page, 1, HV_MAP_READ);
    refused(&o);
    o = lend();
    o.ring_pages = 2;
    refused(&o);
    o = lend();
    o.region_pages[0] = PAGES - 1;
    refused(&o);
    o = lend();
    o.region_pages[0] = PAGES + 1;
    refused(&o);
    o = lend();
    o.region_ref[0] = host_lend(region, PAGES, HV_MAP_READ);
    refused(&o);
    o = lend();
    o.region_count = 2; /* the same one twice */
    o.region_ref[1] = o.region_ref[0];
    o.region_pages[1] = PAGES;
    refused(&o);
    connect_front();
    honest_read();
    leave();
}
END_TEST

/* Root has no more windows, or the disk can reach no more, at each step of the way. */
START_TEST(test_no_more)
{
    for (unsigned n = 0; n < 4; n++) {
        struct hv_offer o = lend();

        o.region_count = 2;
        o.region_ref[1] = host_lend(page + 1, PAGES, RW);
        o.region_pages[1] = PAGES;
        host_map_limit = n;
        refused(&o);
        o = lend();
        o.region_count = 2;
        o.region_ref[1] = host_lend(page + 1, PAGES, RW);
        o.region_pages[1] = PAGES;
        host_map_limit = UINT32_MAX;
        dma_limit = n / 2;
        refused(&o);
        dma_limit = MAPPED;
    }
    connect_front();
    honest_read();
    leave();
}
END_TEST

/* Who waits for the answer to an offer that cannot be is woken. */
START_TEST(test_told_of_refusal)
{
    struct hv_offer o = lend();

    must(hv_front_offer(&front, &o) == 0);
    page->front.region_pages[0] = 513;
    uint64_t sends = block_back_stats(k).sends;

    raise_back();
    ck_assert_uint_eq(hv_front_step(&front), HV_DEV_DEAD);
    ck_assert_uint_eq(block_back_stats(k).sends, sends + 1);
    leave();
    connect_front();
    leave();
}
END_TEST

/* More than 32 requests of 64 KiB have a use for is refused before any of it is mapped: windows and
 * what a disk can reach are all domains'. */
START_TEST(test_share)
{
    struct hv_offer o = lend();

    o.region_count = HV_DEV_MAX_GRANTS;
    for (unsigned n = 0; n < HV_DEV_MAX_GRANTS; n++) {
        o.region_ref[n] = host_lend(region + n, HV_BLOCK_MAX_REGION_PAGES / 16, RW);
        o.region_pages[n] = HV_BLOCK_MAX_REGION_PAGES / 16;
    }
    host_map_limit = 2;
    refused(&o);
    host_map_limit = UINT32_MAX;
    o = lend();
    o.region_count = 16;
    for (unsigned n = 0; n < 16; n++) {
        o.region_ref[n] = host_lend(region + n, HV_BLOCK_MAX_REGION_PAGES / 16, RW);
        o.region_pages[n] = HV_BLOCK_MAX_REGION_PAGES / 16;
    }
    connect_with(&o);
    ck_assert_uint_eq(hv_front_step(&front), HV_DEV_ACK);
    leave();
    o = lend();
    o.region_count = 2;
    o.region_pages[0] = HV_BLOCK_MAX_REGION_PAGES;
    o.region_ref[0] = host_lend(region, HV_BLOCK_MAX_REGION_PAGES, RW);
    o.region_pages[1] = 1;
    o.region_ref[1] = host_lend(region + 1, 1, RW);
    refused(&o);
    connect_front();
    honest_read();
    leave();
}
END_TEST

/* ---- the ring and the page ---- */

START_TEST(test_ring_broken)
{
    static const uint32_t jump[] = { 65, 1000000, 0x80000000u, UINT32_MAX };

    connect_front();
    honest_read();
    slow = true;
    put((struct hv_block_request){ .op = HV_BLOCK_READ, .count = 8 });
    hv_ring_push(&ring);
    raise_back();
    ck_assert_uint_eq(holds, 1);
    ((struct hv_ring_head *)(void *)request_page)->prod += jump[_i];
    raise_back();
    ck_assert_uint_eq(hv_front_step(&front), HV_DEV_DEAD);
    ck_assert_uint_eq(host_windows, 1);
    ck_assert_uint_eq(holds, 0);
    slow = false;
    leave();
    connect_front();
    honest_read();
    leave();
}
END_TEST

/* A new offer, an answer in its own name, nonsense, in each state, with requests under way. */
START_TEST(test_states)
{
    static const uint32_t state[] = { HV_DEV_OFFER, HV_DEV_ACK, HV_DEV_DEAD, 5, UINT32_MAX };

    for (unsigned n = 0; n < 240; n++) {
        struct hv_offer o = lend();
        uint32_t s = state[n % 5], jump = n % 3 == 0 ? 0 : n % 3 == 1 ? 1 : 0x80000000u;

        connect_with(&o);
        ck_assert_uint_eq(hv_front_step(&front), HV_DEV_ACK);
        if (n & 8) {
            hv_front_run(&front);
            raise_back();
            slow = true;
            put((struct hv_block_request){ .op = HV_BLOCK_READ, .count = 8 });
            hv_ring_push(&ring);
            raise_back();
        }
        page->front.generation += jump;
        page->front.state = s;
        raise_back();
        slow = false;
        if (s != HV_DEV_OFFER)
            ck_assert_uint_eq(host_windows, 1);
        ck_assert_uint_le(host_windows, 1 + 2 + PAGES);
        front.generation = page->front.generation;
        leave();
    }
    connect_front();
    honest_read();
    leave();
}
END_TEST

static void take_page(void)
{
    host_guard_gone = true;
}

/* All of it is taken back before the n'th access of a life: offer, run, three requests, reset. */
START_TEST(test_revoked_anywhere)
{
    const struct hv_block_request q = { .op = HV_BLOCK_READ, .count = 1 };
    uint64_t n = 0, before;

    do {
        before = host_guard_accesses;
        host_guard_peer = take_page;
        host_guard_turn = before + n++;
        struct hv_offer o = lend();

        connect_with(&o);
        hv_front_run(&front);
        raise_back();
        slow = n & 1;
        for (unsigned i = 0; i < 3; i++)
            memcpy(request_page + sizeof(struct hv_ring_head) + i * sizeof q, &q, sizeof q);
        request_page[0] = 3;
        raise_back();
        hv_front_reset(&front);
        raise_back();
        host_guard_turn = UINT64_MAX;
        ck_assert_uint_eq(host_windows, 1);
        ck_assert_uint_eq(dmas, 0);
        ck_assert_uint_eq(holds, 0);
        raise_back();
        if (host_guard_gone)
            ck_assert_str_eq(block_back_state(k), "peer gone");
        block_back_close(k);
        host_forget();
        memset(page, 0, PAGE_SIZE);
        bool was = host_guard_gone;
        host_guard_gone = false;
        open_back(true);
        if (!was)
            break;
    } while (true);
    ck_assert_uint_gt(n, 20);
}
END_TEST

/* A front end that writes anything anywhere. What a turn costs is bounded, and the next honest one
 * is served. */
START_TEST(test_any)
{
    srand((unsigned)_i);
    for (unsigned n = 0; n < 5000; n++) {
        uint64_t before = host_guard_accesses;

        switch (rand() % 8) {
        case 0:
            host_grants = host_windows == 1 ? 1 : host_grants;
            if (host_grants < HOST_GRANTS - 3) {
                struct hv_offer o = lend();
                (void)hv_front_offer(&front, &o);
            }
            break;
        case 1:
            page->front.state = (uint32_t)rand() % 6;
            break;
        case 2:
            page->front.generation += (uint32_t)rand() % 2;
            break;
        case 3:
            ((struct hv_ring_head *)(void *)request_page)->prod += (uint32_t)rand() % 8 / 7 * 100;
            break;
        case 4:
            request_page[(unsigned)rand() % PAGE_SIZE] = (char)rand();
            break;
        case 5:
            ((uint32_t *)(void *)&page->front)[(unsigned)rand() % 16] = (uint32_t)rand() % 10;
            break;
        case 6:
            slow = rand() % 2;
            finish_all();
            break;
        default:
            ((struct hv_ring_head *)(void *)request_page)->prod++;
            break;
        }
        raise_back();
        must(host_guard_accesses - before < 1000);
        must(host_windows <= 1 + 16 + PAGES);
    }
    slow = false;
    finish_all();
    leave();
    hv_front_init(&front, page);
    front.generation = page->front.generation;
    connect_front();
    honest_read();
    leave();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pvblockback");
    TCase *t = tcase_create("pvblockback");

    tcase_set_timeout(t, 60); /* a loaded machine is no failure */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_malformed, 0, (int)(sizeof malformed / sizeof *malformed));
    tcase_add_test(t, test_edges);
    tcase_add_loop_test(t, test_read_only, 0, 4);
    tcase_add_test(t, test_repeated);
    tcase_add_test(t, test_changed_while_read);
    tcase_add_test(t, test_refused_without_end);
    tcase_add_test(t, test_told_of_refusal);
    tcase_add_test(t, test_bad_grants);
    tcase_add_test(t, test_no_more);
    tcase_add_test(t, test_share);
    tcase_add_loop_test(t, test_ring_broken, 0, 4);
    tcase_add_test(t, test_states);
    tcase_add_test(t, test_revoked_anywhere);
    tcase_add_loop_test(t, test_any, 0, 8);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
