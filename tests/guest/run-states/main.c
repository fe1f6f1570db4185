/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=120
 *
 * Where a vCPU's time went, to the nanosecond: at each reading the four times of its record add up
 * to the time from when it was made to when the record was written, whatever it does meanwhile;
 * what all vCPUs of the machine have run is the time that passed. Who computes beside others is
 * runnable while they run (its steal time), also when its cap is used up; who waits is blocked, who
 * is paused or down offline. The record shows the weight and the cap of the domain as they are.
 */
#include "load.h"

const char test_title[] = "run-states add up to the time that passed, exactly";

#define WATCHED 6u

enum { READINGS = 1, PHASE, SEEN, TIMES = 32 };
enum { LOOPS = 1, NAPS, YIELDS, COMES, BLOCKS };

static struct hv_runstate state_of(uint64_t vcpu)
{
    struct hv_runstate r;

    hv_run_state_of(hv_va((HV_GFN_SHARED + vcpu) << HV_PAGE_SHIFT), &r);
    return r;
}

static uint64_t total(const struct hv_runstate *r)
{
    return r->time[0] + r->time[1] + r->time[2] + r->time[3];
}

/* ---- the child: vCPU 0 watches, each of the others does something else ---- */

static void quiet(uint32_t port, void *arg)
{
    (void)port;
    *(volatile bool *)arg = true;
}

static void other(void *arg)
{
    static volatile bool fired[WATCHED];
    uint64_t n = (uint64_t)(uintptr_t)arg;

    hv_mask();
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, n, quiet, (void *)(uintptr_t)&fired[n]));
    for (;;) {
        switch (n) {
        case LOOPS:
        case COMES:
            load_step();
            break;
        case YIELDS:
            hv_yield();
            break;
        case BLOCKS:
            hv_wait();
            break;
        default:
            load_compute(170000);
            NEED(hv_set_timer(hv_now() + 330000));
            while (!fired[n])
                hv_wait();
            fired[n] = false;
        }
    }
}

/* The sum, and that nothing goes back; the first reading tells when the vCPU was made. */
static void check_record(uint64_t n)
{
    static struct hv_runstate last[WATCHED];
    static uint64_t made[WATCHED];
    struct hv_runstate r = state_of(n);

    if (last[n].version == 0)
        made[n] = r.since - total(&r);
    CHECK_EQ(r.since - total(&r), made[n]);
    CHECK(r.since >= last[n].since && r.since <= hv_now());
    CHECK(r.state <= HV_RUN_OFFLINE && r.rsvd == 0 && r.version % 2 == 0);
    for (uint32_t s = 0; s < 4; s++)
        CHECK(r.time[s] >= last[n].time[s]);
    if (n == 0)
        CHECK_EQ(r.state, HV_RUN_RUNNING);
    else
        CHECK(r.state != HV_RUN_RUNNING); /* this one runs */
    last[n] = r;
}

/* Down for a while: all of that and no more is offline. */
static void check_down(void)
{
    struct hv_runstate a, b;
    uint64_t from, to;

    CHECK_EQ(hv_vcpu_stop(COMES), 0);
    a = state_of(COMES);
    CHECK_EQ(a.state, HV_RUN_OFFLINE);
    hv_delay(3 * LOAD_MS);
    from = hv_now();
    CHECK_EQ(hv_vcpu_up(HV_SELF, COMES), 0);
    to = hv_now();
    b = state_of(COMES);
    CHECK(b.time[HV_RUN_OFFLINE] - a.time[HV_RUN_OFFLINE] >= from - a.since);
    CHECK(b.time[HV_RUN_OFFLINE] - a.time[HV_RUN_OFFLINE] <= to - a.since);
    CHECK_EQ(b.time[HV_RUN_BLOCKED], a.time[HV_RUN_BLOCKED]);
}

static void be_watched(void)
{
    static char stacks[WATCHED][16384] __attribute__((aligned(4096)));
    volatile uint64_t *shared = test_shared(TEST_PARENT);

    for (uint64_t n = 1; n < WATCHED; n++)
        NEED(hv_vcpu_start((uint32_t)n, other, (void *)(uintptr_t)n, stacks[n], sizeof stacks[n]));
    for (uint64_t readings = 1;; readings++) {
        for (uint64_t n = 0; n < WATCHED; n++)
            check_record(n);
        if (readings % 64 == 0)
            check_down();
        if (readings % 8 == 0)
            hv_yield();
        for (uint64_t n = 0; n < WATCHED; n++) {
            struct hv_runstate r = state_of(n);

            for (uint32_t s = 0; s < 4; s++)
                shared[TIMES + n * 8 + s] = r.time[s];
            shared[TIMES + n * 8 + 4] = (uint64_t)r.weight << 32 | r.cap;
        }
        shared[READINGS] = readings;
    }
}

/* ---- root ---- */

/* What root itself ran up to now; *now is when that was. */
static uint64_t own(uint64_t *now)
{
    struct hv_runstate r, again;

    do {
        hv_run_state(&r);
        *now = hv_now();
        hv_run_state(&again);
    } while (r.version != again.version);
    return r.time[HV_RUN_RUNNING] + *now - r.since;
}

/* CPU time of root and its children, and when; nobody ran between the readings. */
static uint64_t everybody(const uint64_t *dom, uint32_t count, uint64_t *now)
{
    struct hv_runstate before, after;
    uint64_t sum;

    do {
        sum = 0;
        hv_run_state(&before);
        for (uint32_t i = 0; i < count; i++)
            sum += test_info(dom[i]).cpu_ns;
        sum += own(now);
        hv_run_state(&after);
    } while (before.version != after.version);
    return sum;
}

