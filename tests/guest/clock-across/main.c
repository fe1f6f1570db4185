/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: smp=4 timeout=120
 *
 * One clock for all vCPUs, while they go from processor to processor: four of them pass the time on
 * to each other through memory, by release and acquire, and none ever reads a clock that is behind
 * what was read before; each has a timer that goes off once, not early and on its own vCPU,
 * wherever that runs by then. The parent changes the processors that each may run on all the time.
 */
#include "load.h"

const char test_title[] = "time goes forward across vCPUs and migrations, and timers follow";

#define VCPUS  4u
#define ROUNDS 400u /* of changes */
#define TIMERS 50u

enum { STOP, READY, READINGS = 32, FIRED = 40, LATEST = 48 };

static uint64_t newest; /* the latest time that was read by any of them */

static volatile uint64_t due[VCPUS];
static volatile uint32_t fired[VCPUS];

static void on_timer(uint32_t port, void *arg)
{
    uint64_t n = (uint64_t)(uintptr_t)arg, now = hv_now();

    (void)port;
    CHECK_EQ(hv_vcpu_number(), n);
    CHECK(due[n] != 0 && now >= due[n]);
    due[n] = 0; /* one-shot: a second one finds nothing due */
    fired[n] = fired[n] + 1;
}

/* Whoever else has read a later time meanwhile has published it after this one was taken. */
static void pass_on(void)
{
    uint64_t before = __atomic_load_n(&newest, __ATOMIC_ACQUIRE), now = hv_now();

    if (now < before)
        test_failure("vCPU %u reads %lu, after another had read %lu", hv_vcpu_number(), now,
                     before);
    while (before < now && !__atomic_compare_exchange_n(&newest, &before, now, false,
                                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
}

static void be_vcpu(void *arg)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    uint64_t n = (uint64_t)(uintptr_t)arg, last = 0, now;

    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, n, on_timer, arg));
    hv_unmask();
    shared[READY + n] = 1;
    while (shared[STOP] == 0) {
        now = hv_now();
        CHECK(now >= last);
        last = now;
        pass_on();
        shared[READINGS + n] = shared[READINGS + n] + 1;
        if (due[n] != 0)
            continue;
        shared[FIRED + n] = fired[n];
        due[n] = now + 100000 + n * 77777;
        NEED(hv_set_timer(due[n]));
        if (fired[n] % 2 == 0)
            continue;
        hv_mask(); /* every other one asleep */
        while (due[n] != 0)
            hv_wait();
        hv_unmask();
    }
    hv_set_timer(0);
    for (;;)
        hv_yield();
}

static void be_clocks(void)
{
    static char stacks[VCPUS][16384] __attribute__((aligned(4096)));

    for (uint64_t n = 1; n < VCPUS; n++)
        NEED(
            hv_vcpu_start((uint32_t)n, be_vcpu, (void *)(uintptr_t)n, stacks[n], sizeof stacks[n]));
    be_vcpu(NULL);
}

/* All of them have gone on, and had timers. */
static bool went_on(volatile uint64_t *shared)
{
    for (uint32_t n = 0; n < VCPUS; n++)
        if (shared[FIRED + n] < TIMERS || shared[READINGS + n] < 1000)
            return false;
    return true;
}

void test_main(void)
{
    uint64_t dom, end, changes = 0, readings = 0, timers = 0;
    volatile uint64_t *shared;
    struct hv_domain_info info = { 0 };

    if (test_is("clocks"))
        be_clocks();
    if (!test_is("root"))
        return;
    test_options = (struct test_options){ .vcpus = VCPUS };
    dom = test_spawn("clocks", 0);
    shared = test_shared(dom);
    end = hv_now() + TEST_PATIENCE_NS;
    for (uint32_t n = 0; n < VCPUS; n++)
        while (shared[READY + n] == 0 && hv_now() < end)
            hv_yield();
    while (changes < ROUNDS || !went_on(shared)) {
        info = test_info(dom);
        if (info.state != HV_DOMAIN_RUNNING)
            break;
        if (hv_now() > end)
            test_failure("a vCPU or its timers do not go on: %lu %lu %lu %lu", shared[FIRED],
                         shared[FIRED + 1], shared[FIRED + 2], shared[FIRED + 3]);
        NEED(hv_vcpu_set_affinity(dom, changes % VCPUS,
                                  (uint64_t)1 << (changes / VCPUS + changes % 3) % 4));
        changes++;
        if (changes % 16 == 0)
            load_sleep(LOAD_MS);
    }
    for (uint32_t n = 0; n < VCPUS; n++) {
        readings += shared[READINGS + n];
        timers += shared[FIRED + n];
    }
    hv_printf("%lu readings, %lu timers, %lu changes of processors\n", readings, timers, changes);
    if (info.state != HV_DOMAIN_RUNNING)
        test_join(dom);
    CHECK(readings >= 1000 * VCPUS);
    test_destroy(dom);
}
