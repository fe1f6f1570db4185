/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings: two honest ends against a queue as model, over the wrap of the indices; the notification
 * protocol; and one end against a peer that writes anything anywhere in what it may write. The
 * rings' pages have their exact size, so that ASan sees a slot outside.
 *
 * sources: libhypercall/src/ring.c tests/unit/host_guard.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_guard.h"
#include "hvlib/ring.h"

struct question {
    uint64_t id;
    uint64_t rsvd[3];
};

struct answer {
    uint64_t id;
    uint32_t status, rsvd;
};

HV_RING_DEFINE(front, HV_RING_FRONT, struct question, struct answer);
HV_RING_DEFINE(back, HV_RING_BACK, struct answer, struct question);
HV_RING_DEFINE(stream, HV_RING_STREAM, struct question, struct answer);
HV_RING_DEFINE(mirror, HV_RING_STREAM, struct answer, struct question);

static struct hv_ring f, b;
static struct hv_ring_head *request, *response;
static uint64_t seed;

static uint32_t pick(uint32_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % limit;
}

static void *pages(uint32_t count)
{
    void *p = aligned_alloc(HV_PAGE_SIZE, (size_t)count * HV_PAGE_SIZE);

    memset(p, 0, (size_t)count * HV_PAGE_SIZE);
    return p;
}

static void setup(void)
{
    host_guard_gone = false;
    seed = 1;
    request = pages(2);
    response = pages(1);
}

static void teardown(void)
{
    free(request);
    free(response);
}

/* As if `start` slots had gone each way. */
static void start_at(struct hv_ring *r, uint32_t start)
{
    r->prod = r->pushed = r->cons = r->in_prod = r->acked = start;
    r->out->prod = start;
    r->out->event = start + 1;
}

static void connect_pair(uint32_t start)
{
    ck_assert_int_eq(front_init(&f, request, 2, response, 1), 0);
    ck_assert_int_eq(back_init(&b, response, 1, request, 2), 0);
    start_at(&f, start);
    start_at(&b, start);
}

START_TEST(test_slots)
{
    ck_assert_uint_eq(hv_ring_slots(1, 32), 64);
    ck_assert_uint_eq(hv_ring_slots(2, 32), 128);
    ck_assert_uint_eq(hv_ring_slots(1, 16), 128);
    ck_assert_uint_eq(hv_ring_slots(8, 64), 256);
    ck_assert_uint_eq(hv_ring_slots(1, 4032), 1);
    ck_assert_uint_eq(hv_ring_slots(1, 4036), 0);
    ck_assert_uint_eq(hv_ring_slots(0, 32), 0);
    ck_assert_uint_eq(hv_ring_slots(9, 32), 0);
    ck_assert_uint_eq(hv_ring_slots(1, 0), 0);
    ck_assert_uint_eq(hv_ring_slots(1, 30), 0);
    ck_assert_int_eq(hv_ring_init(&f, 3, request, 1, 32, response, 1, 16), -HV_EINVAL);
    ck_assert_int_eq(hv_ring_init(&f, 0, request, 9, 32, response, 1, 16), -HV_EINVAL);
    ck_assert_int_eq(hv_ring_put(&f, request), -HV_EDEAD);
}
END_TEST

/* Questions asked, taken, answered and answers got are four counters of one sequence. */
START_TEST(test_pair_model)
{
    uint64_t asked = 0, taken = 0, answered = 0, got = 0;

    connect_pair(0xffffff00);
    while (got < 20000) {
        struct question q = { .id = asked };
        struct answer a = { .id = answered };

        switch (pick(6)) {
        case 0:
        case 1:
            ck_assert_uint_eq(hv_ring_room(&f), 128 - (asked - got));
            ck_assert_int_eq(front_put(&f, &q), asked - got < 128 ? 0 : -HV_EAGAIN);
            asked += asked - got < 128;
            break;
        case 2:
            ck_assert_int_ge(hv_ring_push(&f), 0);
            break;
        case 3:
            if (back_get(&b, &q) == 1)
                ck_assert_uint_eq(q.id, taken++);
            break;
        case 4:
            ck_assert_int_eq(back_put(&b, &a), answered < taken ? 0 : -HV_EAGAIN);
            answered += answered < taken;
            ck_assert_int_ge(hv_ring_push(&b), 0);
            break;
        default:
            if (front_get(&f, &a) == 1)
                ck_assert_uint_eq(a.id, got++);
            break;
        }
        ck_assert(got <= answered && answered <= taken && taken <= asked);
    }
    ck_assert(!f.broken && !b.broken);
}
END_TEST

