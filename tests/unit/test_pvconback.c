/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console back end against a writer without end, one that never reads, slots with any length,
 * empty ones by the million, and indices that jump: what reaches the terminal, and what root does
 * for it, is bounded by time, and what is typed waits in a fixed place.
 *
 * sources: libhypercall/src/device.c libhypercall/src/ring.c
 * sources: tests/unit/host_pv.c tests/unit/host_guard.c
 */
#include "host_pvback.h"

#include <pvguest/drivers/back/back.c>
#include <pvguest/drivers/back/console.c>

#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define SECOND NS_PER_S

HV_RING_DEFINE(front_ring, HV_RING_STREAM, struct hv_console_slot, struct hv_console_slot);

static struct hv_device_page *page;
static struct hv_front front;
static struct hv_ring ring;
static char *out_page, *in_page;
static struct console_back *c;

/* ---- the terminal ---- */

struct mux_source {
    int open;
};

static struct mux_source source;
static uint64_t shown;
static char last_shown;
static bool no_place;

struct mux_source *mux_open(const char *name, mux_input_fn input, void *arg)
{
    (void)name;
    (void)input;
    (void)arg;
    source.open = !no_place;
    return no_place ? NULL : &source;
}

void mux_close(struct mux_source *s)
{
    s->open = 0;
}

void mux_write(struct mux_source *s, const char *text, size_t bytes)
{
    ck_assert(s->open);
    shown += bytes;
    for (size_t i = 0; i < bytes; i++)
        last_shown = text[i];
}

void mux_focus(struct mux_source *s)
{
    ck_assert(s->open);
}

/* ---- the two ends ---- */

static void turn(void)
{
    for (unsigned n = 0; c->back.work && !c->back.gone; n++) {
        ck_assert_msg(n < 4096, "a writer keeps the thread for ever");
        c->back.work = false;
        step(&c->back);
    }
}

static void closing(void)
{
    ck_assert(c->back.closing);
    host_thread_ends();
}

static void raise_back(void)
{
    back_wake(&c->back);
    turn();
}

static void connect_front(void)
{
    struct hv_offer o = { .ring_pages = 1 };

    memset(out_page, 0, PAGE_SIZE);
    memset(in_page, 0, PAGE_SIZE);
    front_ring_init(&ring, out_page, 1, in_page, 1);
    o.request_ref = host_lend(out_page, 1, HV_MAP_READ);
    o.response_ref = host_lend(in_page, 1, RW);
    ck_assert_int_eq(hv_front_offer(&front, &o), 0);
    raise_back();
    ck_assert_uint_eq(hv_front_step(&front), HV_DEV_ACK);
    hv_front_run(&front);
    raise_back();
    ck_assert_uint_eq(hv_front_step(&front), HV_DEV_RUN);
}

static void leave(void)
{
    hv_front_reset(&front);
    raise_back();
    ck_assert_uint_eq(host_windows, 1);
    host_grants = 1;
}

static void open_back(void)
{
    struct back_place place = { .peer = HOST_PEER, .port = HOST_PORT };

    place.page = host_lend(page, 1, RW);
    c = console_back_open(&place, "x");
    ck_assert_ptr_nonnull(c);
    hv_front_init(&front, page);
}

static void setup(void)
{
    host_back_start();
    host_waiting = closing;
    page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    out_page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    in_page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
    memset(page, 0, PAGE_SIZE);
    shown = 0;
    no_place = false;
    open_back();
}

static void teardown(void)
{
    console_back_close(c);
    ck_assert_uint_eq(host_windows, 0);
    ck_assert_uint_eq(host_objects, 0);
    ck_assert_ptr_null(host_later);
    ck_assert(!source.open);
    free(page);
    free(out_page);
    free(in_page);
}

static void fill(struct hv_console_slot *slot, uint32_t bytes)
{
    *slot = (struct hv_console_slot){ .bytes = bytes };
    memset(slot->text, 'a', sizeof slot->text);
}

static void write_slot(uint32_t bytes)
{
    struct hv_console_slot slot;

    fill(&slot, bytes);
    ck_assert_int_eq(front_ring_put(&ring, &slot), 0);
    hv_ring_push(&ring);
}

