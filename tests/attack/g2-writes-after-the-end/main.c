/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60 again=3
 *
 * Threat (G2). A back end unmaps a grant as it should, says so, and goes on writing through what it
 * still has: a translation in the TLB, a second mapping, the window as a buffer. The owner was told
 * that the grant has ended and uses the page for something else at once. A system that forgot one
 * of the mappings, or flushed too late, lets the write land in the owner's new content.
 *
 * The peer here has the page mapped in its kernel half or in a space, writes to it until the moment
 * of the unmap, tells its owner, and tries each way again. A second vCPU of the peer never stops
 * writing, by its own TLB or by a call that has its answer written there. The owner ends the grant
 * without force, as soon as it can be ended, which may be while the peer's unmap is still under
 * way, and gives the page back to the hypervisor.
 */
#include "hvlib/clock.h"
#include "hvlib/grant.h"
#include "hvlib/guard.h"
#include "hvlib/vcpu.h"
#include "test.h"

#define R      HV_MAP_READ
#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define ROUNDS 12u

const char test_title[] = "no write lands in a page whose grant has ended";

enum { STATE, REF, ENDED };

/* ---- the peer's second vCPU ---- */

#define STACK 16384u
#define USER  ((uint64_t)0x400000)

static char stack[STACK] __attribute__((aligned(4096)));
static volatile uint64_t target, target_space, answers_to; /* 0: none */
static volatile uint64_t tried, landed;

/* Word 1 of the page, or a structure at its middle; the rest is for others. */
static void go_on_writing(void *arg)
{
    uint64_t loaded = 0;
    uint32_t n = 0;

    (void)arg;
    for (;;) {
        if (target_space != loaded) {
            loaded = target_space;
            NEED(hv_switch(loaded, (uint64_t)(uintptr_t)stack + STACK / 2));
        }
        for (unsigned i = 0; i < 64 && target; i++)
            landed = landed + (hv_guard_write32((uint32_t *)(uintptr_t)target + 2, ++n) == 0);
        if (answers_to && hv_counters(HV_SELF, answers_to + HV_PAGE_SIZE / 2) == 0)
            landed = landed + 1;
        tried = tried + 1;
        hv_yield(); /* with a processor of its own it gets it back at once */
    }
}

static void have_it_write(uint64_t address, uint64_t space, uint64_t answers)
{
    uint64_t from = landed;

    target_space = space;
    target = address;
    answers_to = answers;
    while (landed < from + 65)
        hv_yield();
}

/* It has tried in vain, with what it had. */
static void have_it_stop(void)
{
    uint64_t from = tried;

    while (tried < from + 20)
        hv_yield();
    target = target_space = answers_to = 0;
    for (from = tried; tried < from + 2;)
        hv_yield();
}

/* ---- the peer ---- */

static void let_go(uint64_t window, uint64_t ref, uint64_t address, uint64_t space)
{
    HV_BUFFER(64) struct hv_grant_copy c = { hv_start_parent(), ref, 0, 0, 8, 1 };
    HV_BUFFER(8) uint64_t list = window;

    test_shared(TEST_PARENT)[STATE] = 1; /* from now on it may be ended */
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), 1);
    CHECK_EQ(test_try_write(address, ~(uint64_t)0), 14);
    while (test_shared(TEST_PARENT)[STATE] ==
           1) { /* the grant may live yet, the mapping does not */
        CHECK_EQ(test_try_write(address, ~(uint64_t)0), 14);
        hv_yield();
    }
    uint64_t from = tried;

    while (test_shared(TEST_PARENT)[STATE] == 3) { /* while the owner uses its page */
        CHECK_EQ(test_try_write(address, ~(uint64_t)0), 14);
        CHECK_EQ(test_try_read(address, NULL), 14);
        CHECK_EQ(test_map(HV_SELF, 0, address, window, 1, R), -HV_EINVAL);
        CHECK_EQ(test_map(HV_SELF, space, USER, window, 1, R), -HV_EINVAL);
        CHECK_EQ(hv_counters(HV_SELF, window << HV_PAGE_SHIFT), -HV_EFAULT);
        c.gpa = hv_gpa(&list);
        CHECK_EQ(hv_grant_copy(hv_gpa(&c), 1), -HV_EINVAL);
        hv_yield();
        if (tried > from + 20)
            test_shared(TEST_PARENT)[ENDED] = ref;
    }
    have_it_stop();
}

static void peer(void)
{
    uint32_t port = (uint32_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    uint64_t window = test_windows(1), address = test_addresses(1);
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));

    CHECK_EQ(hv_vcpu_start(1, go_on_writing, NULL, stack, STACK), 0);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        test_await(TEST_PARENT, STATE, 2);
        uint64_t ref = test_shared(TEST_PARENT)[REF];
        HV_BUFFER(64)
        struct hv_grant_map m = { hv_start_parent(), ref, window, port, RW, 1, address };

        CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
        CHECK_EQ(test_try_write(address, round), TEST_NO_FAULT);
        if (round % 2) { /* the one leaf is in another space */
            CHECK_EQ(test_unmap(HV_SELF, 0, address, 1), 1);
            CHECK_EQ(test_map(HV_SELF, space, USER, window, 1, RW), 1);
        }
        have_it_write(round % 2 ? USER : address, round % 2 ? space : 0,
                      round % 3 == 0 ? window << HV_PAGE_SHIFT : 0);
        let_go(window, ref, address, space);
    }
}

void test_main(void)
{
    if (test_is("peer")) {
        peer();
        return;
    }
    test_options = (struct test_options){ .vcpus = 2 };
    uint64_t child = test_spawn("peer", 0);
    int64_t ended;

    for (uint64_t round = 0; round < ROUNDS; round++) {
        volatile uint64_t *page = test_pages(1);
        uint64_t gfn = hv_gfn((const void *)(uintptr_t)page), at = (uint64_t)(uintptr_t)page;
        uint64_t ref = (uint64_t)NEED(hv_grant_give(child, (void *)(uintptr_t)page, 1, RW));

        test_shared(child)[REF] = ref;
        test_signal(child, STATE, 2);
        test_await(child, STATE, 1);
        CHECK_EQ(page[0], round);
        while ((ended = hv_grant_end(HV_SELF, ref, 0)) == -HV_EBUSY)
            hv_yield();
        CHECK_EQ(ended, 0);
        for (unsigned i = 0; i < 512; i++)
            page[i] = 0x0a0a;
        test_shared(child)[STATE] = 3;
        test_await(child, ENDED, ref);
        for (unsigned i = 0; i < 512; i++)
            CHECK_EQ(page[i], 0x0a0a);
        CHECK_EQ(hv_unmap_range(HV_SELF, 0, at, 1), 0);
        CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), 1);
        test_shared(child)[STATE] = 0;
    }
    test_join(child);
}
