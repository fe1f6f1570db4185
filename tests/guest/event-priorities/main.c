/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order of delivery: urgent ports before normal ones, also before those that are taken already;
 * a change of priority counts from the next raise on.
 */
#include "test.h"

const char test_title[] = "urgent events are served before each normal one";

#define PORTS 4u

static uint32_t self[PORTS];
static uint64_t other[PORTS];
static unsigned order[16], served;
static unsigned sends; /* the port whose handler sends to the urgent one, once */

static void on_event(uint32_t port, void *arg)
{
    unsigned n = (unsigned)(uintptr_t)arg;

    CHECK_EQ(port, self[n]);
    order[served++ % 16] = n;
    if (n == sends) {
        sends = PORTS;
        CHECK_EQ(hv_event_send(other[PORTS - 1]), 0);
    }
}

static void expect(unsigned a, unsigned b, unsigned c, unsigned d)
{
    CHECK_EQ(served, 4);
    CHECK_EQ(order[0] * 1000 + order[1] * 100 + order[2] * 10 + order[3],
             a * 1000 + b * 100 + c * 10 + d);
    served = 0;
}

static void send(unsigned n)
{
    CHECK_EQ(hv_event_send(other[n]), 0);
}

void test_main(void)
{
    for (unsigned i = 0; i < PORTS; i++) {
        self[i] = (uint32_t)NEED(hv_event_offer(HV_SELF, on_event, (void *)(uintptr_t)i));
        other[i] = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, HV_SELF, self[i], NULL, NULL));
    }
    CHECK_EQ(hv_event_set_priority(HV_SELF, self[3], HV_PRIORITY_URGENT), 0);
    sends = PORTS;
    hv_mask();
    for (unsigned i = 0; i < PORTS; i++)
        send(i);
    hv_unmask();
    expect(3, 0, 1, 2);
    /* It comes while the first of three normal ones is served. */
    for (sends = 0; sends < 3; served = 0) {
        unsigned from = sends;

        hv_mask();
        for (unsigned i = 0; i < 3; i++)
            send(i);
        hv_unmask();
        CHECK_EQ(served, 4);
        CHECK_EQ(order[from], from);
        CHECK_EQ(order[from + 1], 3);
        sends = from + 1;
    }
    sends = PORTS;
    /* Raised as urgent it stays so; the next raise is normal. */
    hv_mask();
    send(3);
    CHECK_EQ(hv_event_set_priority(HV_SELF, self[3], HV_PRIORITY_NORMAL), 0);
    for (unsigned i = 0; i < 3; i++)
        send(i);
    hv_unmask();
    expect(3, 0, 1, 2);
    hv_mask();
    for (unsigned i = PORTS; i-- > 0;)
        send(i);
    hv_unmask();
    expect(0, 1, 2, 3);
}
