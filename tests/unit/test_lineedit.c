/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line editor against two models: a terminal, which does what a VT100 would do with what is
 * sent to it, and a line, to which each operation is done in the plainest way. Thousands of random
 * sessions: operations by any of their keys, sequences that are cut off, noise, others' output in
 * between. After each drawing the terminal's row has to be what the line says, whoever wrote last,
 * and nothing may ever reach the last column.
 *
 * sources: pvguest/root/lineedit.c
 */
#include <check.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "root/lineedit.h"

#define COLUMNS 80
#define PROMPT  "paravane> "

/* For what is asked a million times: check's own assertions each write to a file. */
#define must(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("line %d: %s", __LINE__, #condition);                                     \
    } while (0)

/* ---- the terminal ---- */

static struct {
    char row[COLUMNS + 1]; /* the cursor's row, blanks where nothing is */
    int column;
    int rows; /* line feeds so far */
    char last[COLUMNS + 1];
    char sequence[16];
    int in_sequence;
} screen;

static void clear(int from)
{
    memset(screen.row + from, ' ', (size_t)(COLUMNS - from));
    screen.row[COLUMNS] = '\0';
}

static void screen_sequence(void)
{
    char final = screen.sequence[screen.in_sequence - 1];
    int n = atoi(screen.sequence + 2);

    switch (final) {
    case 'C':
        screen.column += n;
        break;
    case 'D':
        screen.column -= n;
        break;
    case 'K':
        clear(screen.column);
        break;
    case 'H':
        screen.column = 0;
        break;
    case 'J':
        clear(0);
        break;
    default:
        ck_abort_msg("a sequence that a VT100 may not know: %c", final);
    }
    must((n >= 1 && n < COLUMNS) || strchr("KHJ", final));
    screen.in_sequence = 0;
}

static void screen_put(char c)
{
    if (screen.in_sequence) {
        must(screen.in_sequence < (int)sizeof(screen.sequence) - 1);
        screen.sequence[screen.in_sequence++] = c;
        screen.sequence[screen.in_sequence] = '\0';
        if (screen.in_sequence > 2 && c >= '@')
            screen_sequence();
    } else if (c == '\033') {
        screen.sequence[screen.in_sequence++] = c;
    } else if (c == '\r') {
        screen.column = 0;
    } else if (c == '\b') {
        screen.column--;
    } else if (c == '\n') {
        memcpy(screen.last, screen.row, sizeof(screen.last));
        screen.column = 0;
        screen.rows++;
        clear(0);
    } else {
        must(c >= ' ' && c < 127);
        must(screen.column < COLUMNS - 1);
        screen.row[screen.column++] = c;
    }
    must(screen.column >= 0);
    must(screen.column < COLUMNS);
}

static size_t sent; /* bytes */

static void screen_write(const char *text, size_t bytes)
{
    sent += bytes;
    for (size_t i = 0; i < bytes; i++)
        screen_put(text[i]);
}

/* ---- the editor under test ---- */

static struct lineedit e;

static const char *const words[] = { "info", "inform", "list", "log", "pause", NULL };

/* The first word is one of the list, the second "alpha". */
static const char *candidate(const char *line, size_t word, unsigned n)
{
    if (word == 0)
        return words[n];
    return memchr(line, ' ', word) == line + word - 1 && n == 0 ? "alpha" : NULL;
}

static void setup(void)
{
    memset(&e, 0, sizeof(e));
    memset(&screen, 0, sizeof(screen));
    clear(0);
    e.out = screen_write;
    e.candidate = candidate;
    lineedit_start(&e, PROMPT);
    lineedit_draw(&e);
}

/* True when a line was completed. */
static bool type(const char *keys)
{
    bool done = false;

    for (; *keys; keys++)
        done = lineedit_key(&e, *keys);
    return done;
}

