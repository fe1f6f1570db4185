/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=180
 *
 * A directed yield: who may be named, that the one that is named runs next, and not another of the
 * domain that waits too, and that a domain whose vCPUs hand the CPU to each other all the time has
 * no more of it than its weight says.
 */
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "test.h"

const char test_title[] =
    "a yield goes to the vCPU that it names, and gains nothing over other domains";

#define STACK       16384u
#define ROUNDS      20u
#define MEASURED_NS 500000000u

static char stack[2][STACK] __attribute__((aligned(4096)));
static volatile bool over;
static uint32_t first; /* of vCPUs 1 and 2, who ran since it was cleared */

static void sleep_ns(uint64_t ns)
{
    uint64_t end = hv_now() + ns;

    NEED(hv_set_timer(end));
    hv_mask();
    while (hv_now() < end)
        hv_wait();
    hv_unmask();
}

static void check_numbers(void)
{
    const uint64_t wrong[] = { 3,       hv_vcpu_limit(), HV_MAX_VCPUS, UINT64_C(1) << 32,
                               HV_SELF, ~UINT64_C(0) };

    CHECK_EQ(hv_vcpu_create(HV_SELF, 1), 0);
    CHECK_EQ(hv_sched_yield_to(1), 0); /* down: as yield */
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_EQ(hv_sched_yield_to(wrong[i]), -HV_EINVAL);
    CHECK_EQ(hv_sched_yield_to(0), -HV_EINVAL); /* itself */
}

/* ---- who runs next ---- */

static void take_turns(void *arg)
{
    while (!over) {
        uint32_t nobody = 0;

        __atomic_compare_exchange_n(&first, &nobody, (uint32_t)(uintptr_t)arg, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        hv_yield();
    }
}

static void check_next(void)
{
    for (uint32_t n = 1; n <= 2; n++)
        CHECK_EQ(hv_vcpu_start(n, take_turns, (void *)(uintptr_t)n, stack[n - 1], STACK), 0);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t to = round < ROUNDS / 2 ? 1 : 2;

        sleep_ns(5000000); /* so that it is behind both when it comes back */
        __atomic_store_n(&first, 0, __ATOMIC_RELAXED);
        CHECK_EQ(hv_sched_yield_to(to), 0);
        CHECK_EQ(__atomic_load_n(&first, __ATOMIC_RELAXED), to);
    }
    over = true;
    for (uint32_t n = 1; n <= 2; n++)
        CHECK_EQ(hv_vcpu_stop(n), 0);
}

/* ---- nothing is gained ---- */

/* Each hands the CPU to the other as soon as it has it. */
static void hand_over(void *arg)
{
    for (;;)
        hv_sched_yield_to((uint64_t)(uintptr_t)arg);
}

static uint64_t spawn(const char *role, uint32_t vcpus)
{
    uint64_t child;

    test_options.weight = 256;
    test_options.vcpus = vcpus;
    child = test_build(role, 192, NULL);
    test_options.weight = test_options.vcpus = 0;
    NEED(hv_domain_start(child));
    return child;
}

static void check_share(void)
{
    uint64_t pair = spawn("pair", 2), alone = spawn("loops", 1), a, b;

    sleep_ns(30000000);
    a = test_info(pair).cpu_ns;
    b = test_info(alone).cpu_ns;
    sleep_ns(MEASURED_NS);
    a = test_info(pair).cpu_ns - a;
    b = test_info(alone).cpu_ns - b;
    if (a * 100 < b * 98 || a * 100 > b * 102)
        test_failure("the pair had %lu ns, the other %lu", a, b);
    test_destroy(pair);
    test_destroy(alone);
}

void test_main(void)
{
    if (test_is("loops")) {
        for (;;) /* PAUSE is slow under icount */
            __asm__ volatile("");
    }
    if (test_is("pair")) {
        NEED(hv_vcpu_start(1, hand_over, (void *)0, stack[0], STACK));
        hand_over((void *)(uintptr_t)1);
    }
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, NULL, NULL));
    check_numbers();
    check_next();
    check_share();
}