START_TEST(test_all_arrives)
{
    struct question q = { 0 };
    struct answer a = { 0 };

    connect_pair(0);
    for (uint64_t i = 0; i < 128; i++) {
        q.id = i;
        ck_assert_int_eq(front_put(&f, &q), 0);
    }
    ck_assert_int_eq(front_put(&f, &q), -HV_EAGAIN);
    ck_assert_int_eq(back_get(&b, &q), 0);
    ck_assert_int_eq(hv_ring_push(&f), 1);
    for (uint64_t i = 0; i < 128; i++) {
        ck_assert_int_eq(back_get(&b, &q), 1);
        ck_assert_uint_eq(q.id, i);
        a.id = i;
        ck_assert_int_eq(back_put(&b, &a), 0);
    }
    ck_assert_int_eq(back_put(&b, &a), -HV_EAGAIN);
    ck_assert_int_eq(hv_ring_push(&b), 1);
    for (uint64_t i = 0; i < 128; i++) {
        ck_assert_int_eq(front_get(&f, &a), 1);
        ck_assert_uint_eq(a.id, i);
    }
    ck_assert_uint_eq(hv_ring_room(&f), 128);
}
END_TEST

/* An event exactly for the slot that was asked for, and none while the reader is awake. */
START_TEST(test_notify)
{
    struct question q = { 0 };

    connect_pair(0xfffffffe);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(hv_ring_sleep(&b), 0);
        ck_assert_int_eq(front_put(&f, &q), 0);
        ck_assert_int_eq(front_put(&f, &q), 0);
        ck_assert_int_eq(hv_ring_push(&f), 1);
        ck_assert_int_eq(hv_ring_push(&f), 0);
        ck_assert_int_eq(front_put(&f, &q), 0);
        ck_assert_int_eq(hv_ring_push(&f), 0);
        ck_assert_int_eq(hv_ring_sleep(&b), 1);
        while (back_get(&b, &q) == 1)
            ck_assert_int_eq(back_put(&b, &(struct answer){ 0 }), 0);
        ck_assert_int_eq(hv_ring_push(&b) >= 0, 1);
        while (front_get(&f, &(struct answer){ 0 }) == 1)
            ;
    }
}
END_TEST

/* An end that lets answers gather is told once, with the last one it asked for, and never too late.
 */
START_TEST(test_gather)
{
    struct question q = { 0 };
    struct answer a = { 0 };

    for (uint32_t wanted = 1; wanted <= 32; wanted++) {
        int64_t events = 0;

        connect_pair(0u - wanted / 2); /* over the wrap */
        for (uint32_t i = 0; i < 32; i++)
            ck_assert_int_eq(front_put(&f, &q), 0);
        ck_assert_int_ge(hv_ring_push(&f), 0);
        ck_assert_int_eq(hv_ring_sleep_for(&f, wanted), 0);
        for (uint32_t i = 1; i <= 32; i++) {
            ck_assert_int_eq(back_get(&b, &q), 1);
            ck_assert_int_eq(back_put(&b, &a), 0);
            int64_t told = hv_ring_push(&b);

            ck_assert_int_eq(told, i == wanted);
            events += told;
            ck_assert_int_eq(hv_ring_sleep_for(&f, wanted), i >= wanted);
        }
        ck_assert_int_eq(events, 1);
    }
}
END_TEST

