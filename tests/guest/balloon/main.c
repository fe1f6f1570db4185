/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * Memory moves between running guests: one gives back what it can spare, another asks for more, and
 * each sees no more than its quota. What comes back is empty, whatever was in it; what is in use
 * stays, and the balloon stops there; its controller can do the same from outside, and domain_info
 * tells both how much there is. The largest RAM range costs a domain what it uses of it.
 */
#include "hvlib/builder.h"
#include "hvlib/grant.h"
#include "test.h"

#define SPARE  900u
#define SECRET UINT64_C(0x5ec2e75ec2e75ec2)
/* Frames that may wait for the flush epoch. */
#define WAITING 520u

enum { READY, ASK, DONE, GIVEN, RESULT, FIRST };

const char test_title[] = "memory is given back and asked for again while guests run";

/* ---- the guest with a balloon ---- */

static void check_pages(const uint64_t *words, uint64_t from, uint64_t to, uint64_t expected)
{
    for (uint64_t i = from; i < to; i++) {
        if (words[i * 512] != expected || words[i * 512 + 511] != expected)
            test_failure("page %lu: 0x%lx", i, words[i * 512]);
    }
}

static void fill(uint64_t *words, uint64_t from, uint64_t to)
{
    for (uint64_t i = from * 512; i < to * 512; i++)
        words[i] = SECRET;
}

/* What is granted, and what is mapped elsewhere, stays; the pages behind it have gone. */
static void check_in_use(struct hv_balloon *b, const uint64_t *words)
{
    uint64_t at = test_addresses(1), used = b->gfn + 400;
    int64_t ref = hv_grant_create(HV_SELF, hv_start_parent(), used, 1, HV_MAP_READ);

    CHECK(ref > 0);
    CHECK_EQ(hv_balloon_set(b, SPARE), -HV_EBUSY);
    CHECK_EQ(b->given, SPARE - 401);
    check_pages(words, 0, 401, SECRET);
    CHECK_EQ(hv_grant_end(HV_SELF, (uint64_t)ref, 0), 0);
    CHECK_EQ(test_map(HV_SELF, 0, at, used - 100, 1, HV_MAP_READ), 1);
    CHECK_EQ(hv_balloon_set(b, SPARE), -HV_EBUSY);
    CHECK_EQ(b->given, SPARE - 301);
    CHECK_EQ(test_try_read((uint64_t)(uintptr_t)words + 301 * HV_PAGE_SIZE, NULL), 14);
    CHECK_EQ(test_unmap(HV_SELF, 0, at, 1), 1);
    CHECK_EQ(hv_balloon_set(b, SPARE + 1), -HV_EINVAL);
    CHECK_EQ(hv_balloon_set(b, SPARE), 0);
    /* Windows and shared pages were never RAM. */
    CHECK_EQ(hv_give_back(HV_SELF, HV_GFN_WINDOW, 1), -HV_EINVAL);
    CHECK_EQ(hv_give_back(HV_SELF, HV_GFN_SHARED, 1), -HV_EINVAL);
    CHECK_EQ(hv_balloon_set(b, 0), 0);
}

static void be_guest(void)
{
    uint64_t *words = test_pages(SPARE);
    struct hv_balloon b = { .gfn = hv_gfn(words), .pages = SPARE };
    volatile uint64_t *shared = test_shared(TEST_PARENT);

    fill(words, 0, SPARE);
    check_in_use(&b, words);
    check_pages(words, 0, SPARE, 0);
    shared[FIRST] = b.gfn;
    for (uint64_t turn = 1;; turn++) {
        uint64_t before = b.given;

        fill(words, 0, SPARE - b.given);
        test_signal(TEST_PARENT, READY, turn);
        test_await(TEST_PARENT, DONE, turn);
        if (shared[ASK] > SPARE)
            return;
        shared[RESULT] = (uint64_t)hv_balloon_set(&b, shared[ASK]);
        shared[GIVEN] = b.given;
        if (b.given < before) {
            check_pages(words, 0, SPARE - before, SECRET);
            check_pages(words, SPARE - before, SPARE - b.given, 0);
        }
    }
}

