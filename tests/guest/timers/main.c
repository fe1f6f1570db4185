/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * One-shot timers in virtual time: never early, at most a little late, once each; a new deadline
 * replaces the old one, 0 stops it, the past fires at once. Where time is the host's, that of
 * several domains: never early, none forgotten.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "timers fire once, not early, and soon after their deadline";

#define SLACK_NS 5000u /* interrupt, upcall and handler, in instructions */

static volatile unsigned fired;
static volatile uint64_t when;

static void on_timer(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    when = hv_now();
    fired++;
}

static void expect_at(uint64_t deadline, uint64_t slack)
{
    CHECK_EQ(fired, 1);
    CHECK(when >= deadline);
    if (when - deadline > slack)
        test_failure("a timer was %lu ns late", when - deadline);
    fired = 0;
}

static void spin_until(uint64_t end)
{
    while (hv_now() < end)
        hv_relax();
}

static void check_distances(void)
{
    for (uint64_t ns = 1000; ns < 50000000; ns = ns * 3 + 7) {
        uint64_t deadline = hv_now() + ns;

        CHECK_EQ(hv_set_timer(deadline), 0);
        spin_until(deadline + 2 * SLACK_NS);
        expect_at(deadline, SLACK_NS);
        deadline = hv_now() + ns;
        hv_mask();
        CHECK_EQ(hv_set_timer(deadline), 0);
        while (!fired)
            hv_wait();
        hv_unmask();
        expect_at(deadline, SLACK_NS);
    }
}

static void check_past(void)
{
    uint64_t now;

    for (uint64_t back = 1; back < 1000000; back *= 10) {
        now = hv_now();
        CHECK_EQ(hv_set_timer(now - back), 0);
        spin_until(now + 2 * SLACK_NS);
        expect_at(now, SLACK_NS);
    }
    CHECK_EQ(hv_set_timer(1), 0);
    now = hv_now();
    spin_until(now + 2 * SLACK_NS);
    CHECK_EQ(fired, 1);
    fired = 0;
}

static void check_replace_and_stop(void)
{
    uint64_t now = hv_now();

    CHECK_EQ(hv_set_timer(now + 100000), 0);
    CHECK_EQ(hv_set_timer(now + 300000), 0);
    spin_until(now + 200000);
    CHECK_EQ(fired, 0);
    spin_until(now + 400000);
    expect_at(now + 300000, SLACK_NS);
    now = hv_now();
    CHECK_EQ(hv_set_timer(now + 300000), 0);
    CHECK_EQ(hv_set_timer(now + 100000), 0);
    spin_until(now + 400000);
    expect_at(now + 100000, SLACK_NS);
    now = hv_now();
    CHECK_EQ(hv_set_timer(now + 100000), 0);
    CHECK_EQ(hv_set_timer(0), 0);
    CHECK_EQ(hv_set_timer(0), 0);
    spin_until(now + 300000);
    CHECK_EQ(fired, 0);
    CHECK_EQ(hv_set_timer(~(uint64_t)0), 0);
    spin_until(now + 600000);
    CHECK_EQ(fired, 0);
    CHECK_EQ(hv_set_timer(0), 0);
}

/* While masked, an expiry waits; unmasking serves it. */
static void check_masked(void)
{
    uint64_t now = hv_now();

    hv_mask();
    CHECK_EQ(hv_set_timer(now + 10000), 0);
    spin_until(now + 200000);
    CHECK_EQ(fired, 0);
    CHECK(hv_event_pending());
    hv_unmask();
    CHECK_EQ(fired, 1);
    fired = 0;
}

/* Timers of several domains: each gets its own. */
static void sleeper(void)
{
    uint64_t step = test_argument("step", 1000);

    for (unsigned i = 0; i < 50; i++) {
        uint64_t deadline = hv_now() + step;

        fired = 0;
        hv_mask();
        NEED(hv_set_timer(deadline));
        while (!fired)
            hv_wait();
        hv_unmask();
        CHECK_EQ(fired, 1);
        CHECK(when >= deadline);
    }
}

static void check_many(void)
{
    uint64_t child[6];
    char step[24];

    for (unsigned i = 0; i < 6; i++) {
        hv_snprintf(step, sizeof step, "step=%u", 7000 + 13001 * i);
        child[i] = test_build("sleeper", 192, step);
        NEED(hv_domain_start(child[i]));
    }
    for (unsigned i = 0; i < 6; i++)
        test_join(child[i]);
}

void test_main(void)
{
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_timer, NULL));
    if (test_is("sleeper")) {
        sleeper();
        return;
    }
    if (test_virtual_time()) {
        check_distances();
        check_past();
        check_replace_and_stop();
        check_masked();
    }
    check_many();
}