/* The terminal's row is the prompt and the line, or the part of it around the cursor. */
static void check_row(void)
{
    unsigned room = LINEEDIT_WIDTH - (unsigned)strlen(PROMPT);
    unsigned part = e.used - e.left < room ? e.used - e.left : room;
    char want[COLUMNS + 1];

    must(strlen(e.text) == e.used);
    must(e.at <= e.used);
    must(e.used < LINEEDIT_LINE);
    memset(want, ' ', COLUMNS);
    want[COLUMNS] = '\0';
    memcpy(want, PROMPT, strlen(PROMPT));
    memcpy(want + strlen(PROMPT), e.text + e.left, part);
    if (e.left)
        want[strlen(PROMPT)] = '<';
    if (e.left + part < e.used)
        want[strlen(PROMPT) + part - 1] = '>';
    must(strcmp(screen.row, want) == 0);
    must((unsigned)screen.column == strlen(PROMPT) + e.at - e.left);
    /* The cursor stands on a character of the line or behind its end, never on a mark. */
    must(!e.left || e.at > e.left);
    must(e.left + part == e.used || e.at < e.left + part - 1);
    /* A line that fits is shown whole. */
    must(e.used > room || e.left == 0);
}

static void check_line(const char *text, unsigned at)
{
    lineedit_draw(&e);
    check_row();
    must(strcmp(e.text, text) == 0);
    must(e.at == at);
}

static void enter(const char *text)
{
    char line[LINEEDIT_LINE + 1];

    snprintf(line, sizeof(line), "%s\r", text);
    must(type(line));
    lineedit_draw(&e);
    lineedit_leave(&e);
    must(screen.column == 0);
    lineedit_start(&e, PROMPT);
    lineedit_draw(&e);
}

/* ---- each key ---- */

START_TEST(keys_move_and_delete)
{
    type("hello world");
    check_line("hello world", 11);
    type("\001");
    check_line("hello world", 0);
    type("\033[C\033OC\006");
    check_line("hello world", 3);
    type("\033[D\033OD\002");
    check_line("hello world", 0);
    type("\002");
    check_line("hello world", 0);
    type("\005\033[C");
    check_line("hello world", 11);
    type("\033[H");
    check_line("hello world", 0);
    type("\033[F");
    check_line("hello world", 11);
    type("\033[1~\033[3~");
    check_line("ello world", 0);
    type("\033[4~\033[3~\177\b");
    check_line("ello wor", 8);
    type("\033[7~\004h");
    check_line("hllo wor", 1);
    type("\033[8~\027");
    check_line("hllo ", 5);
    type("\027");
    check_line("", 0);
    type("\027\025\013\177\004");
    check_line("", 0);
    type("abcdef\033[D\033[D\025");
    check_line("ef", 0);
    type("xyz\013");
    check_line("xyz", 3);
    type("\003");
    check_line("", 0);
    type("one two\033bX\033b\033fY\033b\033d\001\033d");
    check_line(" ", 0);
    type("\005\033\177");
    check_line("", 0);
}
END_TEST

START_TEST(keys_of_no_use_do_nothing)
{
    type("ab");
    type("\033[5~\033[6~\033[2~\033[99999999999999999999~\033[200~\033[Z\033OP\033[1;5Q\033[?1;2c");
    type("\033x\033\033x\022\031\032\034\035\036\037\017\016\007\240\377\303\251");
    check_line("ab", 2);
    /* A modifier does not change what an arrow is. */
    type("\033[1;5D");
    check_line("ab", 1);
    /* What is no key in the middle of a sequence ends it. */
    type("\033[\377C");
    check_line("aCb", 2);
}
END_TEST

START_TEST(a_sequence_that_is_cut_off_eats_no_control_key)
{
    static const char *const broken[] = { "\033",  "\033[",  "\033[1",  "\033[1;",
                                          "\033O", "\033[?", "\033\033" };

    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        type("lisx");
        type(broken[i]);
        type("\b");
        check_line("lis", 3);
        type("t");
        type(broken[i]);
        ck_assert_msg(type("\r"), "sequence %zu", i);
        ck_assert_str_eq(e.text, "list");
        lineedit_start(&e, PROMPT);
        type(broken[i]);
        type("\033[Ax\003");
        check_line("", 0);
    }
}
END_TEST

START_TEST(return_and_line_feed_end_one_line)
{
    ck_assert(type("a\r"));
    lineedit_start(&e, PROMPT);
    ck_assert(!type("\n"));
    check_line("", 0);
    ck_assert(type("b\n"));
    lineedit_start(&e, PROMPT);
    ck_assert(type("\n"));
    ck_assert(type("\r"));
    ck_assert(type("\r"));
}
END_TEST

