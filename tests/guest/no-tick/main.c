/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=120
 *
 * No tick: in a second in which nobody has anything to do the hypervisor takes no interrupt but the
 * one that ends it, and switches to nobody; nor does a guest that computes alone see one that it
 * did not ask for. What interrupts there were is read from the trace ring, in which each is
 * recorded. Two that compute have one for each slice, a capped one two for each period of its cap,
 * as documented.
 */
#include "load.h"
#include <hv_trace.h>

const char test_title[] = "an idle second has no interrupt, nor has one of computing alone";

#define SLICE_NS  (5 * LOAD_MS)
#define PERIOD_NS (10 * LOAD_MS) /* of a cap */

struct seen {
    uint64_t irqs, switches, others;
};

/* What has been recorded since the last time. */
static struct seen look(bool all)
{
    static struct hv_trace_entry *e;
    static uint64_t next;
    struct seen s = { 0 };
    int64_t n;

    e = e ? e : test_pages(1);
    while ((n = NEED(hv_trace_read(0, next, hv_gpa(e), 85))) > 0) {
        for (int64_t i = 0; i < n; i++) {
            s.irqs += e[i].event == HV_TRACE_irq || e[i].event == HV_TRACE_timer;
            s.switches += e[i].event == HV_TRACE_switch;
            s.others += e[i].event != HV_TRACE_irq && e[i].event != HV_TRACE_timer &&
                        e[i].event != HV_TRACE_switch;
        }
        CHECK(!all || e[0].seq == next); /* none was lost */
        next = e[n - 1].seq + 1;
    }
    return s;
}

static struct seen second(const char *what, void (*work)(uint64_t end))
{
    struct seen s;

    load_sleep(20 * LOAD_MS); /* a timer that was armed for what is over */
    look(false);
    work(hv_now() + LOAD_S);
    s = look(true);
    hv_printf("%s: %lu interrupts, %lu switches\n", what, s.irqs, s.switches);
    CHECK_EQ(s.others, 0);
    return s;
}

static void compute(uint64_t end)
{
    while (hv_now() < end)
        load_step();
}

/* A hundred timers, each asked for. */
static void compute_with_timers(uint64_t end)
{
    for (uint64_t at = end - LOAD_S + 10 * LOAD_MS; at <= end; at += 10 * LOAD_MS) {
        NEED(hv_set_timer(at));
        compute(at + LOAD_MS);
    }
}

/* Everybody waits, root for its timer: one interrupt, its own. */
static void check_idle(const char *what)
{
    struct seen s = second(what, load_sleep_until);

    CHECK_EQ(s.irqs, 1);
    CHECK_EQ(s.switches, 0);
}

static void check_alone(const char *what)
{
    uint64_t before = test_counters(HV_SELF).interrupts;
    struct seen s = second(what, compute);

    CHECK_EQ(s.irqs, 0);
    CHECK_EQ(s.switches, 0);
    s = second("a hundred timers", compute_with_timers);
    CHECK_EQ(s.irqs, 100);
    CHECK_EQ(s.switches, 0);
    CHECK_EQ(test_counters(HV_SELF).interrupts - before, 100);
}

/* A child that computes beside root, which sleeps: from its side. */
static void check_child(void)
{
    struct load l = { 0 };
    struct hv_counters a, b;
    struct seen s;

    load_start_all(&l, 1);
    load_sleep(20 * LOAD_MS);
    a = test_counters(l.dom);
    s = second("a child computes", load_sleep_until);
    b = test_counters(l.dom);
    /* Root's timer, and the slice that root had beside it, which was not taken off the hardware. */
    CHECK(s.irqs <= 2);
    CHECK_EQ(s.switches, 2);                 /* to it when root sleeps, and back */
    CHECK(b.interrupts - a.interrupts <= 4); /* with the sleep before */
    CHECK_EQ(b.transitions - a.transitions, b.interrupts - a.interrupts);
    NEED(hv_sched_set(l.dom, 256, 25));
    s = second("a child computes under a cap", load_sleep_until);
    CHECK(s.irqs <= 2 * LOAD_S / PERIOD_NS + 2);
    load_end_all(&l, 1);
}

/* More than the ring keeps: by their counters. */
static void check_two(void)
{
    struct load l[2] = { 0 };
    uint64_t interrupts = 0;

    load_start_all(l, 2);
    load_sleep(20 * LOAD_MS);
    for (uint32_t i = 0; i < 2; i++)
        interrupts -= test_counters(l[i].dom).interrupts;
    load_sleep(LOAD_S);
    for (uint32_t i = 0; i < 2; i++)
        interrupts += test_counters(l[i].dom).interrupts;
    hv_printf("two children compute: %lu interrupts\n", interrupts);
    CHECK(interrupts >= LOAD_S / SLICE_NS - 2 && interrupts <= LOAD_S / SLICE_NS + 2);
    load_end_all(l, 2);
}

void test_main(void)
{
    struct load waits[2] = { { .vcpus = 4, .run = 1000, .then = LOAD_WAITS },
                             { .vcpus = 1, .run = 1000, .then = LOAD_WAITS } };

    if (load_main())
        return;
    check_idle("nobody");
    check_alone("root computes");
    load_start_all(waits, 2);
    load_sleep(20 * LOAD_MS);
    check_idle("five vCPUs wait");
    check_alone("root computes beside five that wait");
    check_child();
    check_two();
    load_end_all(waits, 2);
}
