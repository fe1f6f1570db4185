/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * block and the wake-ups of others: none is lost, whenever it comes, and a block with something
 * pending does not wait.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "no wake-up is lost between a check and a block";

#define ROUNDS 3000u

static unsigned calls, ticks;

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    ++*(volatile unsigned *)arg;
}

/* Two domains that answer each other, and do nothing but wait for it. */
static void ping(uint64_t other, bool first)
{
    uint64_t port = test_port(other);

    NEED(hv_event_handler(port, on_event, &calls));
    /* An event that came before the handler was set would be nobody's. */
    if (first)
        test_await(other, 0, 1);
    else
        test_signal(other, 0, 1);
    if (first)
        NEED(hv_event_send(port));
    for (unsigned n = 1; n <= ROUNDS; n++) {
        hv_mask();
        while (*(volatile unsigned *)&calls < n)
            hv_wait();
        hv_unmask();
        CHECK_EQ(calls, n);
        if (!first || n < ROUNDS)
            NEED(hv_event_send(port));
    }
}

static void check_pending(void)
{
    uint64_t port = (uint64_t)NEED(hv_event_offer(HV_SELF, on_event, &ticks));
    uint64_t other =
        (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, hv_start_domain_id(), port, NULL, NULL));

    for (unsigned n = 1; n <= 100; n++) {
        hv_mask();
        CHECK_EQ(hv_event_send(other), 0);
        CHECK_EQ(hv_block(), 0); /* with the event pending: comes back behind the upcall */
        CHECK_EQ(ticks, n);
    }
    hv_unmask();
    CHECK_EQ(hv_event_end(other), 0);
    CHECK_EQ(hv_event_end(port), 0);
}

/* The timer alone can end a block, at every distance. */
static void check_timer(void)
{
    uint64_t port =
        (uint64_t)NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_event, &ticks));

    ticks = 0;
    for (unsigned n = 1; n <= 200; n++) {
        hv_mask();
        NEED(hv_set_timer(hv_now() + n * 100));
        while (*(volatile unsigned *)&ticks < n)
            hv_wait();
        hv_unmask();
    }
    CHECK_EQ(ticks, 200);
    CHECK_EQ(hv_event_end(port), 0);
}

void test_main(void)
{
    if (!test_is("root")) {
        ping(TEST_PARENT, false);
        return;
    }
    check_pending();
    check_timer();
    uint64_t child = test_spawn("child", 0);

    ping(child, true);
    test_join(child);
}
