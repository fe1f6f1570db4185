/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * Threat (M10). A call that takes two spaces and a range of any length, and one that writes to the
 * caller, were checked as map is: one space, a bounded count. Forgotten: the same space on both
 * sides, so that the loop reads what it writes; space 0, whose lower half nobody owns; ranges over
 * the canonical hole and into the hypervisor; a space that dies; a range of 2^35 pages in one call;
 * bits of the processor cleared by rewriting a whole entry; the answer written through a mapping
 * that the same call looks at.
 *
 * This guest tries each, beside the legal form. A vulnerable system hangs in the loop, walks its
 * own tables as if they were the guest's, gives rights back, or writes where the guest may not.
 */
#include "test.h"

#define R    HV_MAP_READ
#define RW   (HV_MAP_READ | HV_MAP_WRITE)
#define PF   14u
#define AT   ((uint64_t)0x40000000)
#define HALF (HV_USER_END >> HV_PAGE_SHIFT)
#define COW  HV_COPY_WRITE_PROTECT

const char test_title[] = "copies and queries of spaces refuse what they must, and come to an end";

static uint64_t a, b, gfn;
static uint8_t *out;

static int64_t copy(uint64_t from, uint64_t to, uint64_t start, uint64_t count, uint64_t flags)
{
    return hv_space_copy(HV_SELF, from, to, start, count, flags);
}

static int64_t query(uint64_t space, uint64_t start, uint64_t count, uint64_t gpa, uint64_t flags)
{
    return hv_space_query(HV_SELF, space, start, count, gpa, flags);
}

static const uint64_t bad_spaces[] = { 77, HV_MAX_SPACES, (uint64_t)1 << 32, ~(uint64_t)0 };

/* Addresses and counts that no space but 0 may use, or none at all. */
static const struct {
    uint64_t start, count;
} bad_ranges[] = { { AT + 1, 1 },
                   { AT, 0 },
                   { HV_USER_END, 1 },
                   { HV_USER_END - HV_PAGE_SIZE, 2 },
                   { 0, HALF + 1 },
                   { 0, ~(uint64_t)0 },
                   { HV_PAGE_SIZE, ~(uint64_t)0 },
                   { (uint64_t)1 << 47, 1 },
                   { UINT64_C(0xffff800000000000), 1 },
                   { UINT64_C(0xffff840000000000), 1 },
                   { HV_KERNEL_START, 1 },
                   { ~(uint64_t)0xfff, 1 } };

static void check_copy_refuses(void)
{
    for (unsigned i = 0; i < sizeof bad_spaces / sizeof *bad_spaces; i++) {
        CHECK_EQ(copy(bad_spaces[i], b, AT, 1, COW), -HV_EINVAL);
        CHECK_EQ(copy(a, bad_spaces[i], AT, 1, COW), -HV_EINVAL);
    }
    for (unsigned i = 0; i < sizeof bad_ranges / sizeof *bad_ranges; i++)
        CHECK_EQ(copy(a, b, bad_ranges[i].start, bad_ranges[i].count, COW), -HV_EINVAL);
    CHECK_EQ(copy(a, a, AT, 1, COW), -HV_EINVAL);
    CHECK_EQ(copy(0, 0, AT, 1, 0), -HV_EINVAL);
    CHECK_EQ(copy(0, b, HV_KERNEL_START, 1, 0), -HV_EINVAL);
    CHECK_EQ(copy(0, b, AT, 1, 0), -HV_EINVAL);
    CHECK_EQ(copy(a, 0, AT, 1, 0), -HV_EINVAL);
    CHECK_EQ(copy(a, b, AT, 1, 2), -HV_EINVAL);
    CHECK_EQ(copy(a, b, AT, 1, ~(uint64_t)0), -HV_EINVAL);
    CHECK_EQ(hv_space_copy(4711, a, b, AT, 1, COW), -HV_EPERM);
    CHECK_EQ(hv_space_query(4711, a, AT, 1, hv_gpa(out), 0), -HV_EPERM);
}

