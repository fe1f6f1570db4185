/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * Threat (X3). Memory for children is taken from the creator's quota; the share of the CPU was
 * forgotten. A domain that may create makes children of the largest weight, or many of a usual one,
 * and lets them spin: each counts in full beside the innocent neighbour, whose share goes towards
 * nothing. A vulnerable system starves the neighbour.
 *
 * This guest asks for children of every weight that it does not have, for more than it has in all,
 * and then spins with as many as it can get. The neighbour's share is measured by its CPU time.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "raw.h"

#define WEIGHT   256u
#define CHILDREN 8u
#define PERIOD   UINT64_C(400000000)

const char test_title[] = "children do not add to a domain's share of the CPU";

static void be_neighbour(void)
{
    while (test_shared(TEST_PARENT)[0] == 0) {
    }
}

/* ---- the attacker ---- */

static void check_refused(void)
{
    static const uint32_t weights[] = { WEIGHT, WEIGHT + 1, 1024, 65535 };
    int64_t id;

    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        CHECK_EQ(raw_small(weights[i], 0), -HV_EPERM);
    CHECK_EQ(raw_small(0, 0), -HV_EINVAL);
    CHECK_EQ(raw_small(65536, 0), -HV_EINVAL);
    CHECK_EQ(raw_small(~0u, 0), -HV_EINVAL);
    CHECK_EQ(test_info(HV_SELF).weight, WEIGHT);
    /* All but one: nothing is left to give. */
    id = raw_small(WEIGHT - 1, 0);
    CHECK(id > 0);
    CHECK_EQ(test_info(HV_SELF).weight, 1);
    CHECK_EQ(raw_small(1, 0), -HV_EPERM);
    CHECK_EQ(hv_domain_end((uint64_t)id), 0);
    CHECK_EQ(test_info(HV_SELF).weight, WEIGHT);
    /* A creation that fails takes nothing. */
    CHECK_EQ(raw_create((struct hv_domain_create){
                 .quota = 10, .ram_pages = 4, .window_pages = 1, .weight = 100 }),
             -HV_ENOMEM);
    CHECK_EQ(test_info(HV_SELF).weight, WEIGHT);
}

static void be_attacker(void)
{
    uint64_t child[CHILDREN];

    check_refused();
    for (uint32_t i = 0; i < CHILDREN; i++) {
        int64_t id = raw_small(WEIGHT / (CHILDREN + 1), 0);

        CHECK(id > 0);
        child[i] = (uint64_t)id;
        raw_spin(child[i]);
    }
    test_signal(TEST_PARENT, 1, 1);
    while (test_shared(TEST_PARENT)[0] == 0) {
    }
    for (uint32_t i = 0; i < CHILDREN; i++)
        CHECK_EQ(hv_domain_end(child[i]), 0);
    CHECK_EQ(test_info(HV_SELF).weight, WEIGHT);
}

/* ---- root looks on, asleep ---- */

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

static void check_share(void)
{
    uint64_t neighbour, attacker, before, ran;

    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, NULL, NULL));
    neighbour = test_spawn("neighbour", 0);
    test_options = (struct test_options){ .flags = HV_CREATE_MAY_CREATE, .quota = 1024 };
    attacker = test_spawn("attacker", 0);
    while (test_shared(attacker)[1] == 0 && test_info(attacker).state == HV_DOMAIN_RUNNING)
        sleep(1000000);
    before = test_info(neighbour).cpu_ns;
    sleep(PERIOD);
    ran = test_info(neighbour).cpu_ns - before;
    test_signal(neighbour, 0, 1);
    test_signal(attacker, 0, 1);
    test_join(neighbour);
    test_join(attacker);
    hv_printf("the neighbour had %lu %% of the CPU\n", ran * 100 / PERIOD);
    /* Two domains of one weight: a half, but for whole slices at the ends. Of ten, a tenth. */
    CHECK_TIME(ran >= PERIOD / 100 * 40);
}

void test_main(void)
{
    if (test_is("neighbour"))
        be_neighbour();
    else if (test_is("attacker"))
        be_attacker();
    else
        check_share();
}
