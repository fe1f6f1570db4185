/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=120
 *
 * Threat (X17). One hardware timer serves the deadlines of all domains. A deadline is a number of
 * 64 bits that a guest chooses: the difference to now, its product with the timer's frequency, or 0
 * and ~0 as "none", wrap; then the timer fires for ever, or never again for anybody. And each
 * expiry is an interrupt in somebody else's time: a guest that sets its timer, sleeps and wakes as
 * fast as it can has others pay.
 *
 * One child sets every odd deadline in turn with good ones, by set_timer and by poll, and sees the
 * good ones come in time. Then four do nothing but set timers, busy or asleep, beside a victim: it
 * does at least nine tenths of the work that it does beside four that only spin, and its own timers
 * are as late at most as beside those, and a slice. A vulnerable system hangs or starves it.
 */
#include "hvlib/clock.h"
#include "nasty.h"
#include "test.h"

#define STORMERS 4u
#define FAR      500u
#define WINDOW   UINT64_C(150000000)
#define SLICE    UINT64_C(5000000)

enum { STOP, READY, WORK = 32, LATE };

const char test_title[] = "no deadline and no number of them keeps time from others";

static volatile uint64_t fired, last;
static uint64_t port;

static void on_timer(uint32_t p, void *arg)
{
    (void)p;
    (void)arg;
    fired++;
    last = hv_now();
}

/* How late the hypervisor may be in virtual time; else the host may stand still as long as it
 * likes. */
static uint64_t patience(void)
{
    return test_virtual_time() ? 100 * SLICE : TEST_PATIENCE_NS;
}

/* A good deadline: at it or after it, and not much. */
static void check_good(void)
{
    uint64_t before = fired, at = hv_now() + 20000;

    CHECK_EQ(hv_set_timer(at), 0);
    while (fired == before)
        CHECK(hv_now() < at + patience());
    CHECK_EQ(fired, before + 1);
    CHECK(last >= at);
}

static void be_odd(void)
{
    static const uint64_t odd[] = { NASTY_LARGE, NASTY_NONCANONICAL, NASTY_HYP };
    HV_BUFFER(8) static uint32_t list[1];

    list[0] = (uint32_t)port;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        uint64_t before = fired, end = hv_now() + 200000;
        bool past = odd[i] <= end;

        /* Where time is the host's it may come to those of the first seconds meanwhile. */
        if (!past && !test_virtual_time() && odd[i] < end + 2 * TEST_PATIENCE_NS)
            continue;
        CHECK_EQ(hv_set_timer(odd[i]), 0);
        /* One that is past comes in any case, if late on a machine that has other work. */
        while (hv_now() < end || (past && fired == before))
            CHECK(hv_now() < end + patience());
        if (!past)
            CHECK_EQ(fired, before); /* years from now */
        check_good();
        CHECK_EQ(hv_set_timer(odd[i]), 0);
        CHECK_EQ(hv_set_timer(0), 0); /* off */
        before = fired;
        end = hv_now() + 50000;
        while (hv_now() < end) {
        }
        CHECK(fired <= before + past);
        /* A poll until then, ended by the timer. */
        hv_mask();
        CHECK_EQ(hv_set_timer(hv_now() + 20000), 0);
        CHECK_EQ(hv_poll(hv_gpa(list), 1, odd[i]), 0);
        if (!past)
            CHECK(hv_event_pending());
        hv_unmask();
        CHECK_EQ(hv_set_timer(0), 0); /* a poll that is over at once leaves it set */
        check_good();
    }
    /* Past ones: each is raised once, at once. */
    for (uint64_t d = 1; d < 100; d++) {
        uint64_t before = fired;

        CHECK_EQ(hv_set_timer(d), 0);
        while (fired == before)
            hv_yield();
        CHECK_EQ(fired, before + 1);
    }
}

/* Seconds away, where 32 bits of the timer's count wrap: an expiry that is a little behind that is
 * not a little way off. Each is nearer than the one before it, so that the hardware is told. */