START_TEST(test_lengths)
{
    static const uint32_t wrong[] = { 61, 64, 4096, 0x80000000u, UINT32_MAX };

    connect_front();
    write_slot(60);
    raise_back();
    ck_assert_uint_eq(shown, 60);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_slot(wrong[i]);
        write_slot(1);
        raise_back();
        ck_assert_uint_eq(shown, 61 + i); /* of the wrong one nothing */
    }
    leave();
}
END_TEST

/* The writer's ring is full at every moment of ten seconds. Slots with `_i` bytes each. */
START_TEST(test_flood)
{
    static const uint32_t length[] = { 60, 1, 0, 61 };
    uint64_t slots = 0;

    connect_front();
    for (unsigned ms = 0; ms < 10000; ms++) {
        struct hv_console_slot slot;

        fill(&slot, length[_i]);
        /* It writes again behind each look that the back end takes. */
        do {
            while (front_ring_put(&ring, &slot) == 0)
                slots++;
            hv_ring_push(&ring);
            c->back.work = false;
            step(&c->back);
        } while (c->back.work && slots < 10000000);
        host_pass(NS_PER_MS);
    }
    ck_assert_uint_lt(shown, 11 * 65536 + SLOTS * HV_CONSOLE_TEXT);
    ck_assert_uint_lt(slots, 11 * 8192 + 2 * 65536);
    ck_assert_uint_gt(slots, 10 * 65536 / 68);
    /* And then it is as good as any other. */
    host_pass(60 * SECOND);
    raise_back();
    write_slot(7);
    last_shown = 0;
    raise_back();
    ck_assert_int_eq(last_shown, 'a');
    leave();
}
END_TEST

/* Who does not read loses what is typed at it, not root's memory; then it gets the first of it. */
START_TEST(test_never_reads)
{
    struct hv_console_slot slot;
    uint64_t got = 0;

    connect_front();
    for (unsigned n = 0; n < 100000; n++) {
        console_back_type(c, "b", 1);
        turn();
    }
    ck_assert_uint_eq(c->head - c->tail, TYPED);
    while (front_ring_get(&ring, &slot) == 1)
        got += slot.bytes;
    ck_assert_uint_eq(got, 32); /* a byte in each slot of the ring */
    hv_ring_sleep(&ring);
    raise_back();
    while (front_ring_get(&ring, &slot) == 1)
        got += slot.bytes;
    ck_assert_uint_eq(got, 32 + TYPED);
    leave();
}
END_TEST

/* The peer says that it has read what was never written, or writes what there is no room for. */
START_TEST(test_indices)
{
    struct hv_ring_head *head = (void *)out_page;

    for (uint32_t n = 0; n < 64; n++) {
        connect_front();
        head->event = (uint32_t)1 << n % 32;
        console_back_type(c, "some text", 9);
        turn();
        ck_assert_uint_eq(hv_front_step(&front), HV_DEV_RUN);
        head->prod += n < 32 ? 65 + ((uint32_t)1 << n) : UINT32_MAX;
        raise_back();
        ck_assert_uint_eq(hv_front_step(&front), HV_DEV_DEAD);
        ck_assert_uint_eq(host_windows, 1);
        leave();
    }
    connect_front();
    write_slot(1);
    raise_back();
    ck_assert_int_eq(last_shown, 'a');
    leave();
}
END_TEST

/* A restart does not fill the bucket again. */
START_TEST(test_restarts)
{
    for (unsigned n = 0; n < 2000; n++) {
        connect_front();
        for (unsigned i = 0; i < 32; i++)
            write_slot(60);
        raise_back();
        leave();
    }
    ck_assert_uint_lt(shown, 2 * 65536);
}
END_TEST

/* More consoles than the terminal has places for: nothing is shown, all else goes on. */
START_TEST(test_no_place)
{
    console_back_close(c);
    host_forget();
    no_place = true;
    open_back();
    connect_front();
    for (unsigned n = 0; n < 100; n++) {
        write_slot(60);
        raise_back();
    }
    ck_assert_uint_eq(shown, 0);
    console_back_focus(c);
    leave();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pvconback");
    TCase *t = tcase_create("pvconback");

    tcase_set_timeout(t, 60); /* a loaded machine is no failure */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_lengths);
    tcase_add_loop_test(t, test_flood, 0, 4);
    tcase_add_test(t, test_never_reads);
    tcase_add_test(t, test_indices);
    tcase_add_test(t, test_restarts);
    tcase_add_test(t, test_no_place);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
