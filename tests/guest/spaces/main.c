/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces come and go: all there can be, in any order, with what is in them; each starts
 * empty; tables come with the first page of a part and go with the last.
 */
#include "test.h"

#define RW (HV_MAP_READ | HV_MAP_WRITE)
#define AT ((uint64_t)0x7000000000)

const char test_title[] = "spaces start empty, end wholly, and cost what they hold";

static uint64_t gfn;

/* Freed frames stay charged until the flush epoch; the end of a domain forces it. */
static uint64_t used_now(void)
{
    HV_BUFFER(64)
    struct hv_domain_create c = { .quota = 150, .ram_pages = 1, .vcpus = 1, .weight = 256 };
    uint64_t dom = (uint64_t)NEED(hv_domain_create(hv_gpa(&c)));

    while (hv_domain_destroy(dom) > 0)
        ;
    return test_info(HV_SELF).used;
}

static void check_all(void)
{
    static bool seen[HV_MAX_SPACES];
    int64_t space;
    unsigned n = 0;

    while ((space = hv_space_create(HV_SELF)) > 0) {
        CHECK((uint64_t)space < HV_MAX_SPACES && !seen[space]);
        seen[space] = true;
        n++;
    }
    CHECK_EQ(space, -HV_ENOSPC);
    CHECK_EQ(n, HV_MAX_SPACES - 1);
    CHECK_EQ(hv_space_end(HV_SELF, 77), 0);
    CHECK_EQ(hv_space_create(HV_SELF), 77);
    for (uint64_t s = 1; s < HV_MAX_SPACES; s++)
        CHECK_EQ(hv_space_end(HV_SELF, s), 0);
}

/* A number that is used again has nothing of its last life. */
static void check_empty(void)
{
    uint64_t first = (uint64_t)NEED(hv_space_create(HV_SELF));

    NEED(test_map(HV_SELF, first, AT, gfn, 1, RW));
    NEED(hv_switch(first, 0));
    CHECK_EQ(test_try_read(AT, NULL), TEST_NO_FAULT);
    CHECK_EQ(hv_space_destroy(HV_SELF, first), -HV_EBUSY);
    CHECK_EQ(test_try_read(AT, NULL), TEST_NO_FAULT);
    NEED(hv_switch(0, 0));
    CHECK_EQ(hv_space_end(HV_SELF, first), 0);
    CHECK_EQ(hv_space_create(HV_SELF), first);
    NEED(hv_switch(first, 0));
    CHECK_EQ(test_try_read(AT, NULL), 14);
    NEED(hv_switch(0, 0));
    CHECK_EQ(hv_space_end(HV_SELF, first), 0);
}

/* Three tables for a page far from all others; they go with it. */
static void check_tables(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF)), empty = used_now();

    CHECK_EQ(test_map(HV_SELF, space, AT, gfn, 1, RW), 1);
    CHECK_EQ(used_now(), empty + 3);
    CHECK_EQ(test_map(HV_SELF, space, AT + HV_PAGE_SIZE, gfn, 1, RW), 1);
    CHECK_EQ(used_now(), empty + 3);
    CHECK_EQ(test_unmap(HV_SELF, space, AT, 1), 1);
    CHECK_EQ(used_now(), empty + 3);
    CHECK_EQ(test_unmap(HV_SELF, space, AT, 4), 4);
    CHECK_EQ(used_now(), empty);
    /* A run over the edge of a table, of a table of tables, of the top. */
    for (unsigned shift = 21; shift <= 39; shift += 9) {
        uint64_t edge = (AT >> shift << shift) + ((uint64_t)1 << shift);

        CHECK_EQ(test_map(HV_SELF, space, edge - HV_PAGE_SIZE, gfn, 2, RW), 2);
        CHECK_EQ(used_now(), empty + 4 + (shift - 21) / 9);
        CHECK_EQ(test_unmap(HV_SELF, space, edge - HV_PAGE_SIZE, 2), 2);
        CHECK_EQ(used_now(), empty);
    }
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

static void check_steps(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF)), steps = 0;
    int64_t left;

    for (uint64_t i = 0; i < 40; i++)
        NEED(hv_map_range(HV_SELF, space, AT + (i << 21), gfn, 1, RW));
    while ((left = hv_space_destroy(HV_SELF, space)) == 1) {
        steps++;
        CHECK_EQ(hv_switch(space, 0), -HV_EINVAL);
        CHECK_EQ(test_unmap(HV_SELF, space, AT, 1), -HV_EINVAL);
    }
    CHECK_EQ(left, 0);
    CHECK_EQ(hv_space_destroy(HV_SELF, space), -HV_EINVAL);
    (void)steps;
}

void test_main(void)
{
    gfn = hv_gfn(test_pages(2));
    uint64_t before = used_now();

    check_all();
    check_empty();
    check_tables();
    check_steps();
    CHECK_EQ(used_now(), before);
}