START_TEST(history_is_bounded_and_keeps_the_new_line)
{
    char line[32];

    type("\033[A\033[B\020\016");
    check_line("", 0);
    for (unsigned n = 0; n < 3 * LINEEDIT_HISTORY; n++) {
        snprintf(line, sizeof(line), "line %u", n);
        enter(line);
        enter(""); /* neither of these is kept */
        enter(line);
    }
    type("draft");
    for (unsigned n = 1; n <= LINEEDIT_HISTORY; n++) {
        type("\033[A");
        snprintf(line, sizeof(line), "line %u", 3 * LINEEDIT_HISTORY - n);
        check_line(line, (unsigned)strlen(line));
    }
    type("\033[A");
    check_line(line, (unsigned)strlen(line));
    /* What is done to an old line does not change the history. */
    type("xyz\033[B");
    snprintf(line, sizeof(line), "line %u", 2 * LINEEDIT_HISTORY + 1);
    check_line(line, (unsigned)strlen(line));
    type("\020");
    snprintf(line, sizeof(line), "line %u", 2 * LINEEDIT_HISTORY);
    check_line(line, (unsigned)strlen(line));
    for (unsigned n = 0; n < LINEEDIT_HISTORY; n++)
        type("\016");
    check_line("draft", 5);
    type("\016");
    check_line("draft", 5);
}
END_TEST

START_TEST(tab_completes)
{
    type("\t"); /* everything: listed */
    ck_assert_int_eq(strncmp(screen.last, "info  inform  list  log  pause   ", 33), 0);
    check_line("", 0);
    type("p\t");
    check_line("pause ", 6);
    type("\t");
    check_line("pause alpha ", 12);
    type("\t");
    check_line("pause alpha ", 12);
    type("\025i\t");
    check_line("info", 4);
    int rows = screen.rows;
    type("\t");
    ck_assert_int_eq(screen.rows, rows + 1);
    ck_assert_int_eq(strncmp(screen.last, "info  inform   ", 15), 0);
    check_line("info", 4);
    type("\025zz\t");
    check_line("zz", 2);
    /* In the middle of a line: the part in front of the cursor counts. */
    type("\001\013p al\001\006\t");
    check_line("pause al", 5);
    e.candidate = NULL;
    type("\t");
    check_line("pause al", 5);
}
END_TEST

START_TEST(a_long_line_stays_in_its_row)
{
    char want[LINEEDIT_LINE];

    memset(want, 0, sizeof(want));
    for (unsigned n = 0; n < LINEEDIT_LINE + 50; n++) {
        char key[2] = { (char)('a' + n % 26), '\0' };

        type(key);
        if (n + 1 < LINEEDIT_LINE)
            want[n] = key[0];
        check_line(want, (unsigned)strlen(want));
    }
    for (unsigned n = e.used; n > 0; n--) {
        type("\033[D");
        check_line(want, n - 1);
    }
    for (unsigned n = 0; n < strlen(want); n++) {
        type("\033[C");
        check_line(want, n + 1);
    }
    ck_assert_int_eq(screen.rows, 0);
    lineedit_leave(&e);
    ck_assert_int_eq(screen.rows, 1);
}
END_TEST

START_TEST(typing_sends_no_more_than_it_must)
{
    sent = 0;
    for (int n = 0; n < 60; n++) {
        type("x");
        lineedit_draw(&e);
    }
    ck_assert_uint_eq(sent, 60);
    lineedit_draw(&e);
    ck_assert_uint_eq(sent, 60);
    type("\033[D");
    lineedit_draw(&e);
    ck_assert_uint_eq(sent, 61);
}
END_TEST

/* ---- random sessions ---- */

static uint32_t seed;