static uint64_t time_of(uint64_t dom, uint64_t vcpu, uint32_t state)
{
    return test_shared(dom)[TIMES + vcpu * 8 + state];
}

/* Records that were written after now. */
static void fresh(uint64_t dom)
{
    uint64_t seen = test_shared(dom)[READINGS];

    while (test_shared(dom)[READINGS] < seen + 2)
        load_sleep(LOAD_MS);
}

/* Nothing is lost between them: with one that always wants to run nobody is idle. */
static void check_conservation(uint64_t dom, uint64_t rival)
{
    uint64_t doms[2] = { dom, rival }, at, then, sum, before;

    before = everybody(doms, 2, &then);
    for (uint32_t i = 1; i <= 50; i++) {
        load_sleep(i * 137 % 20 * LOAD_MS);
        sum = everybody(doms, 2, &at);
        CHECK_EQ(sum - before, at - then);
    }
    hv_printf("in %lu ns all vCPUs have run %lu ns\n", at - then, sum - before);
}

/* Steal: runnable is what the others ran while it computed; nothing else goes on. */
static void check_steal(uint64_t dom)
{
    uint64_t before[4], after[4], steal, ran;

    fresh(dom);
    for (uint32_t s = 0; s < 4; s++)
        before[s] = time_of(dom, LOOPS, s);
    /* A record ends with the last change of state: a turn of the others ago, far less than 0.1 s.
     */
    load_sleep(LOAD_S + 100 * LOAD_MS);
    fresh(dom);
    for (uint32_t s = 0; s < 4; s++)
        after[s] = time_of(dom, LOOPS, s);
    steal = after[HV_RUN_RUNNABLE] - before[HV_RUN_RUNNABLE];
    ran = after[HV_RUN_RUNNING] - before[HV_RUN_RUNNING];
    hv_printf("one that computes: ran %lu us, steal %lu us, blocked %lu, offline %lu\n", ran / 1000,
              steal / 1000, after[2] - before[2], after[3] - before[3]);
    CHECK(ran + steal >= LOAD_S);
    CHECK(ran > 0 && steal > ran);
    CHECK_EQ(after[HV_RUN_BLOCKED], before[HV_RUN_BLOCKED]);
    CHECK_EQ(after[HV_RUN_OFFLINE], before[HV_RUN_OFFLINE]);
}

/* One that waits for good is blocked, and neither runs nor is stolen from. */
static void check_blocked(uint64_t dom)
{
    uint64_t ran = time_of(dom, BLOCKS, HV_RUN_RUNNING), was;

    fresh(dom);
    was = time_of(dom, BLOCKS, HV_RUN_RUNNABLE);
    load_sleep(100 * LOAD_MS);
    fresh(dom);
    CHECK_EQ(time_of(dom, BLOCKS, HV_RUN_RUNNING), ran);
    CHECK_EQ(time_of(dom, BLOCKS, HV_RUN_RUNNABLE), was);
}

/* Paused: offline for so long, and nothing else. */
static void check_paused(uint64_t dom)
{
    uint64_t before, paused, from, to, end;

    fresh(dom);
    before = time_of(dom, LOOPS, HV_RUN_OFFLINE);
    from = hv_now();
    NEED(hv_domain_pause(dom));
    load_sleep(50 * LOAD_MS);
    to = hv_now();
    NEED(hv_domain_unpause(dom));
    end = hv_now();
    fresh(dom);
    paused = time_of(dom, LOOPS, HV_RUN_OFFLINE) - before;
    hv_printf("paused for %lu ns, %lu ns offline\n", to - from, paused);
    CHECK(paused >= 50 * LOAD_MS && paused <= end - from);
}

/* Shown as they are set; and what a cap keeps from it is steal. */
static void check_share(uint64_t dom, uint32_t weight, uint32_t cap)
{
    uint64_t runnable, blocked;

    NEED(hv_sched_set(dom, weight, cap));
    fresh(dom);
    for (uint64_t n = 0; n < WATCHED; n++)
        CHECK_EQ(test_shared(dom)[TIMES + n * 8 + 4], (uint64_t)weight << 32 | cap);
    CHECK_EQ(test_info(dom).weight, weight);
    runnable = time_of(dom, LOOPS, HV_RUN_RUNNABLE);
    blocked = time_of(dom, LOOPS, HV_RUN_BLOCKED);
    load_sleep(100 * LOAD_MS);
    fresh(dom);
    CHECK(time_of(dom, LOOPS, HV_RUN_RUNNABLE) > runnable);
    CHECK_EQ(time_of(dom, LOOPS, HV_RUN_BLOCKED), blocked);
}

void test_main(void)
{
    struct load rival = { 0 };
    uint64_t dom;

    if (load_main())
        return;
    if (test_is("watched"))
        be_watched();
    test_options = (struct test_options){ .vcpus = WATCHED };
    dom = test_spawn("watched", 192);
    load_start_all(&rival, 1);
    while (test_shared(dom)[READINGS] < 100)
        load_sleep(LOAD_MS);
    check_conservation(dom, rival.dom);
    check_steal(dom);
    check_blocked(dom);
    check_paused(dom);
    check_share(dom, 1024, 0);
    check_share(dom, 77, 40);
    check_share(dom, 256, 0);
    hv_printf("%lu readings of %u records\n", test_shared(dom)[READINGS], WATCHED);
    load_end_all(&rival, 1);
    test_destroy(dom);
}
