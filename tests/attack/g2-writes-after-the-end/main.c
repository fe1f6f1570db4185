/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (G2). A back end unmaps a grant as it should, says so, and goes on writing through what it
 * still has: a translation in the TLB, a second mapping, the window as a buffer. The owner was told
 * that the grant has ended and uses the page for something else at once. A system that forgot one
 * of the mappings, or flushed too late, lets the write land in the owner's new content.
 *
 * The peer here has the page mapped in its kernel half or in a space, writes to it until the moment
 * of the unmap, tells its owner, and tries each way again. The owner ends the grant without force
 * and gives the page back to the hypervisor.
 */
#include "hvlib/grant.h"
#include "test.h"

#define R      HV_MAP_READ
#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define ROUNDS 12u

const char test_title[] = "no write lands in a page whose grant has ended";

enum { STATE, REF };

static void let_go(uint64_t window, uint64_t ref, uint64_t address, uint64_t space)
{
    HV_BUFFER(64) struct hv_grant_copy c = { hv_start_parent(), ref, 0, 0, 8, 1 };
    HV_BUFFER(8) uint64_t list = window;

    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), 1);
    CHECK_EQ(test_try_write(address, ~(uint64_t)0), 14);
    test_shared(TEST_PARENT)[STATE] = 1;
    while (test_shared(TEST_PARENT)[STATE] ==
           1) { /* the grant may live yet, the mapping does not */
        CHECK_EQ(test_try_write(address, ~(uint64_t)0), 14);
        hv_yield();
    }
    while (test_shared(TEST_PARENT)[STATE] == 3) { /* while the owner uses its page */
        CHECK_EQ(test_try_write(address, ~(uint64_t)0), 14);
        CHECK_EQ(test_try_read(address, NULL), 14);
        CHECK_EQ(test_map(HV_SELF, 0, address, window, 1, R), -HV_EINVAL);
        CHECK_EQ(test_map(HV_SELF, space, 0x400000, window, 1, R), -HV_EINVAL);
        CHECK_EQ(hv_counters(HV_SELF, window << HV_PAGE_SHIFT), -HV_EFAULT);
        c.gpa = hv_gpa(&list);
        CHECK_EQ(hv_grant_copy(hv_gpa(&c), 1), -HV_EINVAL);
        hv_yield();
    }
}

static void peer(void)
{
    uint32_t port = (uint32_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    uint64_t window = test_windows(1), address = test_addresses(1);
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));

    for (uint64_t round = 0; round < ROUNDS; round++) {
        test_await(TEST_PARENT, STATE, 2);
        uint64_t ref = test_shared(TEST_PARENT)[REF];
        HV_BUFFER(64)
        struct hv_grant_map m = { hv_start_parent(), ref, window, port, RW, 1, address };

        CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
        CHECK_EQ(test_try_write(address, round), TEST_NO_FAULT);
        if (round % 2) { /* the one leaf is in another space */
            CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
            CHECK_EQ(test_map(HV_SELF, space, 0x400000, window, 1, RW), 1);
        }
        let_go(window, ref, address, space);
    }
}

void test_main(void)
{
    if (test_is("peer")) {
        peer();
        return;
    }
    uint64_t child = test_spawn("peer", 0);

    for (uint64_t round = 0; round < ROUNDS; round++) {
        volatile uint64_t *page = test_pages(1);
        uint64_t gfn = hv_gfn((const void *)(uintptr_t)page), at = (uint64_t)(uintptr_t)page;
        uint64_t ref = (uint64_t)NEED(hv_grant_give(child, (void *)(uintptr_t)page, 1, RW));

        test_shared(child)[REF] = ref;
        test_signal(child, STATE, 2);
        test_await(child, STATE, 1);
        CHECK_EQ(page[0], round);
        CHECK_EQ(hv_grant_end(HV_SELF, ref, 0), 0);
        for (unsigned i = 0; i < 512; i++)
            page[i] = 0x0a0a;
        test_shared(child)[STATE] = 3;
        for (unsigned i = 0; i < 50; i++)
            hv_yield();
        for (unsigned i = 0; i < 512; i++)
            CHECK_EQ(page[i], 0x0a0a);
        CHECK_EQ(hv_unmap_range(HV_SELF, 0, at, 1), 0);
        CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), 1);
        test_shared(child)[STATE] = 0;
    }
    test_join(child);
}