static uint32_t chance(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* Somebody else's output: the row is erased first, and is shown again by the next draw. */
static void interrupt(void)
{
    if (chance(2))
        lineedit_erase(&e);
    if (!e.shown) {
        must(screen.column == 0);
        must((int)strspn(screen.row, " ") == COLUMNS);
        if (chance(2)) {
            static const char text[] = "[b] counter: 4711\n";
            screen_write(text, sizeof(text) - 1);
        }
    }
}

static void settle_and_check(void)
{
    if (chance(4) == 0)
        interrupt();
    if (chance(3)) {
        lineedit_draw(&e);
        check_row();
    }
}

/* The plainest line that there is, and the operations on it. */
static char model[LINEEDIT_LINE];
static unsigned model_at;

static void model_cut(unsigned from, unsigned to)
{
    char rest[LINEEDIT_LINE];

    snprintf(rest, sizeof(rest), "%s", model + to);
    snprintf(model + from, sizeof(model) - from, "%s", rest);
    model_at = from;
}

static void model_insert(char c)
{
    char whole[LINEEDIT_LINE + 2];

    snprintf(whole, sizeof(whole), "%.*s%c%s", (int)model_at, model, c, model + model_at);
    if (strlen(whole) >= LINEEDIT_LINE)
        return;
    memcpy(model, whole, strlen(whole) + 1);
    model_at++;
}

static const char *one_of(const char *const *keys)
{
    unsigned n = 0;

    while (keys[n])
        n++;
    return keys[chance(n)];
}

#define ONE_OF(...) one_of((const char *const[]){ __VA_ARGS__, NULL })

static void random_operation(void)
{
    unsigned length = (unsigned)strlen(model);
    unsigned word = model_at;

    switch (chance(12)) {
    case 0:
        type(ONE_OF("\001", "\033[H", "\033OH", "\033[1~", "\033[7~"));
        model_at = 0;
        break;
    case 1:
        type(ONE_OF("\005", "\033[F", "\033OF", "\033[4~", "\033[8~", "\033[1;2F"));
        model_at = length;
        break;
    case 2:
        type(ONE_OF("\002", "\033[D", "\033OD", "\033[1;5D"));
        model_at -= model_at > 0;
        break;
    case 3:
        type(ONE_OF("\006", "\033[C", "\033OC", "\033[1C"));
        model_at += model_at < length;
        break;
    case 4:
        type(ONE_OF("\177", "\b"));
        if (model_at)
            model_cut(model_at - 1, model_at);
        break;
    case 5:
        type(ONE_OF("\004", "\033[3~"));
        if (model_at < length)
            model_cut(model_at, model_at + 1);
        break;
    case 6:
        type(ONE_OF("\027", "\033\177"));
        while (word && model[word - 1] == ' ')
            word--;
        while (word && model[word - 1] != ' ')
            word--;
        model_cut(word, model_at);
        break;
    case 7:
        if (chance(20) == 0) {
            type("\013");
            model_cut(model_at, length);
        } else if (chance(20) == 0) {
            type("\025");
            model_cut(0, model_at);
        }
        break;
    default:
        for (uint32_t n = chance(9); n; n--) {
            char key[2] = { (char)(chance(5) ? 33 + chance(94) : ' '), '\0' };
            type(key);
            model_insert(key[0]);
        }
    }
}

START_TEST(random_operations_agree_with_the_model)
{
    seed = 1;
    model[0] = '\0';
    model_at = 0;
    for (int n = 0; n < 60000; n++) {
        random_operation();
        must(strcmp(e.text, model) == 0);
        must(e.at == model_at);
        settle_and_check();
    }
    must(screen.rows > 100);
}
END_TEST

/* Bytes of any value, most of them those that mean something. */
START_TEST(noise_leaves_the_row_whole)
{
    static const char likely[] = "\033[O;0123456789~ABCDFHbfdi lp\t\177\b\r\n";
    unsigned lines = 0;

    seed = 2;
    for (int n = 0; n < 300000; n++) {
        char c = chance(3) ? likely[chance(sizeof(likely) - 1)] : (char)chance(256);

        if (lineedit_key(&e, c)) {
            lines++;
            must(strlen(e.text) == e.used);
            settle_and_check();
            lineedit_leave(&e);
            lineedit_start(&e, PROMPT);
        }
        must(e.used < LINEEDIT_LINE);
        settle_and_check();
    }
    must(lines > 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("lineedit");
    TCase *c = tcase_create("lineedit");
    SRunner *r = srunner_create(s);

    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, NULL);
    tcase_add_test(c, keys_move_and_delete);
    tcase_add_test(c, keys_of_no_use_do_nothing);
    tcase_add_test(c, a_sequence_that_is_cut_off_eats_no_control_key);
    tcase_add_test(c, return_and_line_feed_end_one_line);
    tcase_add_test(c, history_is_bounded_and_keeps_the_new_line);
    tcase_add_test(c, tab_completes);
    tcase_add_test(c, a_long_line_stays_in_its_row);
    tcase_add_test(c, typing_sends_no_more_than_it_must);
    tcase_add_test(c, random_operations_agree_with_the_model);
    tcase_add_test(c, noise_leaves_the_row_whole);
    suite_add_tcase(s, c);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
