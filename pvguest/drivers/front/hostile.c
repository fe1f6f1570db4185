/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile front end, for tests: takes the first disk's device page away from its driver and talks
 * to the back end as no driver would. The back end must answer each malformed request with the
 * right error, break off when the ring or a grant is pulled away, and serve the next honest offer
 * as if nothing had happened. Owns its rings and its region; a region page that was taken back is
 * watched for writes that come too late.
 *
 * Each case first sees the legal form succeed: the honest read in between is part of every one.
 */
#include "clock.h"
#include "guest.h"
#include "irq.h"
#include "kernel.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"
#include "thread.h"

#include <hv_block.h>
#include <hv_vcpu.h>
#include <hvlib/arch/hypercall.h>
#include <hvlib/device.h>
#include <hvlib/grant.h>
#include <hvlib/memory.h>
#include <hvlib/ring.h>
#include <hvlib/start.h>

#define REGION_PAGES 128u
#define MARK         0x5a /* what no read brings */
#define PATIENCE_NS  (30 * NS_PER_S)

HV_RING_DEFINE(hostile_ring, HV_RING_FRONT, struct hv_block_request, struct hv_block_response);

static struct {
    struct hv_device record;
    struct hv_front front;
    struct hv_ring ring, ring2;
    uint32_t port2; /* of the second queue */
    char *request2;
    char *response2;
    int64_t request2_ref;
    int64_t response2_ref;
    char *request;
    char *response;
    char *region;
    int64_t request_ref;
    int64_t response_ref;
    int64_t region_ref;
} h;

static bool failed(const char *what)
{
    printk("hostile: %s\n", what);
    return false;
}

static void raise_back(void)
{
    (void)hv_event_send(h.record.port);
}

/* Step until the connection has `state`; the back end gets the CPU in between. */
static bool reach(uint32_t state)
{
    uint64_t deadline = clock_ns() + PATIENCE_NS;

    while (hv_front_step(&h.front) != state) {
        if (clock_ns() > deadline) {
            return false;
        }
        thread_sleep_ns(NS_PER_MS);
    }
    return true;
}

static void lend(void)
{
    memset(h.request, 0, PAGE_SIZE);
    memset(h.response, 0, PAGE_SIZE);
    (void)hostile_ring_init(&h.ring, h.request, 1, h.response, 1);
    h.request_ref = hv_grant_give(h.record.peer, h.request, 1, HV_MAP_READ);
    h.response_ref = hv_grant_give(h.record.peer, h.response, 1, HV_MAP_READ | HV_MAP_WRITE);
    h.region_ref = hv_grant_give(h.record.peer, h.region, REGION_PAGES, HV_MAP_READ | HV_MAP_WRITE);
}

static void take_back(int64_t *ref, const void *at, uint64_t pages)
{
    if (*ref > 0 && hv_grant_take_back((uint64_t)*ref, at, pages) < 0) {
        panic("hostile: a grant could not be revoked");
    }
    *ref = 0;
}

static void leave(void)
{
    hv_front_reset(&h.front);
    take_back(&h.request_ref, h.request, 1);
    take_back(&h.response_ref, h.response, 1);
    take_back(&h.region_ref, h.region, REGION_PAGES);
    take_back(&h.request2_ref, h.request2, 1);
    take_back(&h.response2_ref, h.response2, 1);
    raise_back();
    if (h.port2) {
        (void)hv_event_close(HV_SELF, h.port2);
        h.port2 = 0;
    }
}

static struct hv_offer honest_offer(void)
{
    struct hv_offer o = { .ring_pages = 1,
                          .region_count = 1,
                          .request_ref = (uint64_t)h.request_ref,
                          .response_ref = (uint64_t)h.response_ref };

    o.region_ref[0] = (uint64_t)h.region_ref;
    o.region_pages[0] = REGION_PAGES;
    return o;
}

/* A second queue, with rings of its own: what is offered with it is honest. */
static struct hv_offer offer_of_two(void)
{
    struct hv_offer o = honest_offer();
    int64_t port = hv_event_alloc(HV_SELF, h.record.peer);

