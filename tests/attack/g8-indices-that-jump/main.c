/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (G8). A ring's producer index is the peer's to write. A reader that believes it walks as
 * far as it says: an index more than a ring ahead makes it read slots twice or beyond the end, one
 * that goes back makes it wait 2^32 slots, and all of it again where the number wraps.
 *
 * A front end's page is mapped by a back end with libhypercall's ring. At three starts (zero, below
 * the wrap of 2^31 and of 2^32) the legal indices are taken; then each wrong one must break the
 * ring, at once and for good, with nothing behind the page or the private cursors touched.
 */
#include "hvlib/grant.h"
#include "hvlib/ring.h"
#include "test.h"

#define R    HV_MAP_READ
#define RW   (HV_MAP_READ | HV_MAP_WRITE)
#define LENT 160u

const char test_title[] = "an index that cannot be right breaks the ring and nothing else";

struct slot {
    uint32_t word[4];
};
HV_RING_DEFINE(jump_ring, HV_RING_BACK, struct slot, struct slot);

static uint64_t child;
static void *in, *out;
static struct hv_ring ring;

/* What the front end writes into its index. */
static void say(uint32_t prod)
{
    NEED(hv_copy_to_domain(child, LENT * HV_PAGE_SIZE + offsetof(struct hv_ring_head, prod), &prod,
                           sizeof prod));
}

static void start(uint32_t at)
{
    CHECK_EQ(jump_ring_init(&ring, out, 1, in, 1), 0);
    ring.cons = ring.prod = ring.pushed = ring.in_prod = at;
    say(at);
}

static void check_broken(void)
{
    struct hv_ring before = ring;
    struct slot s = { { 1, 2, 3, 4 } };

    CHECK_EQ(jump_ring_get(&ring, &s), -HV_EDEAD);
    CHECK(ring.broken);
    CHECK_EQ(ring.cons, before.cons);
    CHECK_EQ(s.word[0], 1);
    say(before.cons + 1); /* too late to be honest */
    CHECK_EQ(jump_ring_get(&ring, &s), -HV_EDEAD);
    CHECK_EQ(jump_ring_put(&ring, &s), -HV_EDEAD);
    CHECK_EQ(hv_ring_push(&ring), -HV_EDEAD);
    CHECK_EQ(hv_ring_sleep(&ring), -HV_EDEAD);
    CHECK_EQ(hv_ring_room(&ring), 0);
}

static void check_from(uint32_t at)
{
    const uint32_t slots = hv_ring_slots(1, sizeof(struct slot));
    const uint32_t bad[] = { slots + 1,  2 * slots,  0x7fffffff, 0x80000000,
                             0x80000001, 0u - slots, 0u - 1 };
    struct slot s;

    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        start(at);
        CHECK_EQ(jump_ring_get(&ring, &s), 0);
        say(at + bad[i]);
        check_broken();
        /* Behind some that were believed: what was seen cannot be unsaid. */
        start(at);
        say(at + slots);
        for (uint32_t n = 0; n < slots; n++)
            CHECK_EQ(jump_ring_get(&ring, &s), 1);
        say(at + slots + bad[i]);
        check_broken();
    }
}

void test_main(void)
{
    uint32_t port = (uint32_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));

    child = test_build("idle", 192, NULL);
    uint64_t request = (uint64_t)NEED(hv_grant_create(child, 0, LENT, 1, R));
    uint64_t response = (uint64_t)NEED(hv_grant_create(child, 0, LENT + 1, 1, RW));

    NEED(hv_window_map(child, request, 1, port, R, &in));
    NEED(hv_window_map(child, response, 1, port, RW, &out));
    check_from(0);
    check_from(0x80000000 - 5);
    check_from(0u - 5);
    start(7);
    CHECK_EQ(hv_grant_end(child, request, 1), 0); /* the page itself goes */
    CHECK_EQ(jump_ring_get(&ring, &(struct slot){ { 0 } }), -HV_EDEAD);
    CHECK(ring.broken);
    NEED(hv_window_unmap(in, 1));
    NEED(hv_window_unmap(out, 1));
    CHECK_EQ(hv_grant_end(child, response, 0), 0);
    test_destroy(child);
}