static void check_query_refuses(void)
{
    for (unsigned i = 0; i < sizeof bad_spaces / sizeof *bad_spaces; i++)
        CHECK_EQ(query(bad_spaces[i], AT, 1, hv_gpa(out), 0), -HV_EINVAL);
    for (unsigned i = 0; i < sizeof bad_ranges / sizeof *bad_ranges; i++)
        CHECK_EQ(query(a, bad_ranges[i].start, bad_ranges[i].count, hv_gpa(out), 1), -HV_EINVAL);
    CHECK_EQ(query(0, AT, 1, hv_gpa(out), 0), -HV_EINVAL);
    CHECK_EQ(query(0, ~(uint64_t)0xfff, 2, hv_gpa(out), 0), -HV_EINVAL);
    CHECK_EQ(query(0, ~(uint64_t)0xfff, 1, hv_gpa(out), 0), 0);
    CHECK_EQ(query(a, AT, HV_MAX_QUERY_PAGES + 1, hv_gpa(out), 0), -HV_EINVAL);
    CHECK_EQ(query(a, AT, 1, hv_gpa(out), 2), -HV_EINVAL);
    CHECK_EQ(query(a, AT, 2, hv_gpa(out) + HV_PAGE_SIZE - 1, 0), -HV_EFAULT);
    CHECK_EQ(query(a, AT, 1, hv_gpa(out) + HV_PAGE_SIZE - 1, 0), 0);
    CHECK_EQ(query(a, AT, 1, HV_GFN_SHARED << HV_PAGE_SHIFT, 0), -HV_EFAULT);
    CHECK_EQ(query(a, AT, 1, HV_GFN_WINDOW << HV_PAGE_SHIFT, 0), -HV_EFAULT);
    CHECK_EQ(query(a, AT, 1, ~(uint64_t)0, 0), -HV_EFAULT);
    /* Refused before anything was cleared. */
    CHECK_EQ(query(a, AT, 1, hv_gpa(out), 0), 0);
    CHECK_EQ(out[0], RW | HV_QUERY_ACCESSED | HV_QUERY_DIRTY);
}

/* Of everything, in bounded calls: a hole of any size is one unit. */
static void check_long_range(void)
{
    uint64_t done = 0, calls = 0;

    for (uint64_t i = 0; i < 60; i++)
        NEED(hv_map_range(HV_SELF, a, i << 38 | i << 29 | i << 20, gfn, 1, RW));
    while (done < HALF) {
        uint64_t before = hv_tsc();
        int64_t some = copy(a, b, done << HV_PAGE_SHIFT, HALF - done, COW);

        CHECK(some > 0);
        CHECK_TIME(hv_tsc() - before < 60000); /* the clock counts instructions here */
        done += (uint64_t)some;
        calls++;
    }
    CHECK_EQ(done, HALF);
    CHECK(calls > 20 && calls < 100);
    for (uint64_t i = 0; i < 60; i++) {
        CHECK_EQ(query(b, i << 38 | i << 29 | i << 20, 1, hv_gpa(out), 0), 0);
        CHECK_EQ(out[0], R);
    }
}

/* Rights do not come back by a mark that goes, nor by a copy of what was protected. */
static void check_no_rights_back(void)
{
    NEED(hv_switch(a, 0));
    CHECK_EQ(test_try_read(AT, NULL), TEST_NO_FAULT);
    CHECK_EQ(test_try_write(AT, 1), PF);
    CHECK_EQ(query(a, AT, 1, hv_gpa(out), HV_QUERY_CLEAR), 0);
    CHECK_EQ(test_try_write(AT, 1), PF);
    CHECK_EQ(copy(b, a, AT, 1, 0), 1);
    CHECK_EQ(test_try_write(AT, 1), PF);
    NEED(hv_switch(0, 0));
}

/* The answer goes into a page that the same call asks about: the direct map marks nothing, and what
 * is written is the answer. */
static void check_answer_about_itself(void)
{
    uint64_t at = test_addresses(1);

    CHECK_EQ(test_map(HV_SELF, 0, at, hv_gfn(out), 1, RW), 1);
    CHECK_EQ(query(0, at, 1, hv_gpa(out), HV_QUERY_CLEAR), 0);
    CHECK_EQ(out[0], RW);
    CHECK_EQ(query(0, at, 1, hv_gpa(out), 0), 0);
    CHECK_EQ(out[0], RW);
    CHECK_EQ(test_unmap(HV_SELF, 0, at, 1), 1);
}

/* A dying space is on neither side of anything. */
static void check_dying(void)
{
    CHECK_EQ(hv_space_destroy(HV_SELF, b), 1);
    CHECK_EQ(copy(a, b, AT, 1, COW), -HV_EINVAL);
    CHECK_EQ(copy(b, a, AT, 1, COW), -HV_EINVAL);
    CHECK_EQ(query(b, AT, 1, hv_gpa(out), 0), -HV_EINVAL);
    CHECK_EQ(hv_space_end(HV_SELF, b), 0);
    CHECK_EQ(copy(a, b, AT, 1, COW), -HV_EINVAL);
}

void test_main(void)
{
    gfn = hv_gfn(test_pages(1));
    out = test_pages(1);
    a = (uint64_t)NEED(hv_space_create(HV_SELF));
    b = (uint64_t)NEED(hv_space_create(HV_SELF));
    NEED(test_map(HV_SELF, a, AT, gfn, 1, RW));
    NEED(hv_switch(a, 0));
    CHECK_EQ(test_try_write(AT, 1), TEST_NO_FAULT);
    NEED(hv_switch(0, 0));
    check_copy_refuses();
    check_query_refuses();
    CHECK_EQ(copy(a, b, AT, 1, COW), 1);
    check_long_range();
    check_no_rights_back();
    check_answer_about_itself();
    check_dying();
    CHECK_EQ(hv_space_end(HV_SELF, a), 0);
}
