/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * The clock record and the run-state record: time never runs backwards, goes as fast as the
 * machine's (a nanosecond an instruction here), survives being switched away, and every nanosecond
 * of a vCPU's life is in one run-state.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "the clock is monotonic and right, and run-states add up";

static void check_monotonic(void)
{
    uint64_t last = hv_now();

    for (unsigned i = 0; i < 20000; i++) {
        uint64_t now = hv_now();

        CHECK(now >= last);
        last = now;
        if (i % 500 == 0)
            hv_yield();
    }
}

static void check_rate(void)
{
    uint64_t tsc = hv_tsc(), ns = hv_now();

    while (hv_now() < ns + 20000000)
        __asm__ volatile("");
    uint64_t ticks = hv_tsc() - tsc, passed = hv_now() - ns;

    /* The TSC is at 1 GHz under icount; calibration is good to a thousandth. */
    CHECK_TIME(passed * 1000 > ticks * 998 && passed * 1000 < ticks * 1002);
    CHECK_EQ(hv_vcpu->clock.version % 2, 0);
    CHECK(hv_vcpu->clock.mult != 0);
}

static uint64_t total(const struct hv_runstate *run)
{
    return run->time[0] + run->time[1] + run->time[2] + run->time[3];
}

static void check_run_state(void)
{
    struct hv_runstate a, b;
    uint64_t before, after;

    hv_run_state(&a);
    CHECK_EQ(a.state, HV_RUN_RUNNING);
    CHECK_EQ(a.weight, 256);
    CHECK_EQ(a.cap, 0);
    CHECK_EQ(a.rsvd, 0);
    CHECK_EQ(a.version % 2, 0);
    CHECK(a.since <= hv_now());
    before = hv_now();
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, NULL, NULL));
    hv_mask(); /* before: it may expire at once */
    NEED(hv_set_timer(before + 3000000));
    hv_block();
    hv_unmask();
    after = hv_now();
    hv_run_state(&b);
    CHECK(after - before >= 3000000);
    /* Nobody else is there: it was blocked nearly all the while, and what is added is what passed.
     */
    CHECK_TIME(b.time[HV_RUN_BLOCKED] - a.time[HV_RUN_BLOCKED] >= 2900000);
    CHECK_EQ(total(&b) - total(&a), b.since - a.since);
    CHECK_EQ(b.time[HV_RUN_OFFLINE], a.time[HV_RUN_OFFLINE]);
}

/* The CPU time of a child, more than `least` within `ns`: in the host's time it may take longer. */
static uint64_t run_beyond(uint64_t child, uint64_t least, uint64_t ns)
{
    uint64_t end = hv_now() + (test_virtual_time() ? ns : TEST_PATIENCE_NS), ran;

    do {
        hv_yield();
        ran = test_info(child).cpu_ns;
    } while (hv_now() < end && (ran <= least || test_virtual_time()));
    CHECK(ran > least);
    return ran;
}

/* The record of a child that is paused, runs and waits, as its CPU time. */
static void check_child_time(void)
{
    uint64_t child = test_spawn("spins", 192);
    uint64_t ran = run_beyond(child, 1000000, 40000000);

    NEED(hv_domain_pause(child));
    test_wait_off(child, 0);
    uint64_t at_pause = test_info(child).cpu_ns;

    CHECK(at_pause >= ran);
    for (uint64_t end = hv_now() + 20000000; hv_now() < end;)
        hv_yield();
    CHECK_EQ(test_info(child).cpu_ns, at_pause);
    NEED(hv_domain_unpause(child));
    (void)run_beyond(child, at_pause, 20000000);
    test_destroy(child);
}

void test_main(void)
{
    if (test_is("spins")) {
        for (;;) /* PAUSE is slow under icount */
            __asm__ volatile("");
    }
    check_monotonic();
    check_rate();
    check_run_state();
    check_child_time();
}
