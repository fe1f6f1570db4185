/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: memory=256
 *
 * Threat (M11). A page of a mapping of 2 MiB has no mapping of its own. What was checked: that the
 * page's own count of mappings is zero before it leaves its domain. What was forgotten: the one
 * count of all 512, in each space that has such a mapping; that taking a part of it away leaves the
 * rest; that a processor may go on using the large translation after that.
 *
 * This guest keeps mappings of 2 MiB over pages that it gives back, in two spaces and in the kernel
 * half, takes single pages out of them, forks them and destroys what it forked, and looks through
 * them at what the pages' next owner writes. On a vulnerable system a page is given back while one
 * of the mappings still shows it.
 */
#include "raw.h"
#include "test.h"

#define R      HV_MAP_READ
#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define PF     14u
#define LARGE  HV_LARGE_PAGES
#define AT     ((uint64_t)0x80000000)
#define COW    HV_COPY_WRITE_PROTECT
#define SECRET 0x5ec2e75ec2e7ul
#define VICTIM 64u /* pages */

const char test_title[] = "no page leaves its domain under a mapping of 2 MiB";

static uint64_t block, a, b, kernel, victim;

static uint64_t at(uint64_t page)
{
    return AT + page * HV_PAGE_SIZE;
}

/* Where all RAM is mapped, which is a mapping of 2 MiB too. */
static uint64_t direct(uint64_t page)
{
    return (uint64_t)(uintptr_t)hv_va((block + page) << HV_PAGE_SHIFT);
}

static int64_t give_back(uint64_t page)
{
    return hv_give_back(HV_SELF, block + page, 1);
}

/* All pages that are free are the victim's, who writes to each. */
static void secrets(bool there)
{
    HV_BUFFER(64) uint64_t secret = SECRET;

    for (uint64_t gfn = 0; gfn < VICTIM; gfn++) {
        if (there) {
            NEED(hv_populate(victim, gfn, 1));
            NEED(hv_domain_copy(victim, gfn << HV_PAGE_SHIFT, hv_gpa(&secret), 8, 1));
        } else {
            NEED(hv_give_back(victim, gfn, 1));
        }
    }
}

/* No translation of the attacker's shows anything of a page that it gave back. */
static void look(uint64_t page)
{
    for (unsigned in = 0; in < 2; in++) {
        NEED(hv_switch(in ? b : a, 0));
        CHECK_EQ(test_try_read(at(page), NULL), PF);
        CHECK_EQ(test_try_write(at(page), 0), PF);
        CHECK_EQ(test_try_read(kernel + page * HV_PAGE_SIZE, NULL), PF);
        CHECK_EQ(test_try_write(direct(page), 0), PF);
    }
    NEED(hv_switch(a, 0));
}

/* Unmaps one page wherever it is mapped; until the last has gone it stays. */
static void take_out(uint64_t page)
{
    uint64_t value;

    CHECK_EQ(test_try_write(at(page), page), TEST_NO_FAULT);
    CHECK_EQ(give_back(page), -HV_EBUSY);
    CHECK_EQ(test_unmap(HV_SELF, 0, direct(page), 1), 1);
    CHECK_EQ(give_back(page), -HV_EBUSY);
    CHECK_EQ(test_unmap(HV_SELF, b, at(page), 1), 1);
    CHECK_EQ(give_back(page), -HV_EBUSY);
    CHECK_EQ(test_unmap(HV_SELF, 0, kernel + page * HV_PAGE_SIZE, 1), 1);
    CHECK_EQ(give_back(page), -HV_EBUSY);
    CHECK_EQ(test_try_read(at(page), &value), TEST_NO_FAULT);
    CHECK_EQ(value, page);
    CHECK_EQ(test_unmap(HV_SELF, a, at(page), 1), 1);
    CHECK_EQ(give_back(page), 1);
    secrets(true);
    look(page);
    secrets(false);
    /* The neighbours are still ours, and busy. */
    CHECK_EQ(give_back(page ^ 1), -HV_EBUSY);
    CHECK_EQ(test_try_write(at(page ^ 1), 1), TEST_NO_FAULT);
}

static void map_all(uint64_t space, uint64_t address)
{
    CHECK_EQ(test_map(HV_SELF, space, address, block, LARGE, RW), LARGE);
}

/* A forked mapping counts as long as its space is there, dying or not. */
static void fork_and_end(uint64_t page)
{
    uint64_t child = (uint64_t)NEED(hv_space_create(HV_SELF));

    CHECK_EQ(hv_space_copy(HV_SELF, a, child, at(0), LARGE, COW), LARGE);
    CHECK_EQ(test_try_write(at(page), 1), PF);
    CHECK_EQ(test_unmap(HV_SELF, 0, kernel, LARGE), LARGE);
    CHECK_EQ(test_unmap(HV_SELF, b, at(0), LARGE), LARGE);
    CHECK_EQ(test_unmap(HV_SELF, a, at(0), LARGE), LARGE);
    CHECK_EQ(test_unmap(HV_SELF, 0, direct(page), 1), 1);
    CHECK_EQ(give_back(page), -HV_EBUSY);
    NEED(hv_switch(child, 0));
    CHECK_EQ(test_try_read(at(page), NULL), TEST_NO_FAULT);
    CHECK_EQ(hv_space_destroy(HV_SELF, child), -HV_EBUSY);
    NEED(hv_switch(a, 0));
    CHECK_EQ(hv_space_end(HV_SELF, child), 0);
    CHECK_EQ(give_back(page), 1);
    secrets(true);
    look(page);
    secrets(false);
}

void test_main(void)
{
    block = (hv_gfn(test_pages(2 * LARGE)) + LARGE - 1) / LARGE * LARGE;
    a = (uint64_t)NEED(hv_space_create(HV_SELF));
    b = (uint64_t)NEED(hv_space_create(HV_SELF));
    kernel =
        (test_addresses(3 * LARGE) + LARGE * HV_PAGE_SIZE) & ~(LARGE * (uint64_t)HV_PAGE_SIZE - 1);
    victim = (uint64_t)NEED(
        raw_create((struct hv_domain_create){ .quota = 200, .ram_pages = VICTIM, .weight = 256 }));
    map_all(a, at(0));
    map_all(b, at(0));
    map_all(0, kernel);
    NEED(hv_switch(a, 0));
    take_out(0);
    take_out(257);
    take_out(LARGE - 1);
    /* Whole again, as far as there are pages. */
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(hv_populate(HV_SELF, block + (i == 0 ? 0 : i == 1 ? 257 : LARGE - 1), 1), 1);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(test_unmap(HV_SELF, i ? b : a, at(0), LARGE), LARGE);
        map_all(i ? b : a, at(0));
    }
    CHECK_EQ(hv_map_range(HV_SELF, 0, direct(0), block, LARGE, RW), 0);
    fork_and_end(300);
    NEED(hv_switch(0, 0));
    while (NEED(hv_domain_destroy(victim)) > 0)
        ;
}
