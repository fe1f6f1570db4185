/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: memory=256
 *
 * Mappings of 2 MiB, which come by themselves and show by the tables that they save: made where
 * address, GFN and frames allow it; split at their first, a middle and the last page with the
 * rights of all others kept; copied by a fork; told of by a query; and, in a domain whose quota is
 * used up, left as they are by whatever would have to split them.
 */
#include "raw.h"
#include "test.h"

#define R     HV_MAP_READ
#define RW    (HV_MAP_READ | HV_MAP_WRITE)
#define RX    (HV_MAP_READ | HV_MAP_EXEC)
#define USED  HV_QUERY_ACCESSED
#define DIRTY (HV_QUERY_ACCESSED | HV_QUERY_DIRTY)
#define PF    14u
#define LARGE HV_LARGE_PAGES
#define AT    ((uint64_t)0x80000000)
#define COW   HV_COPY_WRITE_PROTECT

const char test_title[] = "mappings of 2 MiB come by themselves, and split where they must";

static uint64_t block, space; /* 1,024 pages from a multiple of 2 MiB on */
static uint8_t out[HV_MAX_QUERY_PAGES] __attribute__((aligned(1024)));

static uint64_t at(uint64_t page)
{
    return AT + page * HV_PAGE_SIZE;
}

/* Tables that a call takes: nothing is freed by those that it is used for. */
static uint64_t used(uint64_t dom)
{
    return test_info(dom).used;
}

static uint64_t *word(uint64_t page)
{
    return hv_va((block + page) << HV_PAGE_SHIFT);
}

/* All of AT's GiB goes, but for the page that keeps its tables. */
static void clear(void)
{
    CHECK_EQ(hv_unmap_range(HV_SELF, space, at(0), 64 * LARGE), 0);
}

static void map_block(void)
{
    uint64_t before;

    clear();
    before = used(HV_SELF);
    CHECK_EQ(test_map(HV_SELF, space, at(0), block, LARGE, RW), LARGE);
    CHECK_EQ(used(HV_SELF), before);
}

/* ---- when ---- */

static void check_when(void)
{
    uint64_t value, before = used(HV_SELF);

    CHECK_EQ(test_map(HV_SELF, space, at(0), block, 2 * LARGE, RW), 2 * LARGE);
    CHECK_EQ(used(HV_SELF), before);
    for (uint64_t page = 0; page < 2 * LARGE; page += page % LARGE == 0 ? 511 : 1) {
        *word(page) = page;
        CHECK_EQ(test_try_read(at(page), &value), TEST_NO_FAULT);
        CHECK_EQ(value, page);
        CHECK_EQ(test_try_write(at(page), page + 1), TEST_NO_FAULT);
        CHECK_EQ(*word(page), page + 1);
    }
    /* The address, the GFN, the number: 512 leaves, or less, and one table or two for them. */
    CHECK_EQ(test_map(HV_SELF, space, at(4 * LARGE + 1), block, LARGE, RW), LARGE);
    CHECK_EQ(used(HV_SELF), before + 2);
    CHECK_EQ(test_map(HV_SELF, space, at(6 * LARGE), block + 1, LARGE, RW), LARGE);
    CHECK_EQ(used(HV_SELF), before + 3);
    CHECK_EQ(test_map(HV_SELF, space, at(7 * LARGE), block, LARGE - 1, RW), LARGE - 1);
    CHECK_EQ(used(HV_SELF), before + 4);
    for (uint64_t page = 4 * LARGE + 1; page < 5 * LARGE + 1; page += 73) {
        CHECK_EQ(test_try_read(at(page), &value), TEST_NO_FAULT);
        CHECK_EQ(value, *word(page - 4 * LARGE - 1));
    }
    CHECK_EQ(test_try_read(at(8 * LARGE - 1), NULL), PF);
    clear();
    CHECK_EQ(test_try_read(at(511), NULL), PF);
}

/* ---- splits ---- */

/* Every other page reads and writes as before. */
static void check_others(uint64_t but, uint32_t write)
{
    uint64_t value;

    for (uint64_t page = 0; page < LARGE; page++) {
        if (page == but)
            continue;
        CHECK_EQ(test_try_read(at(page), &value), TEST_NO_FAULT);
        CHECK_EQ(value, *word(page));
        CHECK_EQ(test_try_write(at(page), page), write);
    }
}

