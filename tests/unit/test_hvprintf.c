/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's printf against the C library's, on every conversion it knows, and its behaviour at
 * the end of the buffer.
 *
 * sources: libhypercall/src/printf.c
 */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "hvlib/console.h"
#include "hvlib/string.h"

#define SAME(...)                                                                                  \
    do {                                                                                           \
        char is[200], should[200];                                                                 \
        int n = hv_snprintf(is, sizeof is, __VA_ARGS__);                                           \
        ck_assert_int_eq(n, snprintf(should, sizeof should, __VA_ARGS__));                         \
        ck_assert_str_eq(is, should);                                                              \
    } while (0)

START_TEST(test_integers)
{
    static const long values[] = {
        0, 1, -1, 9, 10, 255, -4096, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN
    };

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        long v = values[i];

        SAME("%ld|%lu|%lx|%lX", v, (unsigned long)v, (unsigned long)v, (unsigned long)v);
        SAME("%d|%u|%x|%hd|%hu|%hhd|%hhx", (int)v, (unsigned)v, (unsigned)v, (short)v,
             (unsigned short)v, (signed char)v, (unsigned char)v);
        SAME("%5ld|%-5ld|%05ld|%+ld|%+05ld|%20ld|%-20ld|%020ld", v, v, v, v, v, v, v, v);
        SAME("%.3ld|%8.3ld|%-8.3ld|", v, v, v);
        SAME("%llx|%zu|%016llx|%8llx|%-8llx|", (unsigned long long)v, (size_t)v,
             (unsigned long long)v, (unsigned long long)v, (unsigned long long)v);
    }
    SAME("%.0d|", 0);
}
END_TEST

START_TEST(test_text)
{
    SAME("%s|%8s|%-8s|%.2s|%8.2s|%-8.2s|%.0s|", "word", "word", "word", "word", "word", "word",
         "word");
    SAME("%c|%3c|%-3c|%%|", 'x', 'y', 'z');
    SAME("%*d|%-*d|%.*s|", 6, 42, 6, 42, 3, "abcdef");
    SAME("%p|", (void *)0x1234);
    char is[20];

    const char *volatile null = NULL;

    hv_snprintf(is, sizeof is, "%s", null);
    ck_assert_str_eq(is, "(null)");
}
END_TEST

START_TEST(test_end_of_buffer)
{
    for (size_t room = 0; room < 20; room++) {
        char *is = malloc(room + (room == 0)), should[20];

        ck_assert_int_eq(hv_snprintf(is, room, "abc%dxyz%s", 12345, "end"), 14);
        snprintf(should, room ? room : 1, "abc%dxyz%s", 12345, "end");
        if (room)
            ck_assert_str_eq(is, should);
        free(is);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hvprintf");
    TCase *tc = tcase_create("hvprintf");

    tcase_set_timeout(tc, 60); /* a loaded machine is no failure */
    tcase_add_test(tc, test_integers);
    tcase_add_test(tc, test_text);
    tcase_add_test(tc, test_end_of_buffer);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);

    srunner_free(runner);
    return failed != 0;
}
