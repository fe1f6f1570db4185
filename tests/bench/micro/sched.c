/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows sched.*: two domains on one CPU that wake each other, and that yield to each other. Round
 * trips, each with two switches between domains.
 */
#include "bench.h"

static volatile bool pinged;

static void on_ping(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    pinged = true;
}

static void wait_ping(void)
{
    while (!pinged)
        hv_wait();
    pinged = false;
}

static uint64_t start(uint64_t other)
{
    uint64_t port = test_port(other);

    NEED(hv_event_set_rate(HV_SELF, port, HV_RATE_MAX, 4 * RUNS));
    NEED(hv_event_handler(port, on_ping, NULL));
    hv_mask();
    return port;
}

/* An answer to each, then it yields until it is destroyed. */
static void peer(void)
{
    uint64_t port = start(TEST_PARENT);

    test_signal(TEST_PARENT, 0, 1);
    for (uint32_t run = 0; run < RUNS; run++) {
        wait_ping();
        hv_event_send(port);
    }
    for (;;)
        hv_yield();
}

static void bench_sched(void)
{
    uint64_t child = test_spawn("sched", 0), port = start(child);

    test_await(child, 0, 1);
    MEASURE("sched.pingpong", 1, , hv_event_send(port); wait_ping());
    MEASURE("sched.yield", 1, , hv_yield());
    hv_unmask();
    test_destroy(child);
}

BENCH_FAMILY(sched, .run = bench_sched, .peer = peer);
