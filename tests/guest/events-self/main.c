/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events inside one domain: sends are delivered once, in the right order, not while masked, and a
 * storm from inside the handler does not grow the stack.
 */
#include "test.h"

const char test_title[] = "events to oneself are delivered once, masked ones later";

static unsigned calls[3];
static uint64_t port[3], other[3];
static char order[8];

static void on_event(uint32_t p, void *arg)
{
    unsigned *count = arg;

    CHECK_EQ(p, port[count - calls]);
    (*count)++;
}

/* A pair of ports: what is sent through other[i] is raised at port[i]. */
static void make_pair(unsigned i)
{
    port[i] = (uint64_t)NEED(hv_event_offer(HV_SELF, on_event, &calls[i]));
    other[i] =
        (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, hv_start_domain_id(), port[i], NULL, NULL));
}

static void check_delivery(void)
{
    for (unsigned n = 1; n <= 100; n++) {
        CHECK_EQ(hv_event_send(other[0]), 0);
        CHECK_EQ(calls[0], n);
    }
    CHECK_EQ(calls[1], 0);
}

static void check_masked(void)
{
    calls[0] = calls[1] = 0;
    CHECK(!hv_mask());
    CHECK_EQ(hv_event_send(other[0]), 0);
    CHECK_EQ(hv_event_send(other[0]), 0);
    CHECK_EQ(hv_event_send(other[1]), 0);
    CHECK_EQ(calls[0] + calls[1], 0);
    CHECK(hv_event_pending());
    hv_unmask();
    CHECK_EQ(calls[0], 1);
    CHECK_EQ(calls[1], 1);
    CHECK(!hv_event_pending());
}

static void note_order(uint32_t p, void *arg)
{
    size_t n = strlen(order);

    (void)p;
    order[n] = *(const char *)arg;
}

static void check_priority(void)
{
    static const char names[] = "abc";

    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(hv_event_handler(port[i], note_order, (void *)(uintptr_t)&names[i]), 0);
    CHECK_EQ(hv_event_set_priority(HV_SELF, port[2], HV_PRIORITY_URGENT), 0);
    hv_mask();
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(hv_event_send(other[i]), 0);
    hv_unmask();
    CHECK_EQ(strcmp(order, "cab"), 0);
}

#define STORM 20000u
static uint64_t lowest_stack = ~(uint64_t)0;
static unsigned storms;

static void again(uint32_t p, void *arg)
{
    uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);

    (void)p;
    if (here < lowest_stack)
        lowest_stack = here;
    if (++storms < STORM)
        hv_event_send(*(uint64_t *)arg);
}

static void check_storm(void)
{
    uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);

    CHECK_EQ(hv_event_handler(port[0], again, &other[0]), 0);
    CHECK_EQ(hv_event_send(other[0]), 0);
    CHECK_EQ(storms, STORM);
    CHECK(here - lowest_stack < 1024);
}

static void check_wait(void)
{
    calls[1] = 0;
    CHECK_EQ(hv_event_handler(port[1], on_event, &calls[1]), 0);
    hv_mask();
    CHECK_EQ(hv_event_send(other[1]), 0);
    while (calls[1] == 0)
        hv_wait();
    hv_unmask();
    CHECK_EQ(calls[1], 1);
}

static void check_refused(void)
{
    CHECK_EQ(hv_event_send(HV_MAX_PORTS), -HV_EINVAL);
    CHECK_EQ(hv_event_send(~(uint64_t)0), -HV_EINVAL);
    CHECK_EQ(hv_event_send(HV_MAX_PORTS - 1), -HV_EINVAL);
    CHECK_EQ(hv_event_end(other[0]), 0);
    CHECK_EQ(hv_event_send(other[0]), -HV_EINVAL);
    CHECK_EQ(hv_event_send(port[0]), -HV_EDEAD);
    CHECK_EQ(hv_event_end(port[0]), 0);
}

void test_main(void)
{
    for (unsigned i = 0; i < 3; i++)
        make_pair(i);
    check_delivery();
    check_masked();
    check_priority();
    check_storm();
    check_wait();
    check_refused();
    test_success();
}
