/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=240
 *
 * Nobody starves: the lightest beside many that are thousands of times as heavy together has its
 * share, give or take a slice; and so has one that computes beside a flood of others that wake all
 * the time, that come new, go and come back, and that are paused and let go.
 */
#include "load.h"

const char test_title[] =
    "no weight of the others and no flood of them leaves a vCPU without its share";

#define SLICE_MIN_NS 500000u

/* 1 of 2,049. */
static void check_lightest(void)
{
    struct load l[9] = { { .weight = 16 } };
    uint64_t passed, due;

    for (uint32_t i = 1; i <= 8; i++)
        l[i].weight = 4096;
    load_start_all(l, 9);
    load_sleep(LOAD_S);
    passed = load_measure(l, 9, 20 * LOAD_S);
    due = passed * 16 / (16 + 8 * 4096);
    hv_printf("weight 16 beside 8 of 4096: %lu us of 20 s, due %lu us\n", l[0].ran / 1000,
              due / 1000);
    CHECK(l[0].ran + SLICE_MIN_NS >= due * 98 / 100);
    CHECK(l[0].ran <= due * 102 / 100 + SLICE_MIN_NS);
    for (uint32_t i = 1; i <= 8; i++)
        CHECK(l[i].ran * 100 >= passed / 8 * 98);
    load_end_all(l, 9);
}

/* The smallest weight there is beside the largest: it runs, and so does the other. */
static void check_extremes(void)
{
    struct load l[2] = { { .weight = 1 }, { .weight = 65535 } };
    uint64_t passed;

    load_start_all(l, 2);
    load_sleep(LOAD_S);
    passed = load_measure(l, 2, 70 * LOAD_S);
    hv_printf("weight 1 beside 65535: %lu us of 70 s, due %lu us\n", l[0].ran / 1000,
              passed / 65536 / 1000);
    CHECK(l[0].ran >= SLICE_MIN_NS);
    CHECK(l[0].ran <= 3 * SLICE_MIN_NS);
    load_end_all(l, 2);
}

/* 32 vCPUs that do next to nothing, as often as they can, beside one at the same weight as both of
 * their domains: all that they need is less than their share, and the rest is its. */
static void check_woken(void)
{
    struct load l[3] = { { 0 },
                         { .vcpus = 16, .run = 1000, .then = LOAD_SLEEPS, .sleep = 500000 },
                         { .vcpus = 16, .run = 1000, .then = LOAD_SLEEPS, .sleep = 700000 } };
    uint64_t passed;

    load_start_all(l, 3);
    load_sleep(100 * LOAD_MS);
    passed = load_measure(l, 3, 2 * LOAD_S);
    hv_printf("beside 32 that wake: %lu us of 2 s; they have %lu and %lu us\n", l[0].ran / 1000,
              l[1].ran / 1000, l[2].ran / 1000);
    CHECK(l[0].ran * 100 >= (passed - l[1].ran - l[2].ran) * 99);
    CHECK(l[0].ran * 100 >= passed / 3 * 98);
    load_end_all(l, 3);
}

/* New ones, all the time, by root, which runs too; each computes for its life. */
static void check_new(void)
{
    struct load l = { .weight = 256 }, guest;
    uint64_t passed, start, before, theirs = 0;

    load_start_all(&l, 1);
    load_sleep(100 * LOAD_MS);
    start = hv_now();
    before = test_info(l.dom).cpu_ns;
    for (uint32_t n = 0; n < 100; n++) {
        guest = (struct load){ .weight = 256 };
        load_start(&guest);
        load_sleep(LOAD_MS + n * 331 % 9000 * 1000);
        if (n % 3 == 0) {
            NEED(hv_domain_pause(guest.dom));
            load_sleep(LOAD_MS);
            NEED(hv_domain_unpause(guest.dom));
            load_sleep(LOAD_MS);
        }
        theirs += test_info(guest.dom).cpu_ns;
        load_end_all(&guest, 1);
    }
    passed = hv_now() - start;
    l.ran = test_info(l.dom).cpu_ns - before;
    hv_printf("beside 100 that come and go: %lu us of %lu; they had %lu us\n", l.ran / 1000,
              passed / 1000, theirs / 1000);
    /* One that computes beside each of them, and root's part. */
    CHECK(l.ran * 100 >= passed / 3 * 98);
    load_end_all(&l, 1);
}

void test_main(void)
{
    if (load_main())
        return;
    check_lightest();
    check_extremes();
    check_woken();
    check_new();
}
