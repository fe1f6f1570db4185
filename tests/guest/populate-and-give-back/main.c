/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory goes and comes back: give_back wants frames that nothing uses, populate wants empty
 * places, both say how far they came, and the quota is kept to the frame.
 */
#include "test.h"

#define RW   (HV_MAP_READ | HV_MAP_WRITE)
#define MANY 700u

const char test_title[] = "populate and give_back move exactly what they say, within the quota";

static uint64_t child;

/* In a domain that has no mapping of its RAM, so that all pages can go. */
static void check_runs(void)
{
    CHECK_EQ(hv_give_back(child, 100, 50), 50);
    CHECK_EQ(hv_give_back(child, 100, 1), -HV_EINVAL);
    CHECK_EQ(hv_give_back(child, 99, 10), 1); /* stops at the hole */
    CHECK_EQ(hv_populate(child, 99, 10), 10);
    CHECK_EQ(hv_populate(child, 105, 10), -HV_EINVAL);
    CHECK_EQ(hv_populate(child, 120, 1), 1);
    CHECK_EQ(hv_populate(child, 109, 50), 11); /* stops at the page that is there */
    CHECK_EQ(hv_populate(child, 121, 29), 29);
    CHECK_EQ(hv_give_back(child, 300, MANY), HV_MAX_POPULATE_PAGES);
    CHECK_EQ(hv_give_back_range(child, 300 + HV_MAX_POPULATE_PAGES, MANY - HV_MAX_POPULATE_PAGES),
             0);
    CHECK_EQ(hv_populate(child, 300, MANY), HV_MAX_POPULATE_PAGES);
    CHECK_EQ(hv_populate_range(child, 300 + HV_MAX_POPULATE_PAGES, MANY - HV_MAX_POPULATE_PAGES),
             0);
}

/* Mapped, granted, in use as a request page: busy until it is not. */
static void check_busy(void)
{
    uint64_t page = (uint64_t)(uintptr_t)test_pages(3), gfn = hv_gfn((void *)(uintptr_t)page);
    uint64_t ref, port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));

    CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), -HV_EBUSY);
    CHECK_EQ(hv_unmap_range(HV_SELF, 0, page, 3), 0);
    ref = (uint64_t)NEED(hv_grant_create(HV_SELF, child, gfn, 1, HV_MAP_READ));
    CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), -HV_EBUSY);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 0), 0);
    CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), 1);
    CHECK_EQ(hv_io_route(child, 0x100, 1, port, gfn + 1), 0);
    CHECK_EQ(hv_give_back(HV_SELF, gfn + 1, 1), -HV_EBUSY);
    CHECK_EQ(hv_give_back(HV_SELF, gfn + 2, 1), -HV_EBUSY);
    CHECK_EQ(hv_populate(HV_SELF, gfn, 1), 1);
    CHECK_EQ(hv_map_range(HV_SELF, 0, page, gfn, 3, RW), 0);
    CHECK_EQ(*(uint64_t *)(uintptr_t)page, 0);
}

/* A leaf in one space of many is enough; one page is counted as often as it is mapped. */
static void check_counts(void)
{
    uint64_t page = (uint64_t)(uintptr_t)test_pages(1), gfn = hv_gfn((void *)(uintptr_t)page),
             space[8];

    CHECK_EQ(hv_unmap_range(HV_SELF, 0, page, 1), 0);
    for (unsigned i = 0; i < 8; i++) {
        space[i] = (uint64_t)NEED(hv_space_create(HV_SELF));
        for (unsigned n = 0; n < 3; n++)
            NEED(test_map(HV_SELF, space[i], 0x10000 + n * HV_PAGE_SIZE, gfn, 1, RW));
    }
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), -HV_EBUSY);
        if (i % 2)
            CHECK_EQ(test_unmap(HV_SELF, space[i], 0x10000, 3), 3);
        CHECK_EQ(hv_space_end(HV_SELF, space[i]), 0);
    }
    CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), 1);
    CHECK_EQ(hv_populate(HV_SELF, gfn, 1), 1);
    CHECK_EQ(hv_map_range(HV_SELF, 0, page, gfn, 1, RW), 0);
}

/* ---- the quota ---- */

static void check_quota(void)
{
    HV_BUFFER(64)
    struct hv_domain_create c = { .quota = 500, .ram_pages = 1000, .vcpus = 1, .weight = 256 };
    struct hv_domain_info before = test_info(HV_SELF), info;
    uint64_t dom = (uint64_t)NEED(hv_domain_create(hv_gpa(&c))), n = 0;
    int64_t done;

    info = test_info(dom);
    CHECK_EQ(info.quota, 500);
    CHECK(info.used > 10 && info.used < 100);
    CHECK_EQ(test_info(HV_SELF).quota, before.quota);
    while ((done = hv_populate(dom, n, 1000 - n)) > 0)
        n += (uint64_t)done;
    CHECK_EQ(done, -HV_ENOMEM);
    CHECK_EQ(test_info(dom).used, 500);
    CHECK_EQ(n, 500 - info.used - 1); /* the table of the first 512 GFNs */
    /* Nothing more of any kind, and each refusal leaves nothing behind. */
    CHECK_EQ(hv_space_create(dom), -HV_ENOMEM);
    CHECK_EQ(test_map(dom, 0, HV_KERNEL_START, 0, 1, HV_MAP_READ), -HV_ENOMEM);
    CHECK_EQ(hv_grant_create(dom, 0, 0, 1, HV_MAP_READ), -HV_ENOMEM);
    CHECK_EQ(hv_event_alloc(dom, 0), -HV_ENOMEM);
    CHECK_EQ(hv_io_route(dom, 0, 1, 1, 0) < 0, true);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, 0x170, 1), -HV_ENOMEM);
    CHECK_EQ(test_info(dom).used, 500);
    /* Two pages back are enough for one table and one more: the page that is mapped stays. */
    CHECK_EQ(hv_give_back(dom, 0, 3), 3);
    CHECK_EQ(test_map(dom, 0, HV_KERNEL_START, 3, 1, HV_MAP_READ), 1);
    CHECK_EQ(hv_give_back(dom, 3, 1), -HV_EBUSY);
    while (hv_domain_destroy(dom) > 0)
        ;
    CHECK_EQ(test_info(HV_SELF).quota, before.quota);
}

void test_main(void)
{
    child = test_build("idle", 1024, NULL);
    check_runs();
    check_busy();
    check_counts();
    check_quota();
    test_destroy(child);
}
