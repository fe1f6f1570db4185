/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (E7, by role). A domain is destroyed, and what others had of it outlives it: a window onto
 * its memory, a grant that it has mapped, the other end of a port, an access that waits for it, its
 * own children. Each was thought of where the one who dies is a guest with devices; forgotten was
 * another role, or that it dies while it sleeps, polls, waits for a model, is traced, is in user
 * mode, or was never started.
 *
 * Two children do something for each other and for this guest, in every such state; one of them is
 * destroyed after a different time in each round, with steps of destruction in between, then the
 * other. A vulnerable system lets the survivor go on in memory that is no more the dead one's, does
 * not tell it, or loses frames. Held here: port closed and raised, the window's use a fault and
 * -HV_EFAULT, grants and quota back to the frame.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "hvlib/grant.h"
#include "raw.h"
#include <hv_io.h>
#include <hv_trace.h>

#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define ROUNDS 8u

enum { STOP, READY, MINE, REF = 40, PORT, RESULT };

const char test_title[] = "who survives another's end is told, in whatever role the other was";

/* ---- the one that dies: lends a page to root and to its sibling, then is in some state ---- */

static void sleep_in_block(void)
{
    for (;;)
        hv_wait();
}

static void sleep_in_poll(void)
{
    HV_BUFFER(8) static uint32_t ports[1];

    ports[0] = (uint32_t)test_port(TEST_PARENT);
    hv_mask();
    for (;;)
        hv_poll(hv_gpa(ports), 1, HV_POLL_FOREVER);
}

static void be_user(void)
{
    static const uint8_t loop[] = { 0xeb, 0xfe };

    for (;;)
        test_user(loop, sizeof loop, 0, NULL);
}

static void wait_for_model(void)
{
    for (;;)
        __asm__ volatile("in $0x70, %%al" : : : "rax");
}

static void spin(void)
{
    for (;;)
        ++test_shared(TEST_PARENT)[MINE];
}

static void make_calls(void)
{
    for (;;)
        hv_yield();
}

static void set_timers(void)
{
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, NULL, NULL));
    for (uint64_t n = 0;; n++)
        hv_set_timer(hv_now() + n % 1000);
}

static void (*const states[])(void) = { sleep_in_block, sleep_in_poll, be_user,   wait_for_model,
                                        spin,           make_calls,    set_timers };
#define STATES (sizeof states / sizeof *states)

static void be_mortal(void)
{
    volatile uint64_t *s = test_shared(TEST_PARENT);
    uint64_t *lent = test_pages(1);

    lent[0] = 0x11fe;
    s[REF] = (uint64_t)NEED(hv_grant_give(hv_start_parent(), lent, 1, RW));
    s[PORT] = (uint64_t)NEED(hv_event_alloc(HV_SELF, hv_start_parent()));
    test_signal(TEST_PARENT, READY, 1);
    states[test_argument("state", 0)]();
}

/* ---- this guest ---- */

static volatile unsigned told;

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    told++;
}

struct survivor {
    uint64_t dom, port, window, at, model_port;
    volatile struct hv_io_request *request;
};

static int64_t window_map(const struct survivor *s, uint64_t ref)
{
    HV_BUFFER(64)
    struct hv_grant_map m = { s->dom, ref, s->window, (uint32_t)s->port, RW, 1, s->at };

    return hv_grant_map(HV_SELF, hv_gpa(&m), 1);
}

static int64_t window_unmap(const struct survivor *s)
{
    HV_BUFFER(8) uint64_t first = s->window;

    NEED(hv_unmap_range(HV_SELF, 0, s->at, 1));
    return hv_grant_unmap(HV_SELF, hv_gpa(&first), 1);
}

static void connect(struct survivor *s)
{
    volatile uint64_t *shared = test_shared(s->dom);
    uint64_t value = 0;

    test_await(s->dom, READY, 1);
    s->port = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, s->dom, shared[PORT], on_event, NULL));
    CHECK_EQ(window_map(s, shared[REF]), 1);
    CHECK_EQ(test_try_read(s->at, &value), TEST_NO_FAULT);
    CHECK_EQ(value, 0x11fe);
}

/* Everything that this guest had of the dead one. */
static void check_told(const struct survivor *s, unsigned before)
{
    HV_BUFFER(64) struct hv_event_status status;
    HV_BUFFER(64) struct hv_domain_info info;

    CHECK(told > before);
    NEED(hv_event_query(s->port, &status));
    CHECK_EQ(status.state, HV_PORT_CLOSED);
    CHECK_EQ(hv_event_send(s->port), -HV_EDEAD);
    CHECK_EQ(test_try_read(s->at, NULL), 14);
    CHECK_EQ(test_try_write(s->at, 1), 14);
    CHECK_EQ(hv_console_write(s->window * HV_PAGE_SIZE, 1), -HV_EFAULT);
    CHECK_EQ(hv_counters(HV_SELF, s->window * HV_PAGE_SIZE), -HV_EFAULT);
    CHECK_EQ(test_map(HV_SELF, 0, s->at, s->window, 1, RW), -HV_EFAULT);
    CHECK_EQ(hv_domain_info(s->dom, hv_gpa(&info)), -HV_EPERM);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_PEER, s->dom, 1, 0), -HV_EDEAD);
    CHECK_EQ(hv_event_alloc(HV_SELF, s->dom), -HV_EINVAL);
    CHECK_EQ(hv_grant_create(HV_SELF, s->dom, 1, 1, RW), -HV_EINVAL);
    CHECK_EQ(hv_io_complete(s->dom, 0, 0, 0), -HV_EPERM);
}