    memset(h.request2, 0, PAGE_SIZE);
    memset(h.response2, 0, PAGE_SIZE);
    (void)hostile_ring_init(&h.ring2, h.request2, 1, h.response2, 1);
    h.request2_ref = hv_grant_give(h.record.peer, h.request2, 1, HV_MAP_READ);
    h.response2_ref = hv_grant_give(h.record.peer, h.response2, 1, HV_MAP_READ | HV_MAP_WRITE);
    h.port2 = port > 0 ? (uint32_t)port : 0;
    o.queues = 2;
    o.queue[0] = (struct hv_device_queue){ .request_ref = (uint64_t)h.request2_ref,
                                           .response_ref = (uint64_t)h.response2_ref,
                                           .port = h.port2 };
    return o;
}

static bool connect_by(const struct hv_offer *o)
{
    (void)hv_front_offer(&h.front, o);
    raise_back();
    if (!reach(HV_DEV_ACK)) {
        return failed("an honest offer is not taken");
    }
    hv_front_run(&h.front);
    raise_back();
    return true;
}

static bool connect(void)
{
    lend();
    struct hv_offer o = honest_offer();

    return connect_by(&o);
}

static bool answer_on(struct hv_ring *ring, uint64_t id, uint32_t *status)
{
    struct hv_block_response answer;
    uint64_t deadline = clock_ns() + PATIENCE_NS;

    while (hostile_ring_get(ring, &answer) <= 0) {
        if (clock_ns() > deadline) {
            return failed("no answer");
        }
        thread_sleep_ns(NS_PER_MS);
    }
    *status = answer.status;
    return answer.id == id && answer.rsvd == 0;
}

static bool answer_to(uint64_t id, uint32_t *status)
{
    return answer_on(&h.ring, id, status);
}

static bool expect(struct hv_block_request q, uint32_t wanted)
{
    static uint64_t id;
    uint32_t status = ~(uint32_t)0;

    q.id = ++id;
    (void)hostile_ring_put(&h.ring, &q);
    (void)hv_ring_push(&h.ring);
    raise_back();
    if (!answer_to(q.id, &status)) {
        return false;
    }
    if (status != wanted) {
        printk("hostile: request %lu: status %u, not %u\n", (unsigned long)q.id, status, wanted);
    }
    return status == wanted;
}

static bool honest_read(void)
{
    return expect((struct hv_block_request){ .op = HV_BLOCK_READ, .count = 1 }, HV_BLOCK_OK);
}

/* --- the cases -------------------------------------------------------------------------------- */

static bool malformed_requests(void)
{
    uint64_t sectors = h.front.config[HV_BLOCK_CONFIG_SECTORS];
    uint64_t size = (uint64_t)REGION_PAGES * PAGE_SIZE;
    const struct hv_block_request bad[] = {
        { .op = 3, .count = 1 },
        { .op = 255, .count = 1 },
        { .op = HV_BLOCK_READ, .count = 1, .rsvd = 1 },
        { .op = HV_BLOCK_READ, .count = 0 },
        { .op = HV_BLOCK_READ, .count = HV_BLOCK_MAX_SECTORS + 1 },
        { .op = HV_BLOCK_READ, .count = ~(uint32_t)0 },
        { .op = HV_BLOCK_READ, .count = 1, .region = 1 },
        { .op = HV_BLOCK_READ, .count = 1, .region = 0xffff },
        { .op = HV_BLOCK_READ, .count = 1, .offset = 1 },
        { .op = HV_BLOCK_READ, .count = 1, .offset = size },
        { .op = HV_BLOCK_READ, .count = 2, .offset = size - 512 },
        { .op = HV_BLOCK_READ, .count = 1, .offset = ~(uint64_t)511 },
        { .op = HV_BLOCK_READ, .count = 1, .sector = sectors },
        { .op = HV_BLOCK_READ, .count = 2, .sector = sectors - 1 },
        { .op = HV_BLOCK_READ, .count = 1, .sector = ~(uint64_t)0 },
        { .op = HV_BLOCK_FLUSH, .count = 1 },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (!expect(bad[i], HV_BLOCK_EINVAL) || !honest_read()) {
            return failed("a malformed request");
        }
    }
    return expect((struct hv_block_request){ .op = HV_BLOCK_WRITE, .count = 1 }, HV_BLOCK_EROFS) ||
           failed("a write to a read-only disk");
}

