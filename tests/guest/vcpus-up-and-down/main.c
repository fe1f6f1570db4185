/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * Several vCPUs in a domain: made, started, taken down and brought up again at run time, by
 * themselves, by one another and by the controller. Down means: does not run, keeps all that it
 * has, and finds what was raised meanwhile when it is up again.
 */
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "test.h"

const char test_title[] = "vCPUs go up and down at run time, and lose nothing";

#define VCPUS  4u
#define ROUNDS 100u
#define STACK  16384u

static char stacks[VCPUS][STACK] __attribute__((aligned(4096)));
static volatile uint64_t count[VCPUS], told[VCPUS], numbers[VCPUS];
static volatile bool stop;

static void counts(void *arg)
{
    uint64_t n = (uint64_t)(uintptr_t)arg;

    numbers[n] = hv_vcpu_number();
    hv_unmask();
    while (!stop) {
        count[n] = count[n] + 1;
        hv_yield();
    }
}

static int64_t start(uint32_t n, hv_vcpu_fn fn)
{
    return hv_vcpu_start(n, fn, (void *)(uintptr_t)n, stacks[n], STACK);
}

/* Until vCPU `n` has come further, or for so long that it does not run: another processor may take
 * its time to begin. */
static bool runs(uint64_t n)
{
    uint64_t from = count[n], end = hv_now() + TEST_PATIENCE_NS;

    while (count[n] == from && hv_now() < end)
        hv_yield();
    return count[n] != from;
}

static void check_start(void)
{
    CHECK_EQ(hv_vcpu_number(), 0);
    CHECK_EQ(hv_vcpu_limit(), VCPUS);
    CHECK_EQ(test_info(HV_SELF).vcpus, 1);
    for (uint32_t n = 1; n < VCPUS; n++) {
        CHECK_EQ(start(n, counts), 0);
        CHECK(runs(n));
        CHECK_EQ(numbers[n], n);
        CHECK_EQ(start(n, counts), -HV_EBUSY);
    }
    CHECK_EQ(test_info(HV_SELF).vcpus, VCPUS);
    CHECK_EQ(start(VCPUS, counts), -HV_EINVAL);
}

/* By another vCPU: it goes on where it was, registers and all. */
static void check_hotplug(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t n = 1 + round % (VCPUS - 1);

        CHECK_EQ(hv_vcpu_stop((uint32_t)n), 0);
        CHECK_EQ(hv_vcpu_down(HV_SELF, n), 0); /* it is */
        uint64_t at = count[n];

        for (unsigned i = 0; i < 10; i++)
            hv_yield();
        CHECK_EQ(count[n], at);
        CHECK_EQ(hv_vcpu_up(HV_SELF, n), 0);
        CHECK_EQ(hv_vcpu_up(HV_SELF, n), -HV_EBUSY);
        CHECK(runs(n));
    }
}

static void on_ipi(uint32_t port, void *arg)
{
    (void)port;
    told[(uint64_t)(uintptr_t)arg]++;
    CHECK_EQ(hv_vcpu_number(), (uint64_t)(uintptr_t)arg);
}

/* Events for a vCPU that is down: kept, one of them told when it is up. */
static void check_events(void)
{
    for (uint64_t n = 1; n < VCPUS; n++) {
        int64_t port = NEED(hv_event_listen(HV_BIND_IPI, n, 0, on_ipi, (void *)(uintptr_t)n));
        HV_BUFFER(64) struct hv_event_status s;

        NEED(hv_event_query((uint64_t)port, &s));
        CHECK_EQ(s.state, HV_PORT_IPI);
        CHECK_EQ(s.vcpu, n);
        CHECK_EQ(s.source, n);
        CHECK_EQ(hv_event_set_vcpu(HV_SELF, (uint64_t)port, 0), -HV_EINVAL);
        CHECK_EQ(hv_event_send((uint64_t)port), 0);
        while (told[n] == 0)
            hv_yield();
        CHECK_EQ(hv_vcpu_stop((uint32_t)n), 0);
        CHECK_EQ(hv_event_send((uint64_t)port), 0);
        CHECK_EQ(hv_event_send((uint64_t)port), 0);
        for (unsigned i = 0; i < 10; i++)
            hv_yield();
        CHECK_EQ(told[n], 1);
        CHECK_EQ(hv_vcpu_up(HV_SELF, n), 0);
        while (told[n] == 1)
            hv_yield();
        CHECK(runs(n));
        CHECK_EQ(told[n], 2);
        CHECK_EQ(hv_event_end((uint64_t)port), 0);
        CHECK_EQ(hv_event_send((uint64_t)port), -HV_EINVAL);
    }
}

