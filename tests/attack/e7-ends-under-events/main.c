/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=120
 *
 * Threat (E7, what events have to do with it). A domain is destroyed while its ports are in use:
 * events pending and throttled, a poll asleep, timers set, its peer in the middle of a send. What
 * refers to it from outside itself, its place in the timer heap, the peer's pointer, a wait bit,
 * is followed afterwards; or its frames do not come back.
 *
 * Pairs of domains send to each other beyond their limits, poll and set timers; this guest destroys
 * the one or the other first, after a time that is different in each round, and looks at what the
 * end leaves. Held here: the survivor is told, and free memory is the same to the frame each time.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] =
    "a domain that ends among its events leaves nothing, and its peer is told";

#define ROUNDS 60u
#define PORTS  70u /* more than a frame of records */

enum { FIRST };

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
}

/* Sends through all its ports, beyond their limits; now and then it sleeps in a poll. */
static void member(void)
{
    uint64_t first = test_shared(TEST_PARENT)[FIRST];
    HV_BUFFER(64) uint32_t list[1];

    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_event, NULL));
    list[0] = (uint32_t)first;
    for (uint64_t i = 0;; i++) {
        hv_event_send(first + i % PORTS);
        if (i % 100 == 99) {
            hv_set_timer(hv_now() + i % 50000);
            hv_poll(hv_gpa(list), 1, hv_now() + 20000);
        }
    }
}

static void connect(uint64_t a, uint64_t b)
{
    for (uint64_t i = 0; i < PORTS; i++) {
        uint64_t there = (uint64_t)NEED(hv_event_alloc(b, a));
        uint64_t here = (uint64_t)NEED(hv_event_bind(a, HV_BIND_PEER, b, there, 0));

        NEED(hv_event_set_rate(a, here, 1000 + 100 * i, 1));
        NEED(hv_event_set_rate(b, there, 5000 - 10 * i, 1 + i % 3));
        if (i == 0) {
            test_shared(a)[FIRST] = here;
            test_shared(b)[FIRST] = there;
        }
    }
}

static uint32_t state_of(uint64_t dom, uint64_t port)
{
    HV_BUFFER(64) struct hv_event_status s;

    CHECK_EQ(hv_event_status(dom, port, hv_gpa(&s)), 0);
    return s.state;
}

void test_main(void)
{
    uint64_t used = 0;

    if (test_is("member")) {
        member();
        return;
    }
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t dom[2] = { test_build("member", 0, NULL), test_build("member", 0, NULL) };
        uint64_t first, end;

        connect(dom[0], dom[1]);
        first = test_shared(dom[1])[FIRST];
        for (unsigned i = 0; i < 2; i++)
            NEED(hv_domain_start(dom[i]));
        end = hv_now() + round * 1237 % 401 * 10000;
        while (hv_now() < end)
            hv_yield();
        CHECK_EQ(state_of(dom[1], first), HV_PORT_PEER);
        test_destroy(dom[0]);
        for (uint64_t i = 0; i < PORTS; i++)
            CHECK_EQ(state_of(dom[1], first + i), HV_PORT_CLOSED);
        if (round % 2) /* it goes on for a while, sending into the void */
            hv_delay(1000000);
        CHECK_EQ(test_info(dom[1]).state, HV_DOMAIN_RUNNING);
        test_destroy(dom[1]);
        if (round == 0)
            used = test_info(HV_SELF).used;
        CHECK_EQ(test_info(HV_SELF).used, used);
    }
}
