/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device page: the way there and back, restarts of either end at every step, refusals, and an
 * end against a page that says anything.
 *
 * sources: libhypercall/src/device.c tests/unit/host_guard.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_guard.h"
#include "hvlib/device.h"

static struct hv_device_page *page;
static struct hv_front f;
static struct hv_back b;
static const uint64_t config[HV_DEV_CONFIG_WORDS] = { 11, 22, 33 };

static struct hv_offer offer(void)
{
    struct hv_offer o = { .features = 6, .ring_pages = 2, .region_count = 2, .request_ref = 101 };

    o.response_ref = 102;
    o.region_ref[1] = 104;
    o.region_pages[0] = 512;
    o.region_pages[1] = 1;
    return o;
}

static void setup(void)
{
    host_guard_gone = false;
    page = aligned_alloc(HV_PAGE_SIZE, HV_PAGE_SIZE);
    memset(page, 0, HV_PAGE_SIZE);
    hv_front_init(&f, page);
    hv_back_init(&b, page);
}

static void teardown(void)
{
    free(page);
}

static void make_offer(void)
{
    struct hv_offer o = offer();

    ck_assert_int_eq(hv_front_offer(&f, &o), 0);
}

static void connect_both(void)
{
    make_offer();
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_OFFER);
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_OFFER);
    ck_assert_int_eq(hv_back_ack(&b, 7, config), 0);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_ACK);
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_ACK);
    hv_front_run(&f);
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_RUN);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_RUN);
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_RUN);
}

START_TEST(test_connect)
{
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_RESET);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_RESET);
    connect_both();
    ck_assert_uint_eq(b.offer.request_ref, 101);
    ck_assert_uint_eq(b.offer.response_ref, 102);
    ck_assert_uint_eq(b.offer.region_ref[1], 104);
    ck_assert_uint_eq(b.offer.region_pages[0], 512);
    ck_assert_uint_eq(f.features, 6); /* of 7 only what was offered */
    ck_assert_uint_eq(f.config[1], 22);
}
END_TEST

START_TEST(test_orderly_restart)
{
    for (uint32_t i = 1; i < 50; i++) {
        connect_both();
        ck_assert_uint_eq(f.generation, i);
        hv_front_reset(&f);
        ck_assert_int_eq(hv_back_step(&b), HV_DEV_RESET);
        ck_assert_int_eq(hv_back_reset(&b), 0);
        ck_assert_uint_eq(hv_front_step(&f), HV_DEV_RESET);
    }
}
END_TEST

/* The front end forgets everything and offers anew; the back end sees it at whatever step it is. */
START_TEST(test_front_restarts)
{
    connect_both();
    make_offer();
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_OFFER);
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_DEAD);
    ck_assert_int_eq(hv_back_reset(&b), 0);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_OFFER);
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_OFFER);
    make_offer(); /* once more, before the answer */
    ck_assert_int_eq(hv_back_ack(&b, 6, config), 0);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_OFFER); /* an answer to the older one */
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_DEAD);
    ck_assert_int_eq(hv_back_reset(&b), 0);
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_OFFER);
    ck_assert_int_eq(hv_back_ack(&b, 6, config), 0);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_ACK);
    hv_front_init(&f, page); /* another kernel on the same page */
    make_offer();
    uint32_t offered = f.generation;

    ck_assert_int_eq(hv_back_step(&b), HV_DEV_DEAD);
    hv_front_init(&f, page); /* and another one, before the answer */
    make_offer();
    ck_assert_uint_eq(f.generation, offered + 1);
}
END_TEST

START_TEST(test_back_restarts)
{
    connect_both();
    hv_back_reset(&b);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_DEAD);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_DEAD);
    hv_front_reset(&f);
    hv_back_init(&b, page);
    connect_both();
    hv_back_init(&b, page); /* and one that was not told what was before it */
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_RUN);
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_DEAD);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_DEAD);
    connect_both();
}
END_TEST

START_TEST(test_refused)
{
    make_offer();
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_OFFER);
    ck_assert_int_eq(hv_back_refuse(&b), 0);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_DEAD);
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_DEAD);
    hv_front_reset(&f);
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_RESET);
    ck_assert_int_eq(hv_back_reset(&b), 0);
    connect_both();
}
END_TEST

static void expect_dead_offer(void)
{
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_DEAD);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_DEAD);
}

