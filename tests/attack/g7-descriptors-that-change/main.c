/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60 again=2
 *
 * Threat (G7). A request lies in memory that the front end writes. A back end that checks it there
 * and then uses it there reads twice, and in between it has become another one: checked was a legal
 * request, done is what the front end likes. And what a back end answers may carry more than the
 * answer: what was in its padding before.
 *
 * The front end here changes every slot of its ring without pause, from a pair of words that belong
 * together to one that does not and back. The back end takes slots by libhypercall's ring, lets the
 * front end run, and finds its copy unchanged while the shared one is another by then. All of the
 * page that answers go to is zero but for what was answered. (On several processors a request also
 * changes within the copy itself; what is checked is the copy, so it makes a request illegal at
 * most.)
 */
#include "hvlib/grant.h"
#include "hvlib/guard.h"
#include "hvlib/ring.h"
#include "test.h"

#define R      HV_MAP_READ
#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define ROUNDS 400u

const char test_title[] = "a request is what it was when it was taken";

enum { STATE, REQUEST, RESPONSE };

struct request {
    uint64_t value, inverse;
};
struct response {
    uint64_t value;
    uint32_t status, rsvd;
};
HV_RING_DEFINE(front_ring, HV_RING_FRONT, struct request, struct response);
HV_RING_DEFINE(back_ring, HV_RING_BACK, struct response, struct request);

/* ---- the front end ---- */

static void flip(char *page, uint32_t slots, uint64_t n)
{
    volatile struct request *r = (void *)(page + sizeof(struct hv_ring_head));

    for (uint32_t i = 0; i < slots; i++) {
        r[i].value = n * 0x10001 + i;
        r[i].inverse = n % 3 ? ~r[i].value : r[i].value;
    }
}

static void front(void)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    char *out = test_pages(1), *in = test_pages(1);
    struct request q = { 1, ~(uint64_t)1 };
    struct response answer;
    struct hv_ring ring;

    CHECK_EQ(front_ring_init(&ring, out, 1, in, 1), 0);
    shared[REQUEST] = (uint64_t)NEED(hv_grant_give(hv_start_parent(), out, 1, R));
    shared[RESPONSE] = (uint64_t)NEED(hv_grant_give(hv_start_parent(), in, 1, RW));
    shared[STATE] = 1;
    for (uint64_t n = 0; shared[STATE] != 2; n++) {
        while (front_ring_get(&ring, &answer) == 1)
            CHECK_EQ(answer.rsvd, 0);
        while (front_ring_put(&ring, &q) == 0)
            ;
        CHECK(hv_ring_push(&ring) >= 0);
        flip(out, hv_ring_slots(1, sizeof q), n);
        hv_yield();
    }
    for (size_t i = sizeof(struct hv_ring_head) + hv_ring_slots(1, sizeof answer) * sizeof answer;
         i < HV_PAGE_SIZE; i++)
        CHECK_EQ(in[i], 0);
}

/* ---- the back end ---- */

static unsigned legal, refused, changed;

static void serve(struct hv_ring *ring, const char *page)
{
    uint32_t slots = hv_ring_slots(1, sizeof(struct request)), at = ring->cons & (slots - 1);
    struct response answer = { 0 };
    struct request mine, first, shared;

    if (back_ring_get(ring, &mine) != 1) {
        hv_yield();
        return;
    }
    first = mine;
    answer.status = mine.inverse != ~mine.value;
    hv_yield(); /* between the check and the use */
    NEED(hv_guard_copy_from(
        &shared, page + sizeof(struct hv_ring_head) + at * sizeof(struct request), sizeof shared));
    changed += shared.value != mine.value;
    CHECK(first.value == mine.value && first.inverse == mine.inverse);
    if (answer.status == 0)
        CHECK_EQ(mine.inverse, ~mine.value);
    legal += answer.status == 0;
    refused += answer.status != 0;
    answer.value = mine.value;
    CHECK_EQ(back_ring_put(ring, &answer), 0);
    CHECK(hv_ring_push(ring) >= 0);
}

void test_main(void)
{
    struct hv_ring ring;
    void *in, *out;

    if (test_is("front")) {
        front();
        return;
    }
    uint64_t child = test_spawn("front", 0);
    uint32_t port = (uint32_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));

    test_await(child, STATE, 1);
    NEED(hv_window_map(child, test_shared(child)[REQUEST], 1, port, R, &in));
    NEED(hv_window_map(child, test_shared(child)[RESPONSE], 1, port, RW, &out));
    CHECK_EQ(back_ring_init(&ring, out, 1, in, 1), 0);
    /* Which of them it finds is a matter of when each of the two runs. */
    for (unsigned i = 0; i < ROUNDS || legal <= 50 || refused <= 50 || changed <= 50; i++)
        serve(&ring, in);
    CHECK(!ring.broken);
    NEED(hv_window_unmap(in, 1));
    NEED(hv_window_unmap(out, 1));
    test_signal(child, STATE, 2);
    test_join(child);
}