/* ---- its controller ---- */

static uint64_t turn = 1;

static int64_t ask(uint64_t guest, uint64_t given)
{
    volatile uint64_t *shared = test_shared(guest);

    test_await(guest, READY, turn);
    shared[ASK] = given;
    test_signal(guest, DONE, turn++);
    if (given <= SPARE)
        test_await(guest, READY, turn);
    return (int64_t)shared[RESULT];
}

static void check_amounts(uint64_t guest)
{
    struct hv_domain_info before, now;

    test_await(guest, READY, turn);
    before = test_info(guest);
    CHECK_EQ(before.ram_pages, 1400);
    CHECK_EQ(before.populated, 1400);
    for (unsigned i = 0; i < 6; i++) {
        uint64_t given = (uint64_t[]){ 1, 512, 700, 513, SPARE, 0 }[i];

        CHECK_EQ(ask(guest, given), 0);
        CHECK_EQ(test_shared(guest)[GIVEN], given);
        now = test_info(guest);
        CHECK_EQ(now.populated, 1400 - given);
        CHECK_EQ(now.quota, before.quota);
        /* Frames that wait for the flush epoch are still charged: some of its own flushes later. */
        CHECK(now.used + given + WAITING >= before.used);
        CHECK(now.used <= before.used + (test_virtual_time() ? 0 : WAITING));
    }
}

/* Without the guest: its controller takes what is empty of mappings, and puts it back. */
static void check_from_outside(uint64_t guest)
{
    uint64_t end = test_shared(guest)[FIRST] + SPARE;

    CHECK_EQ(hv_give_back(guest, end - 1, 1), -HV_EBUSY);
    CHECK_EQ(ask(guest, 100), 0);
    CHECK_EQ(hv_give_back(guest, end - 1, 1), -HV_EINVAL);
    CHECK_EQ(hv_populate(guest, end - 100, 40), 40);
    CHECK_EQ(test_info(guest).populated, 1340);
    CHECK_EQ(ask(guest, 0), -HV_EINVAL); /* they are there already, which it did not know */
    CHECK_EQ(test_shared(guest)[GIVEN], 100);
    CHECK_EQ(hv_give_back(guest, end - 100, 40), 40);
    CHECK_EQ(ask(guest, 0), 0);
}

/* The range is the largest there is; what is charged is what is used, and creating it is bounded.
 */
static void check_largest(void)
{
    HV_BUFFER(64)
    struct hv_domain_create c = {
        .quota = 150, .ram_pages = HV_MAX_RAM_PAGES, .window_pages = 64, .vcpus = 1, .weight = 1
    };
    uint64_t before = hv_tsc();
    int64_t dom = NEED(hv_domain_create(hv_gpa(&c)));
    uint64_t took = hv_tsc() - before;

    if (took > 250000 && test_virtual_time()) /* debug builds; it was four million */
        test_failure("creating the largest domain takes %lu instructions", took);
    CHECK(test_info((uint64_t)dom).used < 80);
    CHECK_EQ(hv_populate((uint64_t)dom, HV_MAX_RAM_PAGES - 1, 1), 1);
    CHECK_EQ(test_info((uint64_t)dom).populated, 1);
    CHECK_EQ(hv_give_back((uint64_t)dom, HV_MAX_RAM_PAGES - 1, 1), 1);
    CHECK_EQ(hv_give_back((uint64_t)dom, 0, 1), -HV_EINVAL);
    CHECK_EQ(hv_domain_end((uint64_t)dom), 0);
}

void test_main(void)
{
    if (test_is("guest")) {
        be_guest();
        return;
    }
    uint64_t guest = test_spawn("guest", 1400);

    check_amounts(guest);
    check_from_outside(guest);
    ask(guest, SPARE + 1);
    test_join(guest);
    check_largest();
}
