/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=60
 *
 * What its controller is told about a vCPU: state, what it waits for, where its time went, how
 * often it was woken, its weight, cap and affinity. All is of one moment: the four times grow by
 * exactly what passes. It is told to nobody else, and of nobody who is being taken apart.
 */
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "test.h"

const char test_title[] = "a controller sees what each vCPU of its domains does";

#define WAKES 25u

enum { STAGE, ROUND };

static uint64_t now_from, now_to; /* the last snapshot was made between them */

static struct hv_vcpu_info ask(uint64_t dom, uint64_t vcpu)
{
    HV_BUFFER(128) struct hv_vcpu_info info = { 0 };

    now_from = hv_now();
    CHECK_EQ(hv_vcpu_info(dom, vcpu, hv_gpa(&info)), 0);
    now_to = hv_now();
    return info;
}

/* Until it is in that state and waits for that. */
static struct hv_vcpu_info await(uint64_t dom, uint64_t vcpu, uint32_t state, uint32_t wait)
{
    uint64_t end = hv_now() + TEST_PATIENCE_NS;
    struct hv_vcpu_info i;

    do {
        hv_yield();
        i = ask(dom, vcpu);
    } while ((i.state != state || i.wait != wait) && hv_now() < end);
    CHECK_EQ(i.state, state);
    CHECK_EQ(i.wait, wait);
    return i;
}

static uint64_t sum(const struct hv_vcpu_info *i)
{
    return i->time[0] + i->time[1] + i->time[2] + i->time[3];
}

/* ---- one that computes, and one beside it that is down ---- */

static char stack[16384] __attribute__((aligned(4096)));

static void spins(void *arg)
{
    (void)arg;
    for (;;)
        hv_relax();
}

static void busy(void)
{
    CHECK_EQ(hv_vcpu_start(1, spins, NULL, stack, sizeof stack), 0);
    CHECK_EQ(hv_vcpu_stop(1), 0);
    test_signal(TEST_PARENT, STAGE, 1);
    spins(NULL);
}

/* All of its time is somewhere, and nowhere twice. */
static void check_times(uint64_t dom)
{
    struct hv_vcpu_info first = ask(dom, 0), i = first;
    uint64_t from = now_from, to = now_to, end = hv_now() + TEST_PATIENCE_NS;

    while (i.time[HV_RUN_RUNNING] == first.time[HV_RUN_RUNNING] && hv_now() < end) {
        hv_yield();
        i = ask(dom, 0);
        CHECK(sum(&i) - sum(&first) >= now_from - to);
        CHECK(sum(&i) - sum(&first) <= now_to - from);
        CHECK(i.since >= first.since && i.since <= now_to);
    }
    CHECK(i.time[HV_RUN_RUNNING] > first.time[HV_RUN_RUNNING]);
    /* It never waits for anything. */
    CHECK_EQ(i.wait, 0);
    CHECK(i.state == HV_RUN_RUNNING || i.state == HV_RUN_RUNNABLE);
    CHECK_EQ(i.time[HV_RUN_BLOCKED], first.time[HV_RUN_BLOCKED]);
    CHECK_EQ(i.time[HV_RUN_OFFLINE], first.time[HV_RUN_OFFLINE]);
    /* The domain's is that of its two together. */
    i = ask(dom, 1);
    CHECK_EQ(i.state, HV_RUN_OFFLINE);
    CHECK_EQ(i.wait, HV_WAIT_DOWN);
    CHECK(test_info(dom).cpu_ns >= ask(dom, 0).time[0] - (now_to - from) + i.time[0]);
}

static void check_settings(uint64_t dom)
{
    struct hv_vcpu_info i = ask(dom, 0);

    CHECK_EQ(i.weight, 256);
    CHECK_EQ(i.cap, 0);
    CHECK_EQ(i.affinity, ~(uint64_t)0);
    CHECK_EQ(hv_sched_set(dom, 512, 40), 0);
    CHECK_EQ(hv_vcpu_set_affinity(dom, 1, 1), 0);
    i = ask(dom, 0);
    CHECK_EQ(i.weight, 512);
    CHECK_EQ(i.cap, 40);
    CHECK_EQ(i.affinity, ~(uint64_t)0);
    CHECK_EQ(ask(dom, 1).affinity, 1);
    CHECK_EQ(ask(dom, 1).cpu, 0);
    /* 40% of a processor: there is time when it may not run, which it would like to. */
    i = await(dom, 0, HV_RUN_RUNNABLE, HV_WAIT_CAP);
    CHECK_EQ(hv_sched_set(dom, 256, 0), 0);
}