START_TEST(test_stream)
{
    uint64_t put = 0, got = 0;

    ck_assert_int_eq(stream_init(&f, request, 2, response, 1), 0);
    ck_assert_int_eq(mirror_init(&b, response, 1, request, 2), 0);
    ck_assert_uint_eq(hv_ring_room(&f), 128); /* event 0 is no news */
    while (got < 5000) {
        struct question q = { .id = put };

        if (pick(2)) {
            if (stream_put(&f, &q) == 0)
                put++;
            ck_assert_int_ge(hv_ring_push(&f), 0);
        } else if (mirror_get(&b, &q) == 1) {
            ck_assert_uint_eq(q.id, got++);
        } else if (pick(2)) {
            ck_assert_int_ge(hv_ring_sleep(&b), 0);
        } else {
            ck_assert_int_eq(hv_ring_consumed(&b), 0);
        }
        ck_assert(put - got <= 128);
    }
}
END_TEST

static void expect_broken(uint32_t prod)
{
    struct answer a;
    uint64_t before;

    response->prod = prod;
    ck_assert_int_eq(front_get(&f, &a), -HV_EDEAD);
    ck_assert(f.broken);
    before = host_guard_accesses;
    response->prod = f.in_prod;
    ck_assert_int_eq(front_get(&f, &a), -HV_EDEAD);
    ck_assert_int_eq(hv_ring_sleep(&f), -HV_EDEAD);
    ck_assert_int_eq(front_put(&f, &(struct question){ 0 }), -HV_EDEAD);
    ck_assert_int_eq(hv_ring_push(&f), -HV_EDEAD);
    ck_assert_int_eq(hv_ring_consumed(&f), -HV_EDEAD);
    ck_assert_uint_eq(hv_ring_room(&f), 0);
    ck_assert_uint_eq(host_guard_accesses, before);
}

static const uint32_t starts[] = { 0, 1, 100, 0x7fffffff, 0xffffffc0, 0xffffffff };

/* Five questions are out, two answers were seen. */
static void half_way(uint32_t start)
{
    struct answer a;

    connect_pair(start);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(front_put(&f, &(struct question){ 0 }), 0);
    ck_assert_int_ge(hv_ring_push(&f), 0);
    response->prod = start + 3;
    ck_assert_int_eq(front_get(&f, &a), 1);
    ck_assert_int_eq(front_get(&f, &a), 1);
    ck_assert_int_eq(front_get(&f, &a), 1);
}

START_TEST(test_wrong_index)
{
    uint32_t start = starts[_i];
    static const uint32_t jumps[] = { 6, 7, 64, 128, 129, 0x7fffffff, 0x80000000, 0xffffffff };

    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        half_way(start);
        expect_broken(start + jumps[i]);
    }
    for (uint32_t back = 0; back < 3; back++) {
        half_way(start);
        expect_broken(start + back);
    }
    half_way(start);
    response->prod = start + 5;
    ck_assert_int_eq(front_get(&f, &(struct answer){ 0 }), 1);
}
END_TEST

/* The reader of requests believes a full ring and not one slot more; and an index that goes back
 * behind what was seen, though not behind what was taken, is wrong too. */
START_TEST(test_wrong_request_index)
{
    uint32_t start = starts[_i];
    struct question q;

    connect_pair(start);
    request->prod = start + 129;
    ck_assert_int_eq(back_get(&b, &q), -HV_EDEAD);
    connect_pair(start);
    request->prod = start + 128;
    ck_assert_int_eq(back_get(&b, &q), 1);
    ck_assert_int_eq(back_get(&b, &q), 1);
    request->prod = start + 100;
    ck_assert_int_eq(hv_ring_sleep(&b), -HV_EDEAD);
    ck_assert(b.broken);
}
END_TEST

/* More questions than there is room for answers: the front end that asks them has broken its
 * contract, also when some are taken already. */
START_TEST(test_more_questions_than_answers)
{
    uint32_t start = starts[_i];
    struct hv_ring_head *many = pages(8);
    struct question q;

    for (int taken = 0; taken < 2; taken++) {
        ck_assert_int_eq(back_init(&b, response, 1, many, 8), 0);
        ck_assert_uint_eq(b.in_slots, 512);
        ck_assert_uint_eq(b.out_slots, 128);
        start_at(&b, start);
        many->prod = start + 128;
        ck_assert_int_eq(back_get(&b, &q), 1);
        for (int i = 0; taken && i < 127; i++)
            ck_assert_int_eq(back_get(&b, &q), 1);
        many->prod = start + 129;
        ck_assert_int_eq(hv_ring_sleep(&b), -HV_EDEAD);
    }
    free(many);
}
END_TEST

