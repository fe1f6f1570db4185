/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scroll-back against a model that keeps everything: after any text, what is there is the end of
 * what was written, in whole lines, and the count of lines that are not there is exact.
 *
 * sources: pvguest/root/scrollback.c
 */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "root/scrollback.h"

#define MODEL 200000u
#define LINE  512u

static struct scrollback *s;
static char model[MODEL];
static size_t model_used;

static void setup(void)
{
    s = calloc(1, sizeof(*s)); /* on the heap: ASan sees a byte beyond it */
    model_used = 0;
}

static void teardown(void)
{
    free(s);
}

static void put(char c)
{
    scrollback_put(s, c);
    if (c == '\b')
        model_used -= model_used && model[model_used - 1] != '\n';
    else if (c != '\r')
        model[model_used++] = c;
}

static void put_text(const char *text)
{
    while (*text)
        put(*text++);
}

/* All lines that are there, each with an end; returns how many. */
static size_t read_all(char *out, size_t *used)
{
    uint64_t at = scrollback_start(s);
    size_t lines = 0;

    *used = 0;
    for (; at < s->end; lines++) {
        uint64_t before = at;
        char line[LINE];
        size_t bytes = scrollback_line(s, &at, line, sizeof(line));

        ck_assert(at > before && bytes <= sizeof(line));
        memcpy(out + *used, line, bytes);
        *used += bytes;
        out[(*used)++] = '\n';
    }
    return lines;
}

static size_t lines_in(const char *text, size_t bytes)
{
    size_t lines = 0;

    for (size_t i = 0; i < bytes; i++)
        lines += text[i] == '\n';
    return lines;
}

static void check(void)
{
    static char out[3 * SCROLLBACK_BYTES];
    size_t used, bytes = model_used, lines = read_all(out, &used);

    ck_assert_uint_le(s->end - s->first, SCROLLBACK_BYTES);
    if (bytes && model[bytes - 1] != '\n')
        model[bytes++] = '\n'; /* the last line has no end yet; put() will write over it */
    ck_assert_uint_le(used, bytes);
    ck_assert_int_eq(memcmp(out, model + bytes - used, used), 0);
    ck_assert(used == bytes || model[bytes - used - 1] == '\n');
    ck_assert_uint_eq(s->lines_lost, lines_in(model, bytes - used));
    ck_assert_uint_eq(lines, lines_in(out, used));
    /* Not more was lost than there is no room for: a line, and its part that is cut. */
    ck_assert(used == bytes || used + LINE + 2 > SCROLLBACK_BYTES);
}

START_TEST(what_was_said_can_be_read)
{
    check();
    put_text("one\ntwo\r\n\nthree");
    check();
    put_text("\b\b\b\b\b\b\b\bfour\n\b\b");
    check();
    ck_assert_uint_eq(s->lines_lost, 0);
}
END_TEST

START_TEST(random_text_agrees_with_the_model)
{
    srand(7);
    for (int round = 0; round < 8; round++) {
        teardown();
        setup();
        while (model_used < MODEL - 1000) {
            int length = rand() % (rand() % 2 ? 20 : (int)LINE);

            for (int i = 0; i < length; i++)
                put((char)(rand() % 30 ? ' ' + rand() % 95 : '\b'));
            put('\n');
            if (rand() % 97 == 0)
                check();
        }
        check();
    }
}
END_TEST

START_TEST(a_line_without_end_shows_its_last_part)
{
    static char out[3 * SCROLLBACK_BYTES];
    size_t used;

    for (unsigned n = 0; n < 3 * SCROLLBACK_BYTES; n++)
        put('x');
    ck_assert_uint_eq(read_all(out, &used), SCROLLBACK_BYTES / LINE);
    ck_assert_uint_eq(used, SCROLLBACK_BYTES + SCROLLBACK_BYTES / LINE);
    ck_assert_uint_eq(s->lines_lost, 1);
    for (unsigned n = 0; n < 2 * SCROLLBACK_BYTES; n++)
        put('\b');
    ck_assert_uint_eq(read_all(out, &used), 0);
    put_text("y\nz\n");
    read_all(out, &used);
    ck_assert_int_eq(memcmp(out, "z\n", 2), 0);
}
END_TEST

/* A reader that is slower than the writer goes on with what is there, at the start of a line. */
START_TEST(a_slow_reader_skips_what_is_lost)
{
    uint64_t at = scrollback_start(s);
    char line[LINE];

    put_text("first\nsecond\n");
    ck_assert_uint_eq(scrollback_line(s, &at, line, sizeof(line)), 5);
    for (unsigned n = 0; n < SCROLLBACK_BYTES / 4; n++)
        put_text("abcd\n");
    ck_assert_uint_eq(scrollback_line(s, &at, line, sizeof(line)), 4);
    ck_assert_int_eq(memcmp(line, "abcd", 4), 0);
    ck_assert_uint_ge(at, s->first + 5);
}
END_TEST

START_TEST(a_line_of_the_readers_size_is_one_line)
{
    char out[16];
    uint64_t at = 0;

    put_text("abcd\nefgh\n");
    ck_assert_uint_eq(scrollback_line(s, &at, out, 4), 4);
    ck_assert_uint_eq(scrollback_line(s, &at, out, 4), 4);
    ck_assert_int_eq(memcmp(out, "efgh", 4), 0);
    ck_assert_uint_eq(at, s->end);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scrollback");
    TCase *tests = tcase_create("scrollback");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_was_said_can_be_read);
    tcase_add_test(tests, random_text_agrees_with_the_model);
    tcase_add_test(tests, a_line_without_end_shows_its_last_part);
    tcase_add_test(tests, a_slow_reader_skips_what_is_lost);
    tcase_add_test(tests, a_line_of_the_readers_size_is_one_line);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
