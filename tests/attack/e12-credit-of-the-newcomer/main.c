/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=240
 *
 * Threat (E12). What a vCPU has had too much is its own debt, and one that is new, or was down for
 * long, has none: the scheduler lets it begin level with the others, or a little behind them, as it
 * does with who slept. So a domain has each of its vCPUs run in turn, one at a time at the whole
 * weight of the domain: just before its slice is over it brings up the next one and goes down
 * itself, with its debt. A domain that may create does the same with children: each computes for a
 * slice, is destroyed, and the next one is made. Or they all stay, and the weight goes from one to
 * the next. On a vulnerable system the neighbour has little or nothing.
 *
 * Held here: by CPU time over 2 s, the neighbour has its half, less 2%.
 */
#include "hvlib/builder.h"
#include "load.h"
#include "raw.h"

const char test_title[] = "nobody gets rid of what it owes by new vCPUs, children or weights";

#define WINDOW   (2 * LOAD_S)
#define WEIGHT   256u
#define VCPUS    16u
#define CHILDREN 4u

/* ---- vCPUs in turn ---- */

static uint64_t run_ns;
static volatile uint32_t ready;

static void take_turns(void *arg)
{
    uint64_t n = (uint64_t)(uintptr_t)arg;

    if (n != 0) {
        ready = ready + 1;
        hv_vcpu_down(HV_SELF, n);
    }
    for (;;) {
        load_compute(run_ns);
        while (hv_vcpu_up(HV_SELF, (n + 1) % VCPUS) == -HV_EBUSY)
            hv_yield(); /* on its way down */
        hv_vcpu_down(HV_SELF, n);
    }
}

static void be_many(void)
{
    static char stacks[VCPUS][16384] __attribute__((aligned(4096)));

    run_ns = test_argument("run", 0);
    for (uint64_t n = 1; n < VCPUS; n++) {
        NEED(hv_vcpu_start((uint32_t)n, take_turns, (void *)(uintptr_t)n, stacks[n],
                           sizeof stacks[n]));
        while (ready < n)
            hv_yield();
    }
    test_shared(TEST_PARENT)[1] = 1;
    take_turns(NULL);
}

/* ---- children in turn ---- */

/* One at a time, of nearly all the weight, for as long as a slice. */
static void be_parent(void)
{
    uint64_t ns = test_argument("run", 0), weight = test_argument("weight", 0);

    test_shared(TEST_PARENT)[1] = 1;
    for (;;) {
        uint64_t child = (uint64_t)NEED(raw_small((uint32_t)weight, 0));

        raw_spin(child);
        load_sleep(ns);
        NEED(hv_domain_end(child));
    }
}

/* All stay; who runs has the weight. */
static void be_shifter(void)
{
    uint64_t ns = test_argument("run", 0), child[CHILDREN];

    for (uint32_t i = 0; i < CHILDREN; i++) {
        child[i] = (uint64_t)NEED(raw_small(1, 0));
        raw_spin(child[i]);
    }
    test_shared(TEST_PARENT)[1] = 1;
    for (uint32_t i = 0;; i = (i + 1) % CHILDREN) {
        NEED(hv_sched_set(child[i], WEIGHT - CHILDREN - 16, 0));
        load_sleep(ns);
        NEED(hv_sched_set(child[i], 1, 0));
    }
}

/* ---- root ---- */

static void beside(const char *role, uint64_t run, uint64_t weight)
{
    struct load l = { .weight = WEIGHT };
    char arguments[48];
    uint64_t other, passed;

    hv_snprintf(arguments, sizeof arguments, "run=%lu weight=%lu", run, weight);
    load_start_all(&l, 1);
    test_options = (struct test_options){
        .weight = WEIGHT, .vcpus = VCPUS, .flags = HV_CREATE_MAY_CREATE, .quota = 1024
    };
    other = test_build(role, 512, arguments);
    test_options = (struct test_options){ 0 };
    NEED(hv_domain_start(other));
    while (test_shared(other)[1] == 0)
        load_sleep(LOAD_MS);
    load_sleep(100 * LOAD_MS);
    passed = load_measure(&l, 1, WINDOW);
    CHECK_EQ(test_info(other).state, HV_DOMAIN_RUNNING);
    hv_printf("%s, %lu us each, weight %lu: the neighbour has %lu us of %lu\n", role, run / 1000,
              weight, l.ran / 1000, passed / 1000);
    if (l.ran * 200 < passed * 98)
        test_failure("%s leave the neighbour %lu ns of %lu", role, l.ran, passed);
    load_end_all(&l, 1);
    /* Its children first, which may be any number. */
    NEED(hv_domain_pause(other));
    for (uint64_t dom = other + 1; hv_domain_end(other) == -HV_EBUSY; dom++)
        (void)hv_domain_end(dom);
    test_forget(other);
}

void test_main(void)
{
    static const uint64_t slice = 4900000;

    if (load_main())
        return;
    if (test_is("vcpus"))
        be_many();
    if (test_is("children"))
        be_parent();
    if (test_is("weights"))
        be_shifter();
    beside("vcpus", slice, 0);
    beside("vcpus", slice / 2, 0);
    beside("children", slice, 240);
    beside("children", slice, 128);
    beside("weights", slice, 0);
}