/* The producer index jumps by more than the ring: the ring is broken, the back end is not. */
static bool index_jump(void)
{
    struct hv_ring_head *head = (struct hv_ring_head *)(void *)h.request;

    __atomic_store_n(&head->prod, head->prod + 1000000, __ATOMIC_RELEASE);
    raise_back();
    return reach(HV_DEV_DEAD) || failed("a jumping index is believed");
}

/* An offer with any numbers: hv_front_offer refuses bad ones. The page says RESET until they are
 * all there, so that the back end, whenever it looks, sees none other. */
static void offer_by_hand(const struct hv_offer *o)
{
    struct hv_device_page *p = h.front.page;

    p->front.generation = ++h.front.generation;
    p->front.features = h.front.offered = o->features;
    p->front.ring_pages = o->ring_pages;
    p->front.region_count = o->region_count;
    p->front.queues = o->queues;
    p->front.request_ref = o->request_ref;
    p->front.response_ref = o->response_ref;
    memcpy(p->front.region_ref, o->region_ref, sizeof(p->front.region_ref));
    memcpy(p->front.region_pages, o->region_pages, sizeof(p->front.region_pages));
    memcpy(p->queue, o->queue, sizeof(p->queue));
    h.front.state = HV_DEV_OFFER;
    __atomic_store_n(&p->front.state, HV_DEV_OFFER, __ATOMIC_RELEASE);
}

/* Offers that no one may take. */
static bool bad_offers(void)
{
    for (int i = 0; i < 6; i++) {
        struct hv_offer o;

        lend();
        o = honest_offer();
        o.request_ref += i == 0;
        o.region_ref[0] = i == 1 ? ~(uint64_t)0 : o.region_ref[0];
        o.region_pages[0] += i == 2;
        o.ring_pages = i == 3 ? 0 : i == 4 ? 9 : 1;
        o.region_count = i == 5 ? HV_DEV_MAX_GRANTS + 1 : 1;
        offer_by_hand(&o);
        raise_back();
        if (!reach(HV_DEV_DEAD)) {
            printk("hostile: bad offer %d is taken\n", i);
            return false;
        }
        leave();
    }
    return true;
}

/* All of the ring full of reads, and their memory is taken back before they are done. */
static bool revoke_under_dma(void)
{
    for (uint32_t i = 0; i < 16; i++) {
        struct hv_block_request q = { .id = i, .op = HV_BLOCK_READ, .count = 32 };

        (void)hostile_ring_put(&h.ring, &q);
    }
    (void)hv_ring_push(&h.ring);
    raise_back();
    (void)hv_yield();
    take_back(&h.region_ref, h.region, REGION_PAGES);
    memset(h.region, MARK, (size_t)REGION_PAGES * PAGE_SIZE);
    thread_sleep_ns(50 * NS_PER_MS);
    for (size_t i = 0; i < (size_t)REGION_PAGES * PAGE_SIZE; i++) {
        if (h.region[i] != MARK) {
            return failed("a write landed in memory that was taken back");
        }
    }
    return true;
}

static bool revoke_rings(void)
{
    take_back(&h.response_ref, h.response, 1);
    (void)hostile_ring_put(&h.ring, &(struct hv_block_request){ .op = HV_BLOCK_READ, .count = 1 });
    (void)hv_ring_push(&h.ring);
    raise_back();
    return reach(HV_DEV_DEAD) || failed("the back end does not see that its ring is gone");
}

static void put_on_second(uint64_t id)
{
    struct hv_block_request q = { .id = id, .op = HV_BLOCK_READ, .count = 1 };

    (void)hostile_ring_put(&h.ring2, &q);
    (void)hv_ring_push(&h.ring2);
    (void)hv_event_send(h.port2);
}

