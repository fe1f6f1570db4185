/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console multiplexer against guests that write anything: control characters and sequences,
 * lines without an end, backspaces without a line, names of others; and against more of them, more
 * often, than there are places. What reaches the terminal is checked character by character.
 *
 * sources: pvguest/root/scrollback.c pvguest/root/lineedit.c tests/unit/host_pv.c
 */
#define HVLIB_ARCH_HYPERCALL_H
#define HVLIB_EVENT_H
#define HVLIB_MEMORY_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_pv.h"

#include <hv_call.h>

#define HV_BUFFER(bytes) __attribute__((aligned(bytes)))
#define TERMINAL         (1u << 24)

static char *terminal;
static size_t written;
static unsigned objects;
static const char *keys = "";

static inline uint64_t hv_gpa(const volatile void *object)
{
    return (uint64_t)(uintptr_t)object;
}

static inline int64_t hv_console_read(uint64_t gpa, uint64_t bytes)
{
    size_t n = strlen(keys) < bytes ? strlen(keys) : bytes;

    memcpy((char *)(uintptr_t)gpa, keys, n);
    keys += n;
    return (int64_t)n;
}

static inline int64_t hv_event_bind(uint64_t dom, uint64_t kind, uint64_t a, uint64_t b, uint64_t c)
{
    (void)dom;
    (void)kind;
    (void)a;
    (void)b;
    (void)c;
    return 4;
}

#include <pvguest/root/consmux.c>

void hv_write(const char *text, size_t bytes)
{
    if (written + bytes >= TERMINAL)
        ck_abort_msg("the terminal is full");
    memcpy(terminal + written, text, bytes);
    written += bytes;
    terminal[written] = '\0';
}

int irq_register(uint64_t line, irq_fn fn, void *arg)
{
    (void)fn;
    (void)arg;
    return line == 4 ? 0 : -1;
}

void *kmalloc(size_t bytes)
{
    objects++;
    return calloc(1, bytes);
}

void printk(const char *format, ...)
{
    (void)format;
}

void console_add(struct console_sink *s)
{
    (void)s;
}

static char typed_at_root[64];

void console_input(char c)
{
    size_t n = strlen(typed_at_root);

    if (n < sizeof typed_at_root - 1)
        typed_at_root[n] = c;
}

int console_poll(void)
{
    return -1;
}

char console_getc(void)
{
    return '\r';
}

void thread_yield(void)
{
}

/* ---- the checks ---- */

static char got_typed[256];

static void take(void *arg, const char *text, size_t bytes)
{
    (void)arg;
    strncat(got_typed, text, bytes);
}

static void clear(void)
{
    written = 0;
    terminal[0] = '\0';
}

static void say(struct mux_source *s, const char *text)
{
    mux_write(s, text, strlen(text));
}

/* Nothing but text, and these. */
static void check_characters(const char *controls)
{
    for (size_t i = 0; i < written; i++) {
        char c = terminal[i];
        if (!(c >= ' ' && c < 127) && (c == '\0' || !strchr(controls, c)))
            ck_abort_msg("%#x is shown", (unsigned char)c);
    }
}

/* Each line begins with what must stand there. */
static void check_lines(const char *prefix)
{
    const char *line = terminal;

    check_characters("\n\t");
    while (*line) {
        if (strncmp(line, prefix, strlen(prefix)) != 0)
            ck_abort_msg("a line is '%.30s'", line);
        line = strchr(line, '\n') + 1;
    }
}

static void setup(void)
{
    terminal = malloc(TERMINAL);
    clear();
    memset(got_typed, 0, sizeof got_typed);
    memset(typed_at_root, 0, sizeof typed_at_root);
    ck_assert_int_eq(mux_init(), 0);
}

static void teardown(void)
{
    free(terminal);
}

START_TEST(test_every_character)
{
    struct mux_source *s = mux_open("x", take, NULL);
    char all[256];

    for (unsigned n = 0; n < 256; n++)
        all[n] = (char)n;
    for (unsigned n = 0; n < 1000; n++)
        mux_write(s, all, sizeof all);
    say(s, "\033[2J\033[H\033]0;title\007\x9b[31m\nroot: I am root\n\r\r\b\b\b\b[y] not me\n");
    check_lines("[x] ");
    ck_assert_ptr_nonnull(strstr(terminal, "\n[x] root: I am root\n[x] [y] not me\n"));
    ck_assert_ptr_nonnull(strstr(terminal, "?[2J?[H?]0;title??[31m\n"));
    mux_close(s);
}
END_TEST