static void check_split(uint64_t page)
{
    uint64_t value, before, *other = word(LARGE + 3);

    for (uint64_t i = 0; i < LARGE; i++)
        *word(i) = i;
    map_block();
    before = used(HV_SELF);
    CHECK_EQ(test_try_write(at(page), page), TEST_NO_FAULT);
    CHECK_EQ(hv_protect_range(HV_SELF, space, at(page), 1, R), 0);
    CHECK_EQ(used(HV_SELF), before + 1);
    CHECK_EQ(test_try_write(at(page), 1), PF);
    check_others(page, TEST_NO_FAULT);
    /* Read-only ones stay so. */
    map_block();
    CHECK_EQ(hv_protect_range(HV_SELF, space, at(0), LARGE, R), 0);
    CHECK_EQ(test_try_write(at(page), 1), PF);
    CHECK_EQ(test_unmap(HV_SELF, space, at(page), 1), 1);
    CHECK_EQ(test_try_read(at(page), &value), PF);
    check_others(page, PF);
    /* Another page in its place, at once and in both rights. */
    map_block();
    CHECK_EQ(test_try_read(at(page), NULL), TEST_NO_FAULT);
    *other = 4711;
    CHECK_EQ(test_map(HV_SELF, space, at(page), block + LARGE + 3, 1, R), 1);
    CHECK_EQ(test_try_read(at(page), &value), TEST_NO_FAULT);
    CHECK_EQ(value, 4711);
    CHECK_EQ(test_try_write(at(page), 1), PF);
    check_others(page, TEST_NO_FAULT);
}

/* What goes as a whole takes every page along; another block replaces it. */
static void check_whole(void)
{
    uint64_t value, before;

    map_block();
    before = used(HV_SELF);
    for (uint64_t page = 0; page < LARGE; page++)
        CHECK_EQ(test_try_write(at(page), page), TEST_NO_FAULT);
    *word(LARGE + 9) = 99;
    CHECK_EQ(test_map(HV_SELF, space, at(0), block + LARGE, LARGE, R), LARGE);
    CHECK_EQ(test_try_read(at(9), &value), TEST_NO_FAULT);
    CHECK_EQ(value, 99);
    CHECK_EQ(test_try_write(at(9), 1), PF);
    CHECK_EQ(used(HV_SELF), before);
    /* From the TLB, where it still is. */
    for (uint64_t page = 0; page < LARGE; page += 7)
        CHECK_EQ(test_try_read(at(page), NULL), TEST_NO_FAULT);
    CHECK_EQ(test_unmap(HV_SELF, space, at(0), LARGE), LARGE);
    for (uint64_t page = 0; page < LARGE; page += 7)
        CHECK_EQ(test_try_read(at(page), NULL), PF);
}

/* ---- fork and query ---- */

static void check_fork(void)
{
    uint64_t child = (uint64_t)NEED(hv_space_create(HV_SELF)), value, before;

    map_block();
    *word(5) = 5;
    CHECK_EQ(test_try_write(at(6), 6), TEST_NO_FAULT);
    NEED(test_map(HV_SELF, child, at(63 * LARGE), block, 1, R)); /* its tables */
    before = used(HV_SELF);
    CHECK_EQ(hv_space_copy(HV_SELF, space, child, at(0), LARGE, COW), LARGE);
    CHECK_EQ(used(HV_SELF), before);
    CHECK_EQ(test_try_write(at(6), 1), PF);
    /* The child writes: it gets a page of its own, and the parent keeps its large mapping. */
    CHECK_EQ(test_map(HV_SELF, child, at(5), block + LARGE, 1, RW), 1);
    CHECK_EQ(used(HV_SELF), before + 1);
    NEED(hv_switch(child, 0));
    CHECK_EQ(test_try_write(at(5), 50), TEST_NO_FAULT);
    CHECK_EQ(test_try_write(at(6), 60), PF);
    CHECK_EQ(test_try_read(at(6), &value), TEST_NO_FAULT);
    CHECK_EQ(value, 6);
    NEED(hv_switch(space, 0));
    CHECK_EQ(test_try_read(at(5), &value), TEST_NO_FAULT);
    CHECK_EQ(value, 5);
    CHECK_EQ(hv_protect_range(HV_SELF, space, at(0), LARGE, RW), 0);
    CHECK_EQ(used(HV_SELF), before + 1);
    CHECK_EQ(test_try_write(at(511), 1), TEST_NO_FAULT);
    CHECK_EQ(hv_space_end(HV_SELF, child), 0);
}

static uint8_t query(uint64_t page, uint64_t count, uint64_t flags)
{
    memset(out, 0xa5, sizeof(out));
    CHECK_EQ(hv_space_query(HV_SELF, space, at(page), count, hv_gpa(out), flags), 0);
    for (uint64_t i = 0; i < count; i++)
        CHECK_EQ(out[i], out[0]);
    CHECK(count == HV_MAX_QUERY_PAGES || out[count] == 0xa5);
    return out[0];
}

