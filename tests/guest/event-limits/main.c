/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * Limits of sends between domains, in virtual time: the burst goes through, what comes after it
 * arrives when the next token is due, once; the receiver and its controller set and see the limits.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "sends between domains are delayed beyond their limit, none is lost";

enum { STAGE, DONE, PORT, COUNT, GAP };

#define RATE  1000u /* a token each millisecond */
#define BURST 8u
#define TOKEN (1000000000 / RATE)
#define LATE  20000u /* an interrupt, perhaps a switch of domains */

static volatile unsigned calls;
static volatile uint64_t when[64];

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    when[calls++ % 64] = hv_now();
}

static struct hv_event_status status_of(uint64_t dom, uint64_t port)
{
    HV_BUFFER(64) struct hv_event_status s;

    CHECK_EQ(hv_event_status(dom, port, hv_gpa(&s)), 0);
    CHECK_EQ(s.rsvd, 0);
    return s;
}

/* The child sends as often, and with as much time between, as it is told. */
static void sender(void)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    uint64_t port = (uint64_t)NEED(
        hv_event_listen(HV_BIND_PEER, hv_start_parent(), shared[PORT], on_event, NULL));

    /* Its own end has a limit of its own, which is none for what it sends. */
    CHECK_EQ(status_of(HV_SELF, port).rate, HV_RATE_DEFAULT);
    CHECK_EQ(hv_event_set_rate(HV_SELF, port, HV_RATE_MAX, 1000000), 0);
    for (uint64_t stage = 1;; stage++) {
        test_await(TEST_PARENT, STAGE, stage);
        if (shared[COUNT] == 0)
            return;
        for (uint64_t i = 0; i < shared[COUNT]; i++) {
            uint64_t end = hv_now() + shared[GAP];

            CHECK_EQ(hv_event_send(port), 0);
            while (hv_now() < end)
                ;
        }
        test_signal(TEST_PARENT, DONE, stage);
    }
}

static uint64_t child, stage;

static void order(uint64_t count, uint64_t gap)
{
    calls = 0;
    test_shared(child)[COUNT] = count;
    test_shared(child)[GAP] = gap;
    test_signal(child, STAGE, ++stage);
    if (count > 0)
        test_await(child, DONE, stage);
}

static void idle_until(uint64_t end)
{
    while (hv_now() < end)
        hv_yield();
}

/* They come when their vCPU is told of them, which is at once in virtual time. */
static void await_calls(unsigned count)
{
    uint64_t end = hv_now() + (test_virtual_time() ? LATE : TEST_PATIENCE_NS);

    while (hv_now() < end && (calls < count || test_virtual_time()))
        hv_yield();
}

/* One after the other, slowly enough to be told apart: the burst comes through, then each waits. */
static void check_delay(uint64_t port)
{
    uint64_t end;

    CHECK_EQ(hv_event_set_rate(HV_SELF, port, RATE, BURST), 0);
    CHECK_EQ(status_of(HV_SELF, port).rate, RATE);
    CHECK_EQ(status_of(HV_SELF, port).burst, BURST);
    order(BURST + 5, TOKEN / 1000);
    CHECK_TIME(status_of(HV_SELF, port).throttled == 5);
    end = hv_now() + 10 * TOKEN;
    idle_until(end);
    CHECK_TIME(calls >= 2);
    uint64_t last = when[(calls - 1) % 64], before = when[(calls - 2) % 64];

    /* The five are one event, a token after the bucket was empty. */
    CHECK_TIME(last - before >= TOKEN / 2 && last - before <= TOKEN + LATE);
    if (!test_virtual_time()) /* it may wait still: a new limit lets it go */
        CHECK_EQ(hv_event_set_rate(HV_SELF, port, RATE, BURST), 0);
    uint64_t throttled = status_of(HV_SELF, port).throttled;

    order(1, 0);
    await_calls(1);
    CHECK_EQ(calls, 1);
    CHECK_EQ(status_of(HV_SELF, port).throttled, throttled);
}

/* Steadily ten times too fast: what comes keeps to the rate, and the last is not lost. */
static void check_rate(uint64_t port)
{
    uint64_t start;

    CHECK_EQ(hv_event_set_rate(HV_SELF, port, RATE, 1), 0);
    start = hv_now();
    order(500, TOKEN / 10);
    CHECK(calls <= (hv_now() - start) / TOKEN + 2);
    CHECK_TIME(calls >= 5); /* while the sender has its slice we do not run */
    idle_until(hv_now() + 3 * TOKEN);
    start = calls;
    idle_until(hv_now() + 10 * TOKEN);
    CHECK_TIME(calls == start);
}

static void check_new_limit_lets_go(uint64_t port)
{
    CHECK_EQ(hv_event_set_rate(HV_SELF, port, 1, 1), 0);
    order(3, 0);
    await_calls(1);
    CHECK_TIME(calls == 1);
    CHECK_EQ(hv_event_set_rate(HV_SELF, port, 1, 1), 0);
    await_calls(2);
    CHECK_EQ(calls, 2);
}

/* The controller sets and sees the limits of its child's port. */
static void check_controller(void)
{
    uint64_t theirs = (uint64_t)NEED(hv_event_alloc(child, hv_start_domain_id()));

    CHECK_EQ(status_of(child, theirs).rate, HV_RATE_DEFAULT);
    CHECK_EQ(status_of(child, theirs).burst, HV_BURST_DEFAULT);
    CHECK_EQ(hv_event_set_rate(child, theirs, 77, 5), 0);
    CHECK_EQ(status_of(child, theirs).rate, 77);
    CHECK_EQ(status_of(child, theirs).burst, 5);
    CHECK_EQ(hv_event_close(child, theirs), 0);
}

void test_main(void)
{
    uint64_t port;

    if (test_is("sender")) {
        sender();
        return;
    }
    child = test_build("sender", 0, NULL);
    port = (uint64_t)NEED(hv_event_offer(child, on_event, NULL));
    test_shared(child)[PORT] = port;
    check_controller();
    CHECK_EQ(hv_domain_start(child), 0);
    check_delay(port);
    check_rate(port);
    check_new_limit_lets_go(port);
    order(0, 0);
    test_join(child);
}