/* It cannot take back more than its own line has, nor draw over a line that is not its own. */
START_TEST(test_backspaces)
{
    struct mux_source *s = mux_open("x", take, NULL), *other = mux_open("y", take, NULL);

    say(other, "secret");
    for (unsigned n = 0; n < 100000; n++)
        say(s, "\b");
    say(s, "abc\b\b\b\b\b\bd\n");
    ck_assert_str_eq(terminal, "[x] d\n");
    say(other, "s\n");
    ck_assert_str_eq(terminal, "[x] d\n[y] secrets\n");
    /* With the focus its cursor moves, but the other's line begins anew. */
    mux_focus(s);
    clear();
    say(s, "ab\b\b");
    say(other, "z\n");
    ck_assert_str_eq(terminal, "ab\b\b\n[y] z\n");
    mux_close(s);
    mux_close(other);
}
END_TEST

/* A line without an end is cut and named again; what is kept of it is bounded. */
START_TEST(test_endless_line)
{
    struct mux_source *s = mux_open("x", take, NULL);
    unsigned before = objects;

    for (unsigned n = 0; n < 1000000; n++)
        mux_write(s, "a", 1);
    check_lines("[x] ");
    ck_assert(!s[1].open); /* its neighbour is as it was */
    ck_assert_uint_ge(written, 1000000 - LINE);
    ck_assert_uint_le(written, 1000000 + 1000000 / LINE * 5);
    ck_assert_uint_eq(objects, before);
    clear();
    ck_assert(mux_print_log("x"));
    ck_assert_uint_le(written, SCROLLBACK_BYTES + SCROLLBACK_BYTES / LINE * 5 + 5);
    check_lines("[x] ");
    mux_close(s);
}
END_TEST

/* Names beyond their length, and more of them than there are logs or places. */
START_TEST(test_many)
{
    struct mux_source *s[SOURCES];
    char name[64];

    for (unsigned n = 0; n < 10000; n++) {
        unsigned open = 0;

        for (unsigned i = 0; i < SOURCES; i++) {
            snprintf(name, sizeof name, "a-name-that-is-too-long-%u-%u", n * SOURCES + i, n);
            s[i] = mux_open(n % 2 ? name + 20 : name, take, NULL);
            open += s[i] != NULL;
        }
        ck_assert_uint_eq(open, SOURCES - 1);
        for (unsigned i = 0; i < SOURCES; i++) {
            if (s[i]) {
                say(s[i], "some text without an end");
                mux_close(s[i]);
            }
        }
    }
    ck_assert_uint_le(objects, LOGS);
}
END_TEST

/* What is typed goes to the one that has the focus, and its end gives the terminal back to root. */
START_TEST(test_focus)
{
    struct mux_source *s = mux_open("x", take, NULL), *other = mux_open("y", take, NULL);

    keys = "for root\0241for x\0242\0243\024z\0249for y\0240again";
    console_interrupt(NULL);
    ck_assert_str_eq(typed_at_root, "for rootagain");
    ck_assert_str_eq(got_typed, "for xfor y");
    keys = "\024\0241";
    console_interrupt(NULL);
    ck_assert_ptr_eq(focus, s);
    say(s, "\024"
           "0"); /* what it writes is not what was typed */
    ck_assert_ptr_eq(focus, s);
    mux_close(s);
    ck_assert_ptr_eq(focus, root);
    keys = "x";
    console_interrupt(NULL);
    ck_assert_str_eq(typed_at_root, "for rootagainx");
    mux_close(other);
}
END_TEST

/* Sources come and go, write and get the focus, while a log is printed: each byte is somebody's. */
START_TEST(test_any)
{
    static const char *const names[] = { "a", "b", "c", "a.uart" };
    struct mux_source *s[4] = { NULL };

    srand((unsigned)_i);
    for (unsigned n = 0; n < 20000; n++) {
        unsigned i = (unsigned)rand() % 4;
        char text[100];

        for (unsigned k = 0; k < sizeof text; k++)
            text[k] = (char)(rand() % 3 ? 'a' + rand() % 26 : rand());
        if (!s[i])
            s[i] = mux_open(names[i], take, NULL);
        else if (rand() % 8 == 0)
            mux_close(s[i]), s[i] = NULL;
        else if (rand() % 16 == 0)
            mux_focus(rand() % 2 ? s[i] : NULL);
        else if (rand() % 64 == 0)
            mux_print_log(names[i]);
        else
            mux_write(s[i], text, (size_t)rand() % sizeof text);
        check_characters("\n\t\b");
        clear();
    }
    ck_assert_uint_le(objects, LOGS);
    ck_assert(!host_irqs_off);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pvconsmux");
    TCase *t = tcase_create("pvconsmux");

    tcase_set_timeout(t, 60); /* a loaded machine is no failure */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_every_character);
    tcase_add_test(t, test_backspaces);
    tcase_add_test(t, test_endless_line);
    tcase_add_test(t, test_many);
    tcase_add_test(t, test_focus);
    tcase_add_loop_test(t, test_any, 0, 4);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