/* Its function returns: it goes down by itself, and starts anew. */
static void check_return(void)
{
    stop = true;
    for (uint32_t n = 1; n < VCPUS; n++) {
        uint64_t end = hv_now() + TEST_PATIENCE_NS;

        while (start(n, counts) == -HV_EBUSY && hv_now() < end)
            hv_yield();
        CHECK(hv_now() < end);
        CHECK_EQ(hv_vcpu_stop(n), 0);
    }
    stop = false;
    for (uint32_t n = 1; n < VCPUS; n++) {
        CHECK_EQ(start(n, counts), 0);
        CHECK(runs(n));
    }
}

enum { STAGE, MINE };

/* A child whose controller does it, down to the last one. */
static void child(void)
{
    volatile uint64_t *s = test_shared(TEST_PARENT);

    CHECK_EQ(start(1, counts), 0);
    while (count[1] < 10)
        hv_yield();
    test_signal(TEST_PARENT, STAGE, 1);
    for (;;) {
        s[MINE] = s[MINE] + 1;
        hv_yield();
    }
}

/* Another's vCPU, which may still run on another processor. */
static int64_t down(uint64_t dom, uint64_t n)
{
    int64_t runs;

    while ((runs = hv_vcpu_down(dom, n)) == 1)
        hv_yield();
    return runs;
}

static void check_controller(void)
{
    uint64_t dom, at;
    volatile uint64_t *s;

    test_options = (struct test_options){ .vcpus = 2 };
    dom = test_spawn("child", 192);
    s = test_shared(dom);
    test_await(dom, STAGE, 1);
    CHECK_EQ(down(dom, 1), 0);
    CHECK_EQ(down(dom, 0), 0);
    CHECK_EQ(test_info(dom).state, HV_DOMAIN_RUNNING);
    at = s[MINE];
    uint64_t ran = test_info(dom).cpu_ns;

    for (unsigned i = 0; i < 100; i++)
        hv_yield();
    CHECK_EQ(s[MINE], at);
    CHECK_EQ(test_info(dom).cpu_ns, ran);
    /* A pause and its end bring nobody up. */
    CHECK_EQ(hv_domain_pause(dom), 0);
    CHECK_EQ(hv_vcpu_up(dom, 0), 0);
    for (unsigned i = 0; i < 100; i++)
        hv_yield();
    CHECK_EQ(s[MINE], at);
    CHECK_EQ(down(dom, 0), 0);
    CHECK_EQ(hv_domain_unpause(dom), 0);
    for (unsigned i = 0; i < 100; i++)
        hv_yield();
    CHECK_EQ(s[MINE], at);
    CHECK_EQ(hv_vcpu_up(dom, 0), 0);
    while (s[MINE] == at)
        hv_yield();
    test_destroy(dom);
    test_options = (struct test_options){ 0 };
}

static void be_many(void)
{
    check_start();
    check_hotplug();
    check_events();
    check_return();
    hv_shutdown(0); /* one ends all */
}

void test_main(void)
{
    if (test_is("child"))
        child();
    if (test_is("many"))
        be_many();
    if (!test_is("root"))
        return;
    uint64_t used = test_info(HV_SELF).used;

    test_options = (struct test_options){ .vcpus = VCPUS };
    uint64_t many = test_spawn("many", 0);

    test_join(many);
    check_controller();
    CHECK(test_info(HV_SELF).used <= used + 16); /* what the harness keeps of two children */
}