static void check_query(void)
{
    uint64_t before;

    map_block();
    before = used(HV_SELF);
    CHECK_EQ(query(0, LARGE, HV_QUERY_CLEAR), RW);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(test_try_read(at(100), NULL), TEST_NO_FAULT);
        CHECK_EQ(query(0, LARGE, 0), RW | USED);
        CHECK_EQ(test_try_write(at(200), 1), TEST_NO_FAULT);
        CHECK_EQ(query(7, 300, 0), RW | DIRTY);
        CHECK_EQ(query(0, LARGE, HV_QUERY_CLEAR), RW | DIRTY);
        CHECK_EQ(query(0, LARGE, 0), RW);
    }
    CHECK_EQ(test_try_write(at(200), 1), TEST_NO_FAULT);
    CHECK_EQ(used(HV_SELF), before);
    CHECK_EQ(query(10, 5, HV_QUERY_CLEAR), RW | DIRTY); /* of a part: the others keep theirs */
    CHECK_EQ(used(HV_SELF), before + 1);
    CHECK_EQ(query(10, 5, 0), RW);
    CHECK_EQ(query(15, LARGE - 15, 0), RW | DIRTY);
    CHECK_EQ(query(0, 10, 0), RW | DIRTY);
}

/* ---- a quota that ends at the split ---- */

static void check_out_of_memory(void)
{
    struct hv_domain_create c = { .quota = 1400, .ram_pages = 4 * LARGE, .weight = 256 };
    uint64_t dom = (uint64_t)NEED(raw_create(c)), a, b, extra = 0;

    CHECK_EQ(hv_populate(dom, 0, 4 * LARGE), LARGE);
    a = (uint64_t)NEED(hv_space_create(dom));
    b = (uint64_t)NEED(hv_space_create(dom));
    CHECK_EQ(test_map(dom, a, at(0), 0, LARGE, RW), LARGE);
    CHECK_EQ(test_map(dom, b, at(0), 0, LARGE, R), LARGE);
    while (hv_populate(dom, LARGE + extra, 1) == 1)
        extra++;
    CHECK_EQ(used(dom), c.quota);
    CHECK_EQ(test_unmap(dom, a, at(0), 1), -HV_ENOMEM);
    CHECK_EQ(test_unmap(dom, a, at(LARGE - 1), 2), -HV_ENOMEM);
    CHECK_EQ(hv_protect_range(dom, a, at(300), 1, R), -HV_ENOMEM);
    CHECK_EQ(test_map(dom, a, at(300), LARGE, 1, R), -HV_ENOMEM);
    CHECK_EQ(hv_space_copy(dom, a, b, at(1), 1, COW), -HV_ENOMEM);
    memset(out, 0xa5, sizeof(out));
    CHECK_EQ(hv_space_query(dom, a, at(1), 1, hv_gpa(out), HV_QUERY_CLEAR), -HV_ENOMEM);
    CHECK_EQ(out[0], 0xa5);
    CHECK_EQ(hv_space_query(dom, a, at(0), LARGE, hv_gpa(out), HV_QUERY_CLEAR), 0);
    for (uint64_t i = 0; i < LARGE; i++)
        CHECK_EQ(out[i], RW);
    CHECK_EQ(used(dom), c.quota);
    /* All of it needs nothing. Its pages are the domain's until the last mapping has gone. */
    CHECK_EQ(hv_protect_range(dom, a, at(0), LARGE, R), 0);
    CHECK_EQ(hv_space_copy(dom, a, b, at(0), LARGE, COW), LARGE);
    CHECK_EQ(hv_give_back(dom, 3, 1), -HV_EBUSY);
    CHECK_EQ(test_unmap(dom, a, at(0), LARGE), LARGE);
    CHECK_EQ(hv_give_back(dom, 3, 1), -HV_EBUSY);
    CHECK_EQ(test_unmap(dom, b, at(0), LARGE), LARGE);
    CHECK_EQ(hv_give_back(dom, 3, 1), 1);
    /* A block with a hole is none. */
    CHECK_EQ(hv_give_back(dom, LARGE, 4), 4);
    CHECK_EQ(test_map(dom, a, at(0), 0, LARGE, RW), 3);
    CHECK_EQ(hv_populate(dom, 3, 1), 1);
    CHECK_EQ(test_map(dom, a, at(0), 0, LARGE, RX), LARGE);
    CHECK_EQ(test_unmap(dom, a, at(1), 1), 1);
    while (NEED(hv_domain_destroy(dom)) > 0)
        ;
}

void test_main(void)
{
    uint64_t first = hv_gfn(test_pages(3 * LARGE));

    block = (first + LARGE - 1) / LARGE * LARGE;
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    NEED(test_map(HV_SELF, space, at(64 * LARGE), first, 1, R));
    NEED(hv_switch(space, 0));
    check_when();
    check_split(0);
    check_split(200);
    check_split(LARGE - 1);
    check_whole();
    check_fork();
    check_query();
    check_out_of_memory();
    NEED(hv_switch(0, 0));
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}
