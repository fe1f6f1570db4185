/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guarded accesses: a child maps its parent's grant, uses it, and learns from the accessors that it
 * was revoked; an unguarded access to the same window is an ordinary page fault.
 */
#include "hvlib/grant.h"
#include "hvlib/guard.h"
#include "test.h"

const char test_title[] = "a revoked window makes guarded accesses say that the peer is gone";

#define PAGES 3u
#define RW    (HV_MAP_READ | HV_MAP_WRITE)

static void expect_all(uint8_t *window, int64_t result)
{
    static uint8_t buffer[64];
    uint32_t word;

    CHECK_EQ(hv_guard_copy_from(buffer, window + 5, 41), result);
    CHECK_EQ(hv_guard_copy_to(window + 7, buffer, 23), result);
    CHECK_EQ(hv_guard_fill(window + 100, 0x5a, 50), result);
    CHECK_EQ(hv_guard_read32((void *)(window + 2 * HV_PAGE_SIZE), &word), result);
    CHECK_EQ(hv_guard_write32((void *)(window + 2 * HV_PAGE_SIZE), 4), result);
}

static void be_borrower(void)
{
    void *window = NULL;
    uint64_t port = test_port(TEST_PARENT), ref;

    test_await(TEST_PARENT, 0, 1);
    ref = test_shared(TEST_PARENT)[8];
    NEED(hv_window_map(hv_start_parent(), ref, PAGES, (uint32_t)port, RW, &window));
    expect_all(window, 0);
    uint8_t text[16];

    CHECK_EQ(hv_guard_copy_from(text, window, 8), 0);
    CHECK_EQ(memcmp(text, "hands on", 5), 0);
    test_signal(TEST_PARENT, 1, 1);
    test_await(TEST_PARENT, 0, 2); /* revoked */
    expect_all(window, -HV_EDEAD);
    CHECK_EQ(test_try_read((uint64_t)(uintptr_t)window, NULL), 14);
    hv_mask();
    expect_all(window, -HV_EDEAD);
    CHECK(hv_mask());
    hv_unmask();
    CHECK_EQ(hv_window_unmap(window, PAGES), 0);
}

/* A copy may also be stopped in its middle: the first page is there, the second is not. */
static void check_half_way(void)
{
    uint64_t address = test_addresses(2);
    uint8_t *at = (uint8_t *)(uintptr_t)address, *page = test_pages(1);
    uint8_t *buffer = test_pages(2);

    NEED(test_map(HV_SELF, 0, address, hv_gfn(page), 1, RW));
    memset(page, 0x77, HV_PAGE_SIZE);
    CHECK_EQ(hv_guard_copy_from(buffer, at + 4090, 64), -HV_EDEAD);
    CHECK_EQ(hv_guard_copy_from(buffer, at + 4032, 64), 0);
    CHECK_EQ(buffer[63], 0x77);
    CHECK_EQ(hv_guard_copy_from(buffer, at, 0), 0);
}

void test_main(void)
{
    if (test_is("borrower")) {
        be_borrower();
        return;
    }
    check_half_way();
    uint64_t child = test_spawn("borrower", 0);
    uint8_t *lent = test_pages(PAGES);
    uint64_t ref = (uint64_t)NEED(hv_grant_give(child, lent, PAGES, RW));

    memcpy(lent, "hands", 6);
    test_shared(child)[8] = ref;
    test_signal(child, 0, 1);
    test_await(child, 1, 1);
    CHECK_EQ(lent[100], 0x5a);
    CHECK_EQ(*(uint32_t *)(void *)(lent + 2 * HV_PAGE_SIZE), 4);
    CHECK_EQ(hv_grant_take_back(ref, lent, PAGES), 0);
    memset(lent, 0x11, HV_PAGE_SIZE);
    test_signal(child, 0, 2);
    test_join(child);
    for (unsigned i = 0; i < HV_PAGE_SIZE; i++)
        CHECK_EQ(lent[i], 0x11);
}
