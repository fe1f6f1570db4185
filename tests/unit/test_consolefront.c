/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's console front end against a back end that reads and types, and against one that
 * refuses, does not read, lies in its slots, breaks its ring or dies: text goes to the early
 * console instead, nothing waits for ever.
 *
 * sources: libhypercall/src/device.c libhypercall/src/ring.c tests/unit/host_guard.c
 */
#include "host_front.h"

#include <libhypercall/src/consolefront.c>

HV_RING_DEFINE(peer_ring, HV_RING_STREAM, struct hv_console_slot, struct hv_console_slot);

const struct hv_console_ops *hv_console_ops;

static struct hv_back back;
static struct hv_ring peer;
static char printed[100000];
static size_t printed_bytes;
static const char *typed;    /* what comes next, a slot a turn; NULL: nothing */
static uint32_t typed_bytes; /* that the slot claims, 0: the right number */
static bool refuse, lazy, die;

static void print_all(void)
{
    struct hv_console_slot slot;

    while (peer_ring_get(&peer, &slot) == 1) {
        ck_assert_uint_le(slot.bytes, HV_CONSOLE_TEXT);
        ck_assert_uint_le(printed_bytes + slot.bytes, sizeof printed);
        memcpy(printed + printed_bytes, slot.text, slot.bytes);
        printed_bytes += slot.bytes;
    }
    hv_ring_sleep(&peer);
}

static void type(void)
{
    struct hv_console_slot slot = { .bytes = 0 };

    if (!typed)
        return;
    size_t length = strlen(typed);

    slot.bytes = typed_bytes ? typed_bytes : (uint32_t)length;
    memcpy(slot.text, typed, length < sizeof slot.text ? length : sizeof slot.text);
    peer_ring_put(&peer, &slot);
    hv_ring_push(&peer);
    typed = NULL;
}

static void turn(void)
{
    static const uint64_t config[HV_DEV_CONFIG_WORDS];

    if (die) {
        hv_back_refuse(&back);
        return;
    }
    switch (hv_back_step(&back)) {
    case HV_DEV_OFFER:
        peer_ring_init(&peer, in_area, RING_PAGES, out_area, RING_PAGES);
        if (refuse)
            hv_back_refuse(&back);
        else
            hv_back_ack(&back, 0, config);
        break;
    case HV_DEV_RUN:
        type();
        if (!lazy)
            print_all();
        break;
    default:
        break;
    }
}

static void setup(void)
{
    host_front_start(HV_DEVICE_CONSOLE, turn);
    hv_back_init(&back, host_page);
    memset(&console, 0, sizeof console);
    memset(out_area, 0, sizeof out_area);
    memset(in_area, 0, sizeof in_area);
    hv_console_ops = NULL;
    printed_bytes = 0;
    typed = NULL;
    typed_bytes = 0;
    refuse = lazy = die = false;
}

static void teardown(void)
{
    free(host_page);
}

static size_t write_text(const char *text)
{
    return hv_console_ops->write(text, strlen(text));
}

START_TEST(test_open)
{
    char c;

    ck_assert_int_eq(hv_console_wait(&c, 1), -HV_EINVAL);
    host_class = HV_DEVICE_BLOCK;
    ck_assert_int_eq(hv_console_open(), -HV_EINVAL);
    host_class = HV_DEVICE_CONSOLE;
    ck_assert_int_eq(hv_console_open(), 0);
    ck_assert_ptr_nonnull(hv_console_ops);
    ck_assert_int_eq(hv_console_open(), -HV_EINVAL); /* there is one only */
    ck_assert_uint_eq(host_lendings(), 2);
}
END_TEST

START_TEST(test_no_grants)
{
    host_grant_limit = _i;
    ck_assert_int_eq(hv_console_open(), -HV_ENOSPC);
    ck_assert_uint_eq(host_lendings(), 0);
    ck_assert_ptr_null(hv_console_ops);
}
END_TEST

START_TEST(test_refused)
{
    refuse = true;
    ck_assert_int_eq(hv_console_open(), -HV_EDEAD);
    ck_assert_ptr_null(hv_console_ops);
}
END_TEST