/* The same with a second queue: it is served by its own port, and answers on its own ring. */
static bool connect_two(void)
{
    uint32_t status = ~(uint32_t)0;

    leave();
    lend();
    struct hv_offer o = offer_of_two();

    if (!connect_by(&o) || h.front.config[HV_BLOCK_CONFIG_QUEUES] != 2) {
        return failed("two queues are not served");
    }
    put_on_second(77);
    return (answer_on(&h.ring2, 77, &status) && status == HV_BLOCK_OK) ||
           failed("the second queue does not answer");
}

/* Second queues that no one may take: rings that are not there or the first one's, ports that are
 * another's, bound already or none, more queues than there are. */
static bool bad_queues(void)
{
    for (int i = 0; i < 7; i++) {
        struct hv_offer o;

        leave();
        lend();
        o = offer_of_two();
        o.queue[0].request_ref += i == 0;
        o.queue[0].response_ref = i == 1 ? ~(uint64_t)0 : o.queue[0].response_ref;
        o.queue[0].request_ref = i == 2 ? o.request_ref : o.queue[0].request_ref;
        o.queue[0].port = i == 3   ? h.record.port
                          : i == 4 ? HV_MAX_PORTS
                          : i == 5 ? hv_start_control_port()
                                   : o.queue[0].port;
        o.queues = i == 6 ? HV_DEV_MAX_QUEUES + 1 : 2;
        offer_by_hand(&o);
        raise_back();
        if (!reach(HV_DEV_DEAD)) {
            printk("hostile: bad second queue %d is taken\n", i);
            return false;
        }
    }
    leave();
    return connect();
}

/* One queue that breaks ends the connection as a whole, whichever it is. */
static bool second_index_jump(void)
{
    struct hv_ring_head *head = (struct hv_ring_head *)(void *)h.request2;

    if (!connect_two()) {
        return false;
    }
    __atomic_store_n(&head->prod, head->prod + 1000000, __ATOMIC_RELEASE);
    (void)hv_event_send(h.port2);
    return reach(HV_DEV_DEAD) || failed("a jumping index of the second queue is believed");
}

/* A ring of the second queue is taken back with reads under way on both. */
static bool revoke_second_ring(void)
{
    if (!connect_two()) {
        return false;
    }
    for (uint32_t i = 0; i < 16; i++) {
        (void)hostile_ring_put(&h.ring,
                               &(struct hv_block_request){ .op = HV_BLOCK_READ, .count = 32 });
    }
    (void)hv_ring_push(&h.ring);
    raise_back();
    put_on_second(78);
    take_back(&h.response2_ref, h.response2, 1);
    put_on_second(79);
    return reach(HV_DEV_DEAD) || failed("the back end does not see that the ring is gone");
}

static bool event_storm(void)
{
    for (int i = 0; i < 3000; i++) {
        raise_back();
    }
    return true;
}

static const struct attack {
    const char *name;
    bool (*run)(void);
} attacks[] = {
    { "malformed requests", malformed_requests },
    { "index jump", index_jump },
    { "revoke under DMA", revoke_under_dma },
    { "revoke rings", revoke_rings },
    { "bad second queues", bad_queues },
    { "index jump on the second queue", second_index_jump },
    { "revoke the second queue's ring", revoke_second_ring },
    { "event storm", event_storm },
};

static void ignore(void *arg)
{
    (void)arg;
}

static bool take_over(void)
{
    if (!hv_start_device(HV_DEVICE_BLOCK, 0, &h.record)) {
        return failed("no disk to attack");
    }
    h.request = page_alloc(1);
    h.response = page_alloc(1);
    h.request2 = page_alloc(1);
    h.response2 = page_alloc(1);
    h.region = page_alloc(REGION_PAGES);
    (void)irq_register(h.record.port, ignore, NULL);
    hv_front_init(&h.front, hv_va(h.record.page << HV_PAGE_SHIFT));
    return h.request && h.response && h.request2 && h.response2 && h.region;
}

