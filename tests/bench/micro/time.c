/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows time.*: setting the one-shot timer, and from its deadline to the first instruction of its
 * handler. The deadline is an instant, not an instruction: one nanosecond of the clock is one
 * instruction, so the time stamp that it falls on is known, and no marker's cost is to be taken
 * off.
 */
#include "bench.h"
#include "hvlib/clock.h"

static volatile uint32_t at; /* low half of the time stamp of the handler's first instruction */
static volatile bool expired;

static void on_timer(uint32_t port, void *arg)
{
    uint32_t now = (uint32_t)hv_tsc();

    (void)port;
    (void)arg;
    at = now;
    expired = true;
}

/* Sets the timer so far ahead that the wait for it has begun by then. */
static uint32_t arm(uint32_t run)
{
    const struct hv_clock *clock = &hv_vcpu->clock;
    uint64_t tsc = hv_tsc() + 5000 + run * 3;

    CHECK_EQ(hv_clock_ns(clock, tsc), clock->ns_base + tsc - clock->tsc_base);
    expired = false;
    NEED(hv_set_timer(hv_clock_ns(clock, tsc)));
    return (uint32_t)tsc;
}

static void sleep_until(uint64_t end)
{
    hv_mask();
    expired = false;
    NEED(hv_set_timer(end));
    while (!expired)
        hv_wait();
    hv_unmask();
}

static void bench_time(void)
{
    uint64_t far = hv_now() + 1000000000000;
    uint32_t deadline;

    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_timer, NULL));
    MEASURE("time.set_timer", 1, , hv_set_timer(far + run));
    for (uint32_t run = 0; run < RUNS; run++) {
        deadline = arm(run);
        while (!expired) {
        }
        bench_sample[run] = at - deadline;
    }
    bench_report_clock("time.expiry_busy", RUNS);
    /* An idle CPU clears free frames first, by pieces: then an expiry is up to a piece later. */
    sleep_until(hv_now() + 1000000000);
    for (uint32_t run = 0; run < RUNS; run++) {
        hv_mask();
        deadline = arm(run);
        while (!expired)
            hv_wait();
        hv_unmask();
        bench_sample[run] = at - deadline;
    }
    bench_report_clock("time.expiry_idle", RUNS);
}

BENCH_FAMILY(time, .run = bench_time);
