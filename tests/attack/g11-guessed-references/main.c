/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (G11). A reference is a number. Whoever guesses one, keeps one that has ended, or knows
 * one that was made for somebody else may try it; with a slot that is used again and again, sooner
 * or later an old number could mean a new grant. And slots run out: who uses up all of them must
 * not get one twice, nor keep others from theirs.
 *
 * This guest walks through neighbouring slots and generations of live grants, uses references after
 * their end through thousands of lives of one slot, takes all slots of a domain, and tries the
 * references of an owner that is dead. The legal form works beside each.
 */
#include "hvlib/grant.h"
#include "test.h"

#define R    HV_MAP_READ
#define RW   (HV_MAP_READ | HV_MAP_WRITE)
#define LENT 160u
#define SLOT ((uint64_t)1 << HV_GRANT_SLOT_BITS)

const char test_title[] = "a reference means one grant, for one peer, once";

static uint64_t child, port, window, target;

static int64_t map(uint64_t owner, uint64_t ref)
{
    HV_BUFFER(64) struct hv_grant_map m = { owner, ref, window, (uint32_t)port, R, 1, 0 };
    HV_BUFFER(8) uint64_t list = window;
    int64_t result = hv_grant_map(HV_SELF, hv_gpa(&m), 1);

    if (result == 1)
        CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), 1);
    return result;
}

static int64_t copy(uint64_t owner, uint64_t ref)
{
    HV_BUFFER(64) struct hv_grant_copy c = { owner, ref, 0, target, 8, 0 };

    return hv_grant_copy(hv_gpa(&c), 1);
}

static void check_dead(uint64_t owner, uint64_t ref, int64_t error)
{
    CHECK_EQ(map(owner, ref), error);
    CHECK_EQ(copy(owner, ref), error);
}

static void check_neighbours(void)
{
    uint64_t ref = (uint64_t)NEED(hv_grant_create(child, 0, LENT, 1, R));

    CHECK_EQ(map(child, ref), 1);
    for (unsigned bit = 0; bit < 64; bit++)
        check_dead(child, ref ^ (uint64_t)1 << bit, -HV_EINVAL);
    for (uint64_t i = 1; i < 300; i++) {
        check_dead(child, ref + i * SLOT, -HV_EINVAL);
        check_dead(child, ref + i, -HV_EINVAL);
        CHECK_EQ(hv_grant_end(child, ref + i * SLOT, 1), -HV_EINVAL);
    }
    check_dead(child, 0, -HV_EINVAL);
    check_dead(child, ~(uint64_t)0, -HV_EINVAL);
    check_dead(HV_SELF, ref, -HV_EDEAD);
    CHECK_EQ(map(child, ref), 1);
    CHECK_EQ(hv_grant_end(child, ref, 0), 0);
}

/* Thousands of lives of one slot, and no two alike. */
static void check_lives(void)
{
    uint64_t first = 0, last = 0;

    for (unsigned i = 0; i < 5000; i++) {
        uint64_t ref = (uint64_t)NEED(hv_grant_create(child, 0, LENT, 1, R));

        CHECK(ref > last);
        first = first ? first : ref;
        CHECK_EQ(copy(child, ref), 1);
        CHECK_EQ(hv_grant_end(child, ref, i % 2), 0);
        check_dead(child, ref, -HV_EINVAL);
        check_dead(child, ref + SLOT, -HV_EINVAL); /* the one that comes next */
        last = ref;
    }
    CHECK_EQ(last - first, 4999 * SLOT);
    check_dead(child, first, -HV_EINVAL);
}

/* All slots, one page: each grant counts, and each can be ended. */
static void check_exhaustion(void)
{
    static uint64_t refs[HV_MAX_GRANTS];
    uint64_t n = 0;
    int64_t result;

    while ((result = hv_grant_create(child, 0, LENT, 1, R)) > 0) {
        CHECK(n < HV_MAX_GRANTS);
        refs[n++] = (uint64_t)result;
    }
    CHECK_EQ(result, -HV_ENOSPC);
    CHECK(n > HV_MAX_GRANTS - 8); /* the harness has lent a page as well */
    for (uint64_t i = 0; i < n; i += 61)
        CHECK_EQ(map(child, refs[i]), 1);
    CHECK(hv_grant_create(HV_SELF, child, hv_gfn(test_pages(1)), 1, R) >
          0); /* others have theirs */
    CHECK_EQ(hv_give_back(child, LENT, 1), -HV_EBUSY);
    for (uint64_t i = 0; i < n; i++)
        CHECK_EQ(hv_grant_end(child, refs[(i * 7 + 3) % n], 0), n % 7 ? 0 : -HV_EINVAL);
    CHECK_EQ(hv_give_back(child, LENT, 1), 1);
    CHECK_EQ(hv_populate(child, LENT, 1), 1);
}

void test_main(void)
{
    child = test_build("idle", 192, NULL);
    test_options.quota = 0;
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    window = test_windows(1);
    target = hv_gpa(test_pages(1));
    check_neighbours();
    check_lives();
    check_exhaustion();
    uint64_t ref = (uint64_t)NEED(hv_grant_create(child, 0, LENT, 1, R));

    CHECK_EQ(map(child, ref), 1);
    test_destroy(child);
    check_dead(child, ref, -HV_EDEAD);
    uint64_t next =
        test_build("idle", 192, NULL); /* not the number, nor the grants, of the dead one */

    CHECK(next != child);
    check_dead(child, ref, -HV_EDEAD);
    check_dead(next, ref, -HV_EINVAL);
    test_destroy(next);
}
