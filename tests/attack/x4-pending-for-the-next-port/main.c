/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (X4). A port that is closed leaves its number to the next one. What was pending for it
 * was cleared where its priority says; forgotten was that the priority can be changed between the
 * event and the close. The next port with that number is served an event that nobody sent: a back
 * end takes it for its front end's, a driver for its interrupt.
 *
 * This guest raises a port with each priority, changes the priority, closes the port and looks at
 * the words. It does the same at the end of its quota, where a port's record cannot be made: a
 * refused bind leaves nothing taken behind.
 */
#include "test.h"

const char test_title[] = "nothing is pending for a port that is new";

static HV_BUFFER(64) struct hv_event_status status;

static uint64_t alloc(void)
{
    return (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
}

/* The two ends of a channel inside this domain. */
static void pair(uint64_t *a, uint64_t *b)
{
    *a = alloc();
    *b = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, HV_SELF, *a, 0));
}

static uint32_t state_of(uint64_t port)
{
    CHECK_EQ(hv_event_status(HV_SELF, port, hv_gpa(&status)), 0);
    return status.state;
}

static bool pending(uint64_t port)
{
    volatile uint64_t *p0 = &hv_vcpu->pending[0][port / 64], *p1 = &hv_vcpu->pending[1][port / 64];

    return ((*p0 | *p1) >> (port % 64) & 1) != 0;
}

static void clear_pending(void)
{
    for (int p = 0; p < 2; p++) {
        hv_vcpu->pending_sel[p] = 0;
        for (int w = 0; w < 64; w++)
            hv_vcpu->pending[p][w] = 0;
    }
}

/* The legal form: what was sent is pending until it is taken. */
static void check_legal(void)
{
    uint64_t a, b;

    pair(&a, &b);
    CHECK_EQ(state_of(a), HV_PORT_PEER);
    CHECK_EQ(status.source, b);
    CHECK_EQ(hv_event_send(a), 0);
    CHECK(pending(b) && !pending(a));
    CHECK_EQ(hv_event_set_priority(HV_SELF, a, HV_PRIORITY_URGENT), 0);
    CHECK_EQ(hv_event_set_vcpu(HV_SELF, a, 0), 0);
    CHECK_EQ(hv_event_close(HV_SELF, b), 0);
    CHECK_EQ(state_of(a), HV_PORT_CLOSED);
    CHECK(pending(a) && !pending(b));
    CHECK_EQ(hv_event_send(a), -HV_EDEAD);
    CHECK_EQ(hv_event_close(HV_SELF, a), 0);
    CHECK_EQ(state_of(a), HV_PORT_FREE);
    CHECK(!pending(a));
}

/* Raised with one priority, closed with another: gone all the same. */
static void check_stale(void)
{
    for (uint64_t first = 0; first < 2; first++) {
        for (uint64_t then = 0; then < 2; then++) {
            uint64_t a, b;

            pair(&a, &b);
            CHECK_EQ(hv_event_set_priority(HV_SELF, b, first), 0);
            CHECK_EQ(hv_event_send(a), 0);
            CHECK(pending(b));
            CHECK_EQ(hv_event_set_priority(HV_SELF, b, then), 0);
            CHECK_EQ(hv_event_close(HV_SELF, b), 0);
            CHECK(!pending(b));
            CHECK_EQ(hv_event_close(HV_SELF, a), 0);
            CHECK_EQ(alloc(), a < b ? a : b);
            CHECK_EQ(hv_event_close(HV_SELF, a < b ? a : b), 0);
        }
    }
}

/* With no frame left for records: those that are there are given out, then -HV_ENOMEM. */
static void check_quota(void)
{
    struct hv_domain_info info = test_info(HV_SELF);
    uint64_t count = 0;
    int64_t port;

    while (hv_space_create(HV_SELF) >= 0)
        ;
    while ((port = hv_event_alloc(HV_SELF, HV_SELF)) >= 0)
        CHECK(++count < HV_MAX_PORTS);
    CHECK_EQ(port, -HV_ENOMEM);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, 0), -HV_ENOMEM);
    CHECK(test_info(HV_SELF).used <= info.quota);
}

void test_main(void)
{
    if (test_is("root")) {
        test_join(test_spawn("guest", 0));
        return;
    }
    hv_mask(); /* nothing is served: what is pending stays to be seen */
    check_legal();
    check_stale();
    check_quota();
    clear_pending();
}