START_TEST(test_bad_offers)
{
    struct hv_offer o = offer();

    o.ring_pages = 0;
    ck_assert_int_eq(hv_front_offer(&f, &o), -HV_EINVAL);
    o.ring_pages = 9;
    ck_assert_int_eq(hv_front_offer(&f, &o), -HV_EINVAL);
    o = offer();
    o.region_count = HV_DEV_MAX_GRANTS + 1;
    ck_assert_int_eq(hv_front_offer(&f, &o), -HV_EINVAL);
    o = offer();
    o.region_pages[1] = 0;
    ck_assert_int_eq(hv_front_offer(&f, &o), -HV_EINVAL);
    o.region_pages[1] = 513;
    ck_assert_int_eq(hv_front_offer(&f, &o), -HV_EINVAL);
    make_offer();
    page->front.ring_pages = 9;
    expect_dead_offer();
    make_offer();
    page->front.region_count = 0xffffffff;
    expect_dead_offer();
    make_offer();
    page->front.region_pages[1] = 513;
    expect_dead_offer();
    make_offer();
    page->front.region_pages[0] = 0;
    expect_dead_offer();
    o = offer();
    o.queues = HV_DEV_MAX_QUEUES + 1;
    ck_assert_int_eq(hv_front_offer(&f, &o), -HV_EINVAL);
    make_offer();
    page->front.queues = HV_DEV_MAX_QUEUES + 1;
    expect_dead_offer();
    make_offer();
    page->front.queues = 0xffffffff;
    expect_dead_offer();
}
END_TEST

/* Each queue arrives as it was offered; who says nothing of queues has one. */
START_TEST(test_queues)
{
    struct hv_offer o = offer();

    make_offer();
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_OFFER);
    ck_assert_uint_eq(b.offer.queues, 1);
    for (uint32_t queues = 1; queues <= HV_DEV_MAX_QUEUES; queues++) {
        hv_front_reset(&f);
        ck_assert_int_eq(hv_back_step(&b), HV_DEV_RESET);
        ck_assert_int_eq(hv_back_reset(&b), 0);
        o.queues = queues;
        for (uint32_t n = 1; n < queues; n++)
            o.queue[n - 1] = (struct hv_device_queue){ 200 + n, 300 + n, 400 + n, 0 };
        ck_assert_int_eq(hv_front_offer(&f, &o), 0);
        ck_assert_int_eq(hv_back_step(&b), HV_DEV_OFFER);
        ck_assert_uint_eq(b.offer.queues, queues);
        ck_assert_int_eq(memcmp(b.offer.queue, o.queue, sizeof o.queue), 0);
    }
}
END_TEST

START_TEST(test_bad_answers)
{
    make_offer();
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_OFFER);
    ck_assert_int_eq(hv_back_ack(&b, 6, config), 0);
    page->back.features = 8;
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_DEAD);
    make_offer();
    page->back.generation = f.generation;
    page->back.state = 77;
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_DEAD);
    make_offer();
    page->back.generation = f.generation;
    page->back.state = HV_DEV_RUN; /* not asked yet */
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_DEAD);
}
END_TEST

START_TEST(test_gone)
{
    make_offer();
    host_guard_gone = true;
    ck_assert_int_eq(hv_back_step(&b), -HV_EDEAD);
    ck_assert_int_eq(hv_back_ack(&b, 0, config), -HV_EDEAD);
    ck_assert_int_eq(hv_back_refuse(&b), -HV_EDEAD);
    ck_assert_int_eq(hv_back_reset(&b), -HV_EDEAD);
}
END_TEST

/* One word of the other's line set to anything between any two steps. */
static void disturb(size_t from, size_t bytes)
{
    uint32_t *words = (uint32_t *)(void *)page;
    size_t word = from / 4 + (size_t)rand() % (bytes / 4);

    words[word] = rand() % 2 ? (uint32_t)rand() % 6 : (uint32_t)rand() * 2;
}

static void random_back(void)
{
    int64_t state = hv_back_step(&b);

    ck_assert(state >= 0 && state <= HV_DEV_DEAD);
    if (state == HV_DEV_OFFER) {
        ck_assert(b.offer.ring_pages >= 1 && b.offer.ring_pages <= 8);
        ck_assert_uint_le(b.offer.region_count, HV_DEV_MAX_GRANTS);
        for (uint32_t i = 0; i < b.offer.region_count; i++)
            ck_assert(b.offer.region_pages[i] >= 1 && b.offer.region_pages[i] <= 512);
        hv_back_ack(&b, ~(uint64_t)0, config);
    } else if (state == HV_DEV_DEAD || state == HV_DEV_RESET) {
        hv_back_reset(&b);
    }
}

