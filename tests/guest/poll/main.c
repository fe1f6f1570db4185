/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * poll in virtual time: until one of its ports is pending or the deadline, whatever else is
 * pending; upcalls stay as they were, and nothing is taken.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "poll waits for its own ports or its deadline, and for nothing else";

#define LATE 5000u

static volatile unsigned calls;
static uint32_t timer, self[3], other[3]; /* a send through other[i] raises self[i] */

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    calls++;
}

static bool pending(uint32_t port)
{
    return hv_vcpu->pending[0][port / 64] >> port % 64 & 1;
}

static int64_t poll(uint32_t a, uint32_t b, uint64_t deadline)
{
    HV_BUFFER(64) const uint32_t ports[] = { a, b };

    return hv_poll(hv_gpa(ports), 2, deadline);
}

static void set_timer(uint64_t ns)
{
    CHECK_EQ(hv_set_timer(hv_now() + ns), 0);
}

static void check_deadline(void)
{
    for (uint64_t ns = 1000; ns < 100000000; ns = ns * 5 + 3) {
        uint64_t end = hv_now() + ns;

        CHECK_EQ(poll(self[0], self[1], end), 0);
        CHECK(hv_now() >= end);
        CHECK_TIME(hv_now() < end + LATE);
    }
    uint64_t now = hv_now();

    CHECK_EQ(poll(self[0], self[1], 0), 0);
    CHECK_EQ(poll(self[0], self[1], now), 0);
    CHECK_TIME(hv_now() < now + LATE);
    CHECK(!pending(self[0]) && !pending(self[1]));
}

/* The timer's port is one of the list, or it is not: then its event waits, and so do we. */
static void check_masked(void)
{
    uint64_t start = hv_now();

    hv_mask();
    calls = 0;
    set_timer(100000);
    CHECK_EQ(poll(timer, self[0], HV_POLL_FOREVER), 0);
    CHECK(hv_now() >= start + 100000);
    CHECK_TIME(hv_now() < start + 100000 + 2 * LATE);
    CHECK(pending(timer));
    CHECK_EQ(poll(timer, self[0], HV_POLL_FOREVER), 0); /* still so: at once */
    start = hv_now();
    CHECK_EQ(poll(self[0], self[1], start + 300000), 0); /* of no interest, pending or coming */
    CHECK(hv_now() >= start + 300000);
    set_timer(100000);
    CHECK_EQ(hv_event_send(other[2]), 0);
    start = hv_now();
    CHECK_EQ(poll(self[0], self[1], start + 300000), 0);
    CHECK(hv_now() >= start + 300000);
    CHECK_EQ(hv_vcpu->masked, 1);
    CHECK_EQ(calls, 0);
    CHECK_EQ(hv_event_send(other[1]), 0);
    CHECK_EQ(poll(self[0], self[1], HV_POLL_FOREVER), 0);
    CHECK(pending(self[1]));
    hv_unmask();
    CHECK_EQ(calls, 3);
}

/* Unmasked, an upcall ends it, and is served before it returns. In the host's time it may have been
 * served before the call. */
static void check_unmasked(void)
{
    uint64_t start = hv_now(),
             deadline = test_virtual_time() ? HV_POLL_FOREVER : start + UINT64_C(1000000000);

    calls = 0;
    set_timer(100000);
    CHECK_EQ(poll(self[0], self[1], deadline), 0);
    CHECK_EQ(calls, 1);
    CHECK(hv_now() >= start + 100000);
    CHECK_TIME(hv_now() < start + 100000 + 2 * LATE);
}

static void check_await(void)
{
    const uint32_t list[] = { self[1], self[0], timer };
    uint64_t start = hv_now();

    calls = 0;
    CHECK_EQ(hv_event_await(list, 3, start + 100000), 0);
    CHECK(hv_now() >= start + 100000);
    CHECK_TIME(hv_now() < start + 100000 + 2 * LATE);
    if (!test_virtual_time())
        hv_mask(); /* or it might be served before the call */
    set_timer(100000);
    CHECK_EQ(hv_event_await(list, 3, HV_POLL_FOREVER), timer);
    hv_mask();
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(hv_event_send(other[i]), 0);
    CHECK_EQ(hv_event_await(list, 3, HV_POLL_FOREVER), self[1]);
    CHECK_EQ(hv_event_await(list, 3, HV_POLL_FOREVER), self[0]);
    CHECK_EQ(hv_event_await(list, 3, hv_now() + 1000), 0);
    CHECK_EQ(calls, 0);
    hv_unmask();
    CHECK_EQ(calls, 1); /* self[2] alone was left */
    CHECK_EQ(hv_event_set_priority(HV_SELF, self[0], HV_PRIORITY_URGENT), 0);
    hv_mask();
    CHECK_EQ(hv_event_send(other[0]), 0);
    CHECK_EQ(hv_event_await(list, 3, HV_POLL_FOREVER), self[0]);
    hv_unmask();
    CHECK_EQ(calls, 1);
    CHECK_EQ(hv_event_await(list, HV_MAX_POLL_PORTS + 1, 0), -HV_EINVAL);
    CHECK_EQ(hv_event_await(list, 0, 0), -HV_EINVAL);
}

/* ---- with a peer: it sends, then closes, then ends ---- */

static void peer(void)
{
    uint64_t port = (uint64_t)NEED(
        hv_event_bind(HV_SELF, HV_BIND_PEER, hv_start_parent(), test_shared(TEST_PARENT)[1], 0));

    test_signal(TEST_PARENT, 0, 1);
    hv_delay(1000000);
    CHECK_EQ(hv_event_send(port), 0);
    test_await(TEST_PARENT, 0, 2);
    hv_delay(1000000);
    CHECK_EQ(hv_event_close(HV_SELF, port), 0);
}

static void check_peer(void)
{
    uint64_t child = test_build("peer", 0, NULL);
    uint32_t port = (uint32_t)NEED(hv_event_offer(child, on_event, NULL));
    struct hv_event_status status;

    test_shared(child)[1] = port;
    CHECK_EQ(hv_domain_start(child), 0);
    hv_mask(); /* what comes before we wait is not served either */
    test_await(child, 0, 1);
    CHECK_EQ(hv_event_await(&port, 1, hv_now() + TEST_PATIENCE_NS), port);
    CHECK_EQ(hv_event_query(port, &status), 0);
    CHECK_EQ(status.state, HV_PORT_PEER);
    test_signal(child, 0, 2);
    CHECK_EQ(hv_event_await(&port, 1, hv_now() + TEST_PATIENCE_NS), port);
    CHECK_EQ(hv_event_query(port, &status), 0);
    CHECK_EQ(status.state, HV_PORT_CLOSED);
    hv_unmask();
    test_join(child);
}

void test_main(void)
{
    if (test_is("peer")) {
        peer();
        return;
    }
    timer = (uint32_t)NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_event, NULL));
    for (unsigned i = 0; i < 3; i++) {
        self[i] = (uint32_t)NEED(hv_event_offer(HV_SELF, on_event, NULL));
        other[i] = (uint32_t)NEED(hv_event_listen(HV_BIND_PEER, HV_SELF, self[i], on_event, NULL));
    }
    check_deadline();
    check_masked();
    check_unmasked();
    check_await();
    check_peer();
}