static void be_far(void)
{
    uint64_t before = test_counters(HV_SELF).interrupts, came;

    for (uint64_t n = 0; n < FAR; n++) {
        uint64_t end = hv_now() + 3000;

        CHECK_EQ(hv_set_timer(end - 2000 + ((uint64_t)(FAR - n) << 32)), 0);
        while (hv_now() < end) {
        }
        CHECK_EQ(hv_set_timer(0), 0);
    }
    came = test_counters(HV_SELF).interrupts - before;
    if (came > FAR / 10)
        test_failure("%lu interrupts for %u deadlines that are seconds away", came, FAR);
    check_good();
}

/* ---- the storm ---- */

static void be_stormer(uint64_t how)
{
    test_signal(TEST_PARENT, READY, 1);
    for (uint64_t n = 0; test_shared(TEST_PARENT)[STOP] == 0; n++) {
        if (how == 0)
            continue; /* spins: what the victim is compared with */
        if (how == 1) {
            hv_set_timer(hv_now() + n % 50);
            continue;
        }
        hv_mask();
        hv_set_timer(hv_now() + 100 + n % 1000);
        hv_wait();
        hv_unmask();
    }
}

/* Works, with a timer of its own all the time. */
static void be_victim(void)
{
    volatile uint64_t *s = test_shared(TEST_PARENT);
    uint64_t due = hv_now() + 1000000, seen = fired, late = 0;

    hv_set_timer(due);
    test_signal(TEST_PARENT, READY, 1);
    while (s[STOP] == 0) {
        s[WORK]++;
        if (fired == seen)
            continue;
        seen = fired;
        if (last - due > late)
            late = last - due;
        s[LATE] = late;
        due = hv_now() + 1000000;
        hv_set_timer(due);
    }
}

static void sleep(uint64_t ns)
{
    uint64_t end = hv_now() + ns;

    hv_mask();
    while (hv_now() < end) {
        hv_set_timer(end);
        hv_wait();
    }
    hv_unmask();
}

struct outcome {
    uint64_t work, late;
};

static struct outcome beside(unsigned how)
{
    uint64_t victim = test_build("victim", 192, NULL), stormer[STORMERS];
    struct outcome o;
    char argument[16];

    hv_snprintf(argument, sizeof argument, "how=%u", how);
    for (unsigned i = 0; i < STORMERS; i++) {
        stormer[i] = test_build("stormer", 192, argument);
        CHECK_EQ(hv_domain_start(stormer[i]), 0);
    }
    CHECK_EQ(hv_domain_start(victim), 0);
    while (test_shared(victim)[READY] == 0)
        sleep(1000000);
    o.work = test_shared(victim)[WORK];
    sleep(WINDOW);
    o.work = test_shared(victim)[WORK] - o.work;
    o.late = test_shared(victim)[LATE];
    test_signal(victim, STOP, 1);
    for (unsigned i = 0; i < STORMERS; i++)
        test_signal(stormer[i], STOP, 1);
    test_join(victim);
    for (unsigned i = 0; i < STORMERS; i++)
        test_join(stormer[i]);
    return o;
}

void test_main(void)
{
    struct outcome spin, storm;

    port = (uint64_t)NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_timer, NULL));
    if (test_is("odd"))
        be_odd();
    if (test_is("stormer"))
        be_stormer(test_argument("how", 0));
    if (test_is("victim"))
        be_victim();
    if (!test_is("root"))
        return;
    be_far(); /* alone: nobody's slice ends before */
    test_join(test_spawn("odd", 192));
    spin = beside(0);
    CHECK_TIME(spin.work > 1000);
    for (unsigned how = 1; how <= 2; how++) {
        storm = beside(how);
        hv_printf("storm %u: work %lu of %lu, timers late by %lu of %lu ns\n", how, storm.work,
                  spin.work, storm.late, spin.late);
        CHECK_TIME(storm.work >= spin.work / 10 * 9);
        CHECK_TIME(storm.late <= spin.late + SLICE);
    }
}