static void build(struct survivor *s, unsigned state)
{
    char argument[16];

    hv_snprintf(argument, sizeof argument, "state=%u", state);
    s->dom = test_build("mortal", 192, argument);
    CHECK_EQ(hv_io_route(s->dom, 0x70, 1, s->model_port, hv_gfn((void *)(uintptr_t)s->request)), 0);
}

/* Dies in `state`, after a while that depends on the round; traced in every third. */
static void round_in(struct survivor *s, unsigned state, unsigned n)
{
    unsigned before = told;

    build(s, state);
    if (n % 3 == 0)
        CHECK_EQ(hv_call_trace(s->dom, 0, n % 2 ? HV_CALLS_NEWEST : HV_CALLS_OFF), 0);
    CHECK_EQ(hv_domain_start(s->dom), 0);
    connect(s);
    for (unsigned i = 0; i < n; i++)
        hv_yield();
    if (n % 4 == 1) {
        int64_t seq = hv_call_trace(s->dom, 0, HV_CALLS_OFF);

        CHECK_EQ(hv_call_trace(s->dom, 0, HV_CALLS_ALL), seq);
    }
    if (n % 4 == 2)
        CHECK_EQ(hv_domain_pause(s->dom), 0);
    /* Its memory is no more lent from the first step on, or from a later one: never somebody
     * else's. */
    while (hv_domain_destroy(s->dom) > 0) {
        uint64_t value = 0;
        uint32_t vector = test_try_read(s->at, &value);
        int64_t sent;

        CHECK(vector == 14 || value == 0x11fe);
        sent = hv_event_send(s->port);
        CHECK(sent == 0 || sent == -HV_EDEAD);
    }
    check_told(s, before);
    CHECK_EQ(window_unmap(s), 1);
    CHECK_EQ(hv_event_end(s->port), 0);
    CHECK_EQ(hv_grant_end(HV_SELF, test_ref(s->dom), 0), 0); /* it had that mapped */
    CHECK_EQ(hv_event_end(test_port(s->dom)), 0);
    test_forget(s->dom);
}

/* A parent cannot go before its child; then both do. */
static void check_parent(void)
{
    uint64_t dom, child;

    test_options = (struct test_options){ .flags = HV_CREATE_MAY_CREATE, .quota = 256 };
    dom = test_build("parent", 192, NULL);
    test_options = (struct test_options){ .flags = 0 };
    CHECK_EQ(hv_domain_start(dom), 0);
    test_await(dom, READY, 1);
    child = test_shared(dom)[RESULT];
    CHECK_EQ(hv_domain_destroy(dom), -HV_EBUSY);
    CHECK_EQ(test_info(dom).state, HV_DOMAIN_RUNNING);
    CHECK_EQ(test_info(child).parent, dom);
    CHECK_EQ(hv_domain_end(child), 0);
    test_signal(dom, STOP, 1);
    test_join(dom);
}

static void be_parent(void)
{
    uint64_t child = (uint64_t)NEED(raw_small(16, 0));

    raw_spin(child);
    test_shared(TEST_PARENT)[RESULT] = child;
    test_signal(TEST_PARENT, READY, 1);
    test_await(TEST_PARENT, STOP, 1);
    /* Somebody above has taken it away. */
    CHECK_EQ(hv_domain_pause(child), -HV_EPERM);
    CHECK_EQ(hv_domain_destroy(child), -HV_EPERM);
    child = (uint64_t)NEED(raw_small(16, 0));
    CHECK_EQ(hv_domain_end(child), 0);
}

/* Built, never started. */
static void check_unborn(struct survivor *s)
{
    uint64_t ref, port;
    unsigned before = told;

    build(s, 0);
    ref = (uint64_t)NEED(hv_grant_create(s->dom, hv_start_domain_id(), 180, 1, RW));
    port = (uint64_t)NEED(hv_event_alloc(s->dom, hv_start_domain_id()));
    s->port = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, s->dom, port, on_event, NULL));
    CHECK_EQ(window_map(s, ref), 1);
    CHECK_EQ(test_try_write(s->at, 1), TEST_NO_FAULT);
    CHECK_EQ(hv_domain_end(s->dom), 0);
    check_told(s, before);
    CHECK_EQ(window_unmap(s), 1);
    CHECK_EQ(hv_event_end(s->port), 0);
    CHECK_EQ(hv_grant_end(HV_SELF, test_ref(s->dom), 0), 0);
    test_forget(s->dom);
}

void test_main(void)
{
    struct survivor s = { 0 };
    struct hv_domain_info before, after;

    if (test_is("mortal"))
        be_mortal();
    if (test_is("parent"))
        be_parent();
    if (!test_is("root"))
        return;
    s.window = test_windows(1);
    s.at = test_addresses(1);
    s.request = test_pages(2);
    s.model_port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    check_unborn(&s); /* what is made at the first use is there now */
    round_in(&s, 0, 0);
    before = test_info(HV_SELF);
    for (unsigned n = 0; n < ROUNDS; n++)
        for (unsigned state = 0; state < STATES; state++)
            round_in(&s, state, n);
    check_unborn(&s);
    check_parent();
    after = test_info(HV_SELF);
    CHECK_EQ(after.used, before.used);
    CHECK_EQ(after.quota, before.quota);
    CHECK_EQ(after.quarantined, 0);
}