/* Far more than the rings hold, in pieces of every size. */
START_TEST(test_output)
{
    static char text[50000];
    size_t done = 0;

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    ck_assert_int_eq(hv_console_open(), 0);
    for (size_t some = 1; done < sizeof text; some = some % 700 + 13) {
        size_t left = sizeof text - done, bytes = some < left ? some : left;

        ck_assert_uint_eq(hv_console_ops->write(text + done, bytes), bytes);
        done += bytes;
    }
    turn();
    ck_assert_uint_eq(printed_bytes, sizeof text);
    ck_assert_int_eq(memcmp(printed, text, sizeof text), 0);
}
END_TEST

START_TEST(test_input)
{
    char text[8];

    ck_assert_int_eq(hv_console_open(), 0);
    ck_assert_int_eq(hv_console_ops->read(text, sizeof text), 0);
    typed = "hello there";
    ck_assert_int_eq(hv_console_wait(text, sizeof text), 8);
    ck_assert_int_eq(memcmp(text, "hello th", 8), 0);
    ck_assert_int_eq(hv_console_wait(text, sizeof text), 3);
    ck_assert_int_eq(memcmp(text, "ere", 3), 0);
    ck_assert_int_eq(hv_console_ops->read(text, sizeof text), 0);
}
END_TEST

/* A back end that does not read: after the ring is full and two seconds have passed, the rest is
 * the early console's, and so is all that follows, at once. */
START_TEST(test_not_read)
{
    static char text[20000];

    memset(text, 'x', sizeof text);
    ck_assert_int_eq(hv_console_open(), 0);
    lazy = true;
    size_t taken = hv_console_ops->write(text, sizeof text);

    ck_assert_uint_lt(taken, sizeof text);
    ck_assert_uint_ge(host_clock, PATIENCE_NS);
    ck_assert_uint_lt(host_clock, 2 * (uint64_t)PATIENCE_NS);
    ck_assert_uint_eq(write_text("more"), 0);
}
END_TEST

START_TEST(test_dies)
{
    char c;

    ck_assert_int_eq(hv_console_open(), 0);
    ck_assert_uint_eq(write_text("first"), 5);
    turn();
    die = true;
    turn();
    write_text("lost or not"); /* on the ring, which nobody reads: seen behind it */
    ck_assert_uint_eq(write_text("second"), 0);
    ck_assert_int_eq(hv_console_wait(&c, 1), -HV_EDEAD);
}
END_TEST

/* A slot that claims more text than it has is left out; what follows is read. */
START_TEST(test_slot_lies)
{
    char text[8];

    ck_assert_int_eq(hv_console_open(), 0);
    typed = "abc";
    typed_bytes = HV_CONSOLE_TEXT + 1;
    turn();
    typed_bytes = ~(uint32_t)0;
    typed = "def";
    turn();
    typed_bytes = 0;
    typed = "ghi";
    ck_assert_int_eq(hv_console_wait(text, sizeof text), 3);
    ck_assert_int_eq(memcmp(text, "ghi", 3), 0);
}
END_TEST

START_TEST(test_broken_ring)
{
    char c;

    ck_assert_int_eq(hv_console_open(), 0);
    ((struct hv_ring_head *)(void *)in_area)->prod = 1000;
    ck_assert_int_eq(hv_console_wait(&c, 1), -HV_EDEAD);
    ck_assert_uint_eq(write_text("text"), 0);
}
END_TEST

/* A fault inside a write reports itself: it must not enter the ring, and does not deadlock. */
START_TEST(test_reentered)
{
    ck_assert_int_eq(hv_console_open(), 0);
    console.busy = true;
    ck_assert_uint_eq(write_text("text"), 0);
    console.busy = false;
    ck_assert_uint_eq(write_text("text"), 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("consolefront");
    TCase *t = tcase_create("all");

    tcase_set_timeout(t, 60); /* a loaded machine is no failure */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_open);
    tcase_add_loop_test(t, test_no_grants, 0, 2);
    tcase_add_test(t, test_refused);
    tcase_add_test(t, test_output);
    tcase_add_test(t, test_input);
    tcase_add_test(t, test_not_read);
    tcase_add_test(t, test_dies);
    tcase_add_test(t, test_slot_lies);
    tcase_add_test(t, test_broken_ring);
    tcase_add_test(t, test_reentered);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);

    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed != 0;
}
