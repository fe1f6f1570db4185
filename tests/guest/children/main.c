/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Children built from this image: each ends in its own way, and the parent is told which; what is
 * destroyed gives all its memory back.
 */
#include "test.h"

const char test_title[] = "children run, end in their own ways, and give everything back";

static void be_worker(void)
{
    uint64_t n = test_argument("n", 0);

    test_await(TEST_PARENT, 0, 7);
    test_shared(TEST_PARENT)[2] = n * n;
    test_signal(TEST_PARENT, 1, 1);
}

static void check_worker(void)
{
    uint64_t child = test_build("worker", 0, "n=12");

    CHECK_EQ(test_info(child).state, HV_DOMAIN_BUILDING);
    CHECK_EQ(hv_domain_start(child), 0);
    CHECK_EQ(test_info(child).state, HV_DOMAIN_RUNNING);
    CHECK_EQ(hv_domain_start(child), -HV_EINVAL);
    test_signal(child, 0, 7);
    test_await(child, 1, 1);
    CHECK_EQ(test_shared(child)[2], 144);
    test_join(child);
}

static void check_reason(void)
{
    struct hv_domain_info info;
    uint64_t child = test_spawn("leaver", 0);

    test_wait(child, &info);
    CHECK_EQ(info.state, HV_DOMAIN_SHUTDOWN);
    CHECK_EQ(info.reason, 11);
    CHECK_EQ(info.parent, 0);
    test_destroy(child);
    CHECK_EQ(hv_domain_start(child), -HV_EPERM);
}

/* A fault before entry points are set, and one while the save area is in use. */
static void be_stumbler(void)
{
    hv_mask();
    hv_vcpu->busy = 1;
    *(volatile uint64_t *)(uintptr_t)test_addresses(1) = 1;
}

static void be_many(void)
{
    volatile uint64_t *page = test_shared(TEST_PARENT);

    page[1] = hv_start_domain_id();
}

static void check_many(void)
{
    uint64_t child[6];

    for (unsigned i = 0; i < 6; i++)
        child[i] = test_spawn("many", 512);
    for (unsigned i = 0; i < 6; i++) {
        test_wait(child[i], NULL);
        CHECK_EQ(test_shared(child[i])[1], child[i]);
        for (unsigned k = 0; k < i; k++)
            CHECK(child[k] < child[i]);
        test_join(child[i]);
    }
}

static void run_all(void)
{
    check_worker();
    check_reason();
    test_join_killed(test_spawn("stumbler", 0), "double fault");
    check_many();
}

void test_main(void)
{
    if (test_is("worker")) {
        be_worker();
    } else if (test_is("leaver")) {
        hv_shutdown(11);
    } else if (test_is("stumbler")) {
        be_stumbler();
    } else if (test_is("many")) {
        be_many();
    } else {
        run_all();
        uint64_t used = test_info(HV_SELF).used;

        run_all();
        CHECK_EQ(test_info(HV_SELF).used, used);
    }
}
