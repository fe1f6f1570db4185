/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * Threat. A limit is worth nothing if the limited one can change it: by naming the receiver's port
 * or domain, by setting the limit of its own end and having that count, by closing and binding
 * again for a fresh bucket, or by numbers that wrap into no limit at all.
 *
 * A child whose sends are limited to one a second tries each of these. Held here: -HV_EPERM
 * or -HV_EINVAL, and no second event comes; the controller and the receiver can change it.
 */
#include "hvlib/clock.h"
#include "nasty.h"
#include "test.h"

const char test_title[] = "nobody but the receiver and its controller changes a port's limit";

enum { DONE, PORT };

static volatile unsigned calls;

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    calls++;
}

static void sender(void)
{
    static const uint64_t large[] = { NASTY_LARGE };
    uint64_t theirs = test_shared(TEST_PARENT)[PORT], parent = hv_start_parent();
    uint64_t own = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, parent, theirs, 0));

    CHECK_EQ(hv_event_send(own), 0);
    CHECK_EQ(hv_event_send(own), 0);                                 /* this one waits */
    CHECK_EQ(hv_event_set_rate(HV_SELF, own, HV_RATE_MAX, 1000), 0); /* legal, for the other way */
    CHECK_EQ(hv_event_set_rate(parent, theirs, HV_RATE_MAX, 1000), -HV_EPERM);
    CHECK_EQ(hv_event_set_rate(parent, own, HV_RATE_MAX, 1000), -HV_EPERM);
    for (uint64_t n = 0; n < HV_MAX_PORTS + 2; n++)
        if (n != own && n != test_port(TEST_PARENT))
            CHECK_EQ(hv_event_set_rate(HV_SELF, n, HV_RATE_MAX, 1000), -HV_EINVAL);
    CHECK_EQ(hv_event_set_rate(HV_SELF, own, 0, 1), -HV_EINVAL);
    CHECK_EQ(hv_event_set_rate(HV_SELF, own, 1, 0), -HV_EINVAL);
    CHECK_EQ(hv_event_set_rate(HV_SELF, own, HV_RATE_MAX + 1, 1), -HV_EINVAL);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        if (large[i] > HV_RATE_MAX)
            CHECK_EQ(hv_event_set_rate(HV_SELF, own, large[i], 1), -HV_EINVAL);
        if (large[i] > 0xffffffff)
            CHECK_EQ(hv_event_set_rate(HV_SELF, own, 1, large[i]), -HV_EINVAL);
        CHECK_EQ(hv_event_set_rate(large[i] == HV_SELF ? large[i] - 1 : large[i], own, 1, 1),
                 -HV_EPERM);
    }
    for (unsigned i = 0; i < 10000; i++)
        CHECK_EQ(hv_event_send(own), 0);
    test_signal(TEST_PARENT, DONE, 1);
    test_await(TEST_PARENT, DONE, 2);
    /* Gone and back: there is nothing to bind to. */
    CHECK_EQ(hv_event_close(HV_SELF, own), 0);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_PEER, parent, theirs, 0), -HV_EINVAL);
}

void test_main(void)
{
    struct hv_event_status s;
    uint64_t child, port, began;

    if (test_is("sender")) {
        sender();
        return;
    }
    child = test_build("sender", 0, NULL);
    port = (uint64_t)NEED(hv_event_offer(child, on_event, NULL));
    began = hv_now();
    CHECK_EQ(hv_event_set_rate(HV_SELF, port, 1, 1), 0);
    test_shared(child)[PORT] = port;
    CHECK_EQ(hv_domain_start(child), 0);
    test_await(child, DONE, 1);
    CHECK_EQ(hv_event_query(port, &s), 0);
    CHECK_EQ(s.rate, 1);
    CHECK_EQ(s.burst, 1);
    CHECK(s.throttled >= 10000);
    /* One more for each whole second that has passed meanwhile. */
    CHECK(calls <= 1 + (hv_now() - began) / 1000000000);
    test_signal(child, DONE, 2);
    test_join(child);
    CHECK_EQ(hv_event_query(port, &s), 0);
    CHECK_EQ(s.state, HV_PORT_CLOSED);
    CHECK_EQ(hv_event_end(port), 0);
}
