/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=180
 *
 * The CPU is shared by weight, in virtual time: equal weights get equal shares within 2%, twice the
 * weight twice as much; who sleeps saves nothing up and who yields loses nothing to who does not;
 * a domain that only loops is preempted.
 */
#include "load.h"

const char test_title[] = "the CPU is shared by weight, within 2%";

static uint64_t spawn(const char *role, uint32_t weight)
{
    test_options.weight = weight;
    uint64_t child = test_build(role, 192, NULL);

    test_options.weight = 0;
    NEED(hv_domain_start(child));
    return child;
}

/* Long enough for a slice of 5 ms to be less than the 2%: of the half that one of two equals has.
 */
#define MEASURED_NS 500000000u

/* CPU times of two children over a while, as a ratio in thousandths. */
static uint64_t ratio(uint64_t a, uint64_t b, uint64_t ns)
{
    uint64_t a0 = test_info(a).cpu_ns, b0 = test_info(b).cpu_ns, start = hv_now();

    load_sleep(ns);
    uint64_t ran_a = test_info(a).cpu_ns - a0, ran_b = test_info(b).cpu_ns - b0,
             all = hv_now() - start;

    CHECK(ran_b > 0);
    /* Nothing is lost either: the two had nearly all of it. */
    CHECK((ran_a + ran_b) * 100 >= all * 97);
    return ran_a * 1000 / ran_b;
}

static void expect(const char *what, uint64_t is, uint64_t should)
{
    if (is * 100 < should * 98 || is * 100 > should * 102)
        test_failure("%s: %lu thousandths, not %lu", what, is, should);
}

static void check_pair(const char *role, uint32_t weight_a, uint32_t weight_b, uint64_t ns)
{
    uint64_t a = spawn(role, weight_a), b = spawn("loops", weight_b);
    char what[64];

    load_sleep(30000000);
    hv_snprintf(what, sizeof what, "%s at %u beside loops at %u", role, weight_a, weight_b);
    expect(what, ratio(a, b, ns), 1000 * weight_a / weight_b);
    test_destroy(a);
    test_destroy(b);
}

/* A sleeper that comes back has no more than its share from then on. */
static void check_sleeper(void)
{
    uint64_t a = spawn("loops", 256), b = spawn("loops", 256);

    load_sleep(20000000);
    NEED(hv_domain_pause(a));
    load_sleep(100000000);
    NEED(hv_domain_unpause(a));
    load_sleep(10000000);
    expect("after a long sleep", ratio(a, b, MEASURED_NS), 1000);
    test_destroy(a);
    test_destroy(b);
}

void test_main(void)
{
    if (test_is("loops")) {
        for (;;)
            load_step();
    }
    if (test_is("calls")) {
        for (;;)
            hv_version();
    }
    check_pair("loops", 256, 256, MEASURED_NS);
    check_pair("calls", 512, 256, 1200000000); /* a slice more for one is one less for the other */
    check_pair("loops", 100, 400, MEASURED_NS);
    check_sleeper();
}