static void random_front(void)
{
    uint32_t state = hv_front_step(&f);

    ck_assert_uint_le(state, HV_DEV_DEAD);
    if (state == HV_DEV_ACK) {
        ck_assert_uint_eq(f.features & ~(uint64_t)6, 0);
        hv_front_run(&f);
    } else if (state == HV_DEV_DEAD || state == HV_DEV_RESET) {
        make_offer();
    }
}

static void offer_again(void)
{
    struct hv_offer o = offer();

    o.request_ref = 201;
    o.region_pages[0] = 1;
    page->front.generation++;
    page->front.request_ref = o.request_ref;
    memcpy(page->front.region_pages, o.region_pages, sizeof o.region_pages);
    page->queue[2].port = 7;
}

/* The front end offers again between two accesses of the back end, which takes one offer or the
 * other, as a whole, or none. */
START_TEST(test_offer_changes_meanwhile)
{
    for (uint64_t turn = 0; turn < 8; turn++) {
        teardown();
        setup();
        make_offer();
        uint32_t first = page->front.generation;

        host_guard_turn = host_guard_accesses + turn;
        host_guard_peer = offer_again;
        int64_t state = hv_back_step(&b);

        host_guard_peer = NULL;
        if (state == HV_DEV_DEAD)
            continue;
        ck_assert_int_eq(state, HV_DEV_OFFER);
        ck_assert_uint_eq(b.offer.request_ref, b.generation == first ? 101 : 201);
        ck_assert_uint_eq(b.offer.region_pages[0], b.generation == first ? 512 : 1);
        ck_assert_uint_eq(b.offer.queue[2].port, b.generation == first ? 0 : 7);
    }
}
END_TEST

static void no_answer_yet(void)
{
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_OFFER);
}

/* The front end looks before any access of the back end that takes an offer, of which the last one
 * answers it: what was said to the refused offer before this one is not taken for the answer. */
START_TEST(test_look_while_it_answers)
{
    uint64_t accesses = 1;

    for (uint64_t turn = 0; turn < accesses; turn++) {
        teardown();
        setup();
        make_offer();
        ck_assert_int_eq(hv_back_step(&b), HV_DEV_OFFER);
        ck_assert_int_eq(hv_back_refuse(&b), 0);
        ck_assert_uint_eq(hv_front_step(&f), HV_DEV_DEAD);
        make_offer();
        uint64_t before = host_guard_accesses;

        host_guard_turn = before + turn;
        host_guard_peer = no_answer_yet;
        ck_assert_int_eq(hv_back_step(&b), HV_DEV_OFFER);
        ck_assert_int_eq(hv_back_ack(&b, 6, config), 0);
        host_guard_peer = NULL;
        accesses = host_guard_accesses - before;
        ck_assert_uint_eq(hv_front_step(&f), HV_DEV_ACK);
    }
    ck_assert_uint_gt(accesses, 5);
}
END_TEST

START_TEST(test_hostile_page)
{
    srand(1);
    for (int i = 0; i < 200000; i++) {
        if (rand() % 4 == 0)
            disturb(0, sizeof page->front);
        random_back();
        if (rand() % 4 == 0)
            disturb(offsetof(struct hv_device_page, back), sizeof page->back);
        random_front();
    }
    /* Left alone they find each other with the next offer. */
    make_offer();
    for (int i = 0; i < 10; i++) {
        random_back();
        random_front();
    }
    ck_assert_int_eq(hv_back_step(&b), HV_DEV_RUN);
    ck_assert_uint_eq(hv_front_step(&f), HV_DEV_RUN);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("device");
    TCase *tc = tcase_create("device");

    tcase_set_timeout(tc, 60); /* a loaded machine is no failure */
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_connect);
    tcase_add_test(tc, test_orderly_restart);
    tcase_add_test(tc, test_front_restarts);
    tcase_add_test(tc, test_back_restarts);
    tcase_add_test(tc, test_refused);
    tcase_add_test(tc, test_bad_offers);
    tcase_add_test(tc, test_queues);
    tcase_add_test(tc, test_bad_answers);
    tcase_add_test(tc, test_gone);
    tcase_add_test(tc, test_offer_changes_meanwhile);
    tcase_add_test(tc, test_look_while_it_answers);
    tcase_add_test(tc, test_hostile_page);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed != 0;
}