static void check_pause(uint64_t dom)
{
    struct hv_vcpu_info i;

    CHECK_EQ(hv_domain_pause(dom), 0);
    i = await(dom, 0, HV_RUN_OFFLINE, HV_WAIT_PAUSE);
    CHECK_EQ(ask(dom, 1).wait, HV_WAIT_PAUSE | HV_WAIT_DOWN);
    CHECK_EQ(ask(dom, 0).time[HV_RUN_RUNNING], i.time[HV_RUN_RUNNING]);
    CHECK_EQ(hv_domain_unpause(dom), 0);
    CHECK_EQ(ask(dom, 0).wakeups, i.wakeups + 1);
}

static void check_busy(void)
{
    uint64_t dom;

    test_options = (struct test_options){ .vcpus = 3, .weight = 256 };
    dom = test_spawn("busy", 192);
    test_options = (struct test_options){ 0 };
    test_await(dom, STAGE, 1);
    check_times(dom);
    check_settings(dom);
    check_pause(dom);
    /* Number 2 was never made. */
    CHECK_EQ(hv_vcpu_info(dom, 2, hv_gpa(stack)), -HV_EINVAL);
    CHECK_EQ(hv_vcpu_info(dom, 3, hv_gpa(stack)), -HV_EINVAL);
    CHECK_EQ(hv_vcpu_info(dom, HV_MAX_VCPUS, hv_gpa(stack)), -HV_EINVAL);
    CHECK_EQ(hv_vcpu_info(dom, ~(uint64_t)0, hv_gpa(stack)), -HV_EINVAL);
    CHECK_EQ(hv_vcpu_info(dom, 0, hv_gpa(stack) + HV_PAGE_SIZE - 8), -HV_EFAULT);
    CHECK_EQ(hv_vcpu_info(dom, 0, ~(uint64_t)0), -HV_EFAULT);
    CHECK_EQ(hv_vcpu_info(dom + 1, 0, hv_gpa(stack)), -HV_EPERM);
    /* Being taken apart. */
    CHECK_EQ(hv_domain_destroy(dom), 1);
    CHECK_EQ(hv_vcpu_info(dom, 0, hv_gpa(stack)), -HV_EPERM);
    test_destroy(dom);
    CHECK_EQ(hv_vcpu_info(dom, 0, hv_gpa(stack)), -HV_EPERM);
}

/* ---- one that is woken ---- */

static volatile bool rung;

static void on_ring(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    rung = true;
}

static void sleeper(void)
{
    CHECK_EQ(hv_vcpu_info(HV_SELF, 0, hv_gpa(stack)), -HV_EPERM);
    CHECK_EQ(hv_vcpu_info(hv_start_parent(), 0, hv_gpa(stack)), -HV_EPERM);
    NEED(hv_event_handler(test_port(TEST_PARENT), on_ring, NULL));
    hv_mask();
    for (uint64_t n = 1;; n++) {
        test_shared(TEST_PARENT)[ROUND] = n;
        while (!rung)
            hv_wait();
        rung = false;
    }
}

static void check_sleeper(void)
{
    uint64_t dom = test_spawn("sleeper", 192);
    struct hv_vcpu_info i, before;

    test_await(dom, ROUND, 1);
    before = await(dom, 0, HV_RUN_BLOCKED, HV_WAIT_BLOCK);
    for (uint64_t n = 1; n <= WAKES; n++) {
        CHECK_EQ(hv_event_send(test_port(dom)), 0);
        test_await(dom, ROUND, n + 1);
        i = await(dom, 0, HV_RUN_BLOCKED, HV_WAIT_BLOCK);
        CHECK_EQ(i.wakeups, before.wakeups + n);
    }
    CHECK(i.time[HV_RUN_BLOCKED] > before.time[HV_RUN_BLOCKED]);
    test_destroy(dom);
}

void test_main(void)
{
    if (test_is("busy"))
        busy();
    if (test_is("sleeper"))
        sleeper();
    if (!test_is("root"))
        return;
    /* Of itself root is told, too. */
    CHECK_EQ(ask(HV_SELF, 0).state, HV_RUN_RUNNING);
    CHECK(ask(HV_SELF, 0).time[HV_RUN_RUNNING] > 0);
    check_busy();
    check_sleeper();
}