START_TEST(test_gone)
{
    struct question q = { 0 };

    for (int step = 0; step < 4; step++) {
        connect_pair(0);
        request->prod = 4;
        ck_assert_int_eq(back_get(&b, &q), 1);
        ck_assert_int_eq(back_put(&b, &(struct answer){ 0 }), 0);
        host_guard_gone = true;
        int64_t result = step == 0   ? back_get(&b, &q)
                         : step == 1 ? hv_ring_push(&b)
                         : step == 2 ? hv_ring_sleep(&b)
                                     : hv_ring_consumed(&b);
        ck_assert_int_eq(result, -HV_EDEAD);
        host_guard_gone = false;
        ck_assert(b.broken);
    }
}
END_TEST

static void check_sane(const struct hv_ring *r)
{
    ck_assert_uint_le(r->prod - r->pushed, r->out_slots);
    ck_assert_uint_le(r->in_prod - r->cons, r->in_slots);
}

/* What a hostile peer may write is its whole ring; what this end wrote it must still say. */
static void fuzz_once(struct hv_ring *r, struct hv_ring_head *theirs, uint32_t bytes, bool gentle)
{
    char slot[64];
    uint32_t *words = (uint32_t *)(void *)theirs;

    switch (pick(6)) {
    case 0:
        words[pick(bytes / 4)] = pick(0x7fffffff) * 2 + pick(2);
        break;
    case 1:
        theirs->prod = gentle ? r->in_prod + pick(4) : r->in_prod + pick(r->in_slots + 2);
        break;
    case 2:
        theirs->event = gentle ? r->pushed + pick(3) : pick(0x7fffffff) * 2;
        break;
    case 3:
        hv_ring_get(r, slot);
        break;
    case 4:
        memset(slot, 0x5a, sizeof slot);
        if (hv_ring_put(r, slot) == 0)
            hv_ring_push(r);
        break;
    default:
        hv_ring_sleep(r);
        break;
    }
    check_sane(r);
}

START_TEST(test_hostile_peer)
{
    for (uint32_t round = 0; round < 3000; round++) {
        uint32_t start = starts[pick(6)], kind = pick(3);
        bool as_front = kind != HV_RING_BACK;
        struct hv_ring_head *mine = as_front ? request : response;
        struct hv_ring_head *theirs = as_front ? response : request;
        uint32_t my_pages = as_front ? 2 : 1, their_pages = 3 - my_pages;

        memset(theirs, 0, (size_t)their_pages * HV_PAGE_SIZE);
        ck_assert_int_eq(hv_ring_init(&f, kind, mine, my_pages, as_front ? 32 : 16, theirs,
                                      their_pages, as_front ? 16 : 32),
                         0);
        start_at(&f, start);
        theirs->prod = start;
        for (int i = 0; i < 100; i++) {
            fuzz_once(&f, theirs, their_pages * HV_PAGE_SIZE, round % 2);
            if (!f.broken)
                ck_assert_uint_eq(mine->prod, f.pushed);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ring");
    TCase *tc = tcase_create("ring");

    tcase_set_timeout(tc, 60); /* a loaded machine is no failure */
    int n = (int)(sizeof starts / sizeof *starts);

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_slots);
    tcase_add_test(tc, test_pair_model);
    tcase_add_test(tc, test_all_arrives);
    tcase_add_test(tc, test_notify);
    tcase_add_test(tc, test_gather);
    tcase_add_test(tc, test_stream);
    tcase_add_loop_test(tc, test_wrong_index, 0, n);
    tcase_add_loop_test(tc, test_wrong_request_index, 0, n);
    tcase_add_loop_test(tc, test_more_questions_than_answers, 0, n);
    tcase_add_test(tc, test_gone);
    tcase_add_test(tc, test_hostile_peer);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed != 0;
}