static unsigned role_hostile(void)
{
    bool good = take_over() && bad_offers();

    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]) && good; i++) {
        good = connect() && honest_read() && attacks[i].run();
        printk("hostile: %s: %s\n", attacks[i].name, good ? "withstood" : "FAILED");
        leave();
    }
    good = good && connect() && honest_read();
    printk("HOSTILE %s\n", good ? "ok" : "failed");
    return good ? 0 : 1;
}

ROLE("hostile", role_hostile);

/* --- revoking at each step of the back end's request path --------------------------------------
 */

/* Requests under way: work for longer than the back end may go on before it has to give way. */
#define UNDER_WAY 31u

#define READ_BYTES (32u * 512u)

_Static_assert(UNDER_WAY *READ_BYTES <= REGION_PAGES * PAGE_SIZE, "each has a buffer of its own");

/* How many of the buffers hold what was read. Answers come by the batch: they do not tell. */
static unsigned buffers_read(void)
{
    static char marks[READ_BYTES];
    unsigned n = 0;

    memset(marks, MARK, sizeof(marks));
    for (uint32_t i = 0; i < UNDER_WAY; i++) {
        n += memcmp(h.region + i * READ_BYTES, marks, sizeof(marks)) != 0;
    }
    return n;
}

/* Behind the send the processor is the back end's, until this kernel's timer takes it away: under
 * -icount shift=0 a nanosecond is an instruction. What was lent is taken back there and then. */
static bool revoke_after(uint64_t ns, unsigned victims, unsigned *served)
{
    if (!connect() || !honest_read()) {
        return failed("the connection is not made anew");
    }
    memset(h.region, MARK, (size_t)REGION_PAGES * PAGE_SIZE);
    for (uint32_t i = 0; i < UNDER_WAY; i++) {
        struct hv_block_request q = {
            .id = i, .op = HV_BLOCK_READ, .count = 32, .offset = i * READ_BYTES
        };

        (void)hostile_ring_put(&h.ring, &q);
    }
    (void)hv_ring_push(&h.ring);
    raise_back();
    thread_sleep_ns(ns);
    *served = buffers_read();
    if (victims & 1) {
        take_back(&h.request_ref, h.request, 1);
    }
    if (victims & 2) {
        take_back(&h.response_ref, h.response, 1);
    }
    if (victims & 4) {
        take_back(&h.region_ref, h.region, REGION_PAGES);
    }
    memset(h.region, MARK, (size_t)REGION_PAGES * PAGE_SIZE);
    thread_sleep_ns(2 * NS_PER_MS);
    for (size_t i = 0; (victims & 4) && i < (size_t)REGION_PAGES * PAGE_SIZE; i++) {
        if (h.region[i] != MARK) {
            return failed("a write landed in memory that was taken back");
        }
    }
    /* With a request under way the back end waits for the disk first. */
    if ((victims & 3) && !reach(HV_DEV_DEAD)) {
        return failed("the back end does not see that its ring is gone");
    }
    leave();
    return true;
}

/* From `first` on in steps of `stride` instructions; each set of grants has its turn at each. */
static unsigned role_revoke(void)
{
    uint64_t first = option_number("first", 0), stride = option_number("stride", 1);
    uint64_t steps = option_number("steps", 8);
    unsigned amid = 0, done = 0;
    bool good = take_over();

    for (uint64_t i = 0; i < steps && good; i++) {
        for (unsigned victims = 1; victims < 8 && good; victims++, done++) {
            unsigned served = 0;

            good = revoke_after(first + i * stride, victims, &served);
            printk("revoked behind %lu: %u served\n", (unsigned long)(first + i * stride), served);
            amid += served > 0 && served < UNDER_WAY;
        }
    }
    good = good && connect() && honest_read();
    printk("REVOKE %s done=%u amid=%u\n", good ? "ok" : "failed", done, amid);
    return good ? 0 : 1;
}

ROLE("revoke", role_revoke);

/* Writes to its console without end. */
_Noreturn static unsigned role_flood(void)
{
    for (uint64_t n = 0;; n++) {
        printk("flood %lu ############################################################\n", n);
        thread_yield();
    }
}

ROLE("flood", role_flood);
