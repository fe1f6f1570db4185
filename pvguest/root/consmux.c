/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console multiplexer. Owns the terminal: the sources, who has the focus, and whose unfinished
 * line the cursor stands in. Root is source 0. Everything here runs with interrupts off, so that a
 * line is never torn, whether a thread or a handler prints it.
 *
 * Guests are hostile writers: the only control characters that reach the terminal are newline, tab
 * and backspace, and a line that is not the focus's own carries its domain's name. So no guest can
 * move the cursor over another's line or speak in root's name.
 */
#include "root/consmux.h"

#include "config.h"
#include "irq.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"
#include "root/scrollback.h"
#include "thread.h"

#include <hv_event.h>
#include <hvlib/console.h>
#include <hvlib/memory.h>

#define LINE    512u
#define SOURCES 10u /* as many as there are digits */
#define BATCH   256u
#define LOGS    (2 * CONFIG_DOMAINS + 1) /* each domain's console and UART, and root */

/* What the sources of one name have shown. It stays when they close, so that a domain that is gone
 * can be asked what it said last; the next one of the name begins anew. */
struct mux_log {
    char name[CONSMUX_NAME];
    struct scrollback text;
};

struct mux_source {
    bool open;
    struct mux_log *log; /* NULL: there was no memory */
    char name[CONSMUX_NAME];
    mux_input_fn input;
    void *arg;
    unsigned used;
    char line[LINE]; /* the unfinished line of a source without the focus */
};

static struct mux_source sources[SOURCES];
static struct mux_log *logs[LOGS];
static struct mux_source *const root = &sources[0];
static struct mux_source *focus = &sources[0];
static struct mux_source *cursor; /* whose unfinished line is on the terminal; NULL: line start */
static bool switching;            /* the switch key was pressed, the next key says what for */

/* The line that is being edited at root's prompt. */
static void out(const char *text, size_t bytes);
static struct lineedit editor = { .out = out };
static bool editing;

/* Output is gathered, so that a burst costs one hypercall. */
static char out_text[BATCH];
static size_t out_used;

static void out_flush(void)
{
    if (out_used)
        hv_write(out_text, out_used);
    out_used = 0;
}

static void out(const char *text, size_t bytes)
{
    while (bytes) {
        size_t room = BATCH - out_used;
        size_t part = bytes < room ? bytes : room;
        memcpy(out_text + out_used, text, part);
        out_used += part;
        text += part;
        bytes -= part;
        if (out_used == BATCH)
            out_flush();
    }
}

static void out_string(const char *s)
{
    out(s, strlen(s));
}

/* Bring the cursor to the start of a line, unless it stands in a line of `s` itself. */
static void leave_line(const struct mux_source *s)
{
    lineedit_erase(&editor);
    if (cursor && cursor != s)
        out_string("\n");
    if (cursor != s)
        cursor = NULL;
}

/* The end of every operation: the prompt comes back when nothing stands in its place. */
static void settle(void)
{
    if (editing && focus == root && !cursor)
        lineedit_draw(&editor);
    out_flush();
}

/* A line of anybody but root has its name in front, whenever it is printed. */
static void out_line(const char *name, const char *line, size_t bytes)
{
    leave_line(NULL);
    if (strcmp(name, root->name) != 0) {
        out_string("[");
        out_string(name);
        out_string("] ");
    }
    out(line, bytes);
    out_string("\n");
}

static void put_line(struct mux_source *s)
{
    out_line(s->name, s->line, s->used);
    s->used = 0;
}

/* A source without the focus, and root always: whole lines. */
static void put_gathered(struct mux_source *s, char c)
{
    if (c == '\n')
        put_line(s);
    else if (c == '\b')
        s->used -= s->used > 0;
    else if (c != '\r')
        s->line[s->used++] = c;
    if (s->used == LINE)
        put_line(s);
}

/* The source with the focus: as it comes. */
static void put_direct(struct mux_source *s, char c)
{
    leave_line(s);
    if (c == '\r')
        return;
    out(&c, 1);
    cursor = c == '\n' ? NULL : s;
}

static bool harmless(char c)
{
    return c == '\n' || c == '\r' || c == '\t' || c == '\b' || (c >= ' ' && c < 127);
}

void mux_write(struct mux_source *s, const char *text, size_t bytes)
{
    uint64_t flags = irq_save();
    for (size_t i = 0; i < bytes; i++) {
        char c = harmless(text[i]) ? text[i] : '?';
        if (s->log)
            scrollback_put(&s->log->text, c);
        if (s == focus && s != root)
            put_direct(s, c);
        else
            put_gathered(s, c);
    }
    settle();
    irq_restore(flags);
}

void mux_show(const char *text, size_t bytes)
{
    uint64_t flags = irq_save();
    if (focus == root) {
        leave_line(NULL);
        out_string("\033[H\033[J");
        out(text, bytes);
    }
    settle();
    irq_restore(flags);
}

/* The empty log of a new source. */
static struct mux_log *log_open(const char *name)
{
    unsigned n = 0;
    while (n < LOGS && logs[n] && strcmp(logs[n]->name, name) != 0)
        n++;
    if (n == LOGS)
        return NULL;
    if (!logs[n])
        logs[n] = kmalloc(sizeof(*logs[n]));
    if (!logs[n])
        return NULL;
    memcpy(logs[n]->name, name, CONSMUX_NAME);
    memset(&logs[n]->text, 0, sizeof(logs[n]->text));
    return logs[n];
}

/* Line by line, with the other threads and all that comes in between. What is printed meanwhile is
 * not printed again. */
static void print_log(struct mux_log *l)
{
    static char line[LINE];
    uint64_t flags = irq_save();
    uint64_t at = scrollback_start(&l->text);
    uint64_t end = l->text.end;
    if (l->text.lines_lost)
        printk("%s: %lu older lines are lost\n", l->name, l->text.lines_lost);
    while (at < end && at < l->text.end) {
        size_t bytes = scrollback_line(&l->text, &at, line, sizeof(line));
        out_line(l->name, line, bytes);
        settle();
        irq_restore(flags);
        thread_yield();
        flags = irq_save();
    }
    irq_restore(flags);
}

bool mux_print_log(const char *name)
{
    size_t length = strlen(name);
    bool found = false;
    for (unsigned n = 0; n < LOGS && logs[n]; n++) {
        const char *rest = logs[n]->name + length;
        if (strncmp(logs[n]->name, name, length) != 0 || (*rest && *rest != '.'))
            continue;
        print_log(logs[n]);
        found = true;
    }
    return found;
}

struct mux_source *mux_open(const char *name, mux_input_fn input, void *arg)
{
    struct mux_source *s = NULL;
    uint64_t flags = irq_save();
    for (unsigned i = 1; i < SOURCES && !s; i++)
        if (!sources[i].open)
            s = &sources[i];
    if (s) {
        *s = (struct mux_source){ .open = true, .input = input, .arg = arg };
        size_t length = strlen(name) < CONSMUX_NAME ? strlen(name) : CONSMUX_NAME - 1;
        memcpy(s->name, name, length);
        s->log = log_open(s->name);
    }
    irq_restore(flags);
    return s;
}

void mux_close(struct mux_source *s)
{
    uint64_t flags = irq_save();
    if (s->used)
        put_line(s);
    if (focus == s)
        mux_focus(NULL);
    if (cursor == s)
        leave_line(NULL);
    s->open = false;
    settle();
    irq_restore(flags);
}

void mux_focus(struct mux_source *s)
{
    uint64_t flags = irq_save();
    focus = s ? s : root;
    leave_line(NULL);
    if (focus != root) {
        out_string("-- console of ");
        out_string(focus->name);
        out_string("; Ctrl-T 0 leads back to root's prompt --\n");
        out(focus->line, focus->used);
        cursor = focus->used ? focus : NULL;
        focus->used = 0;
    }
    settle();
    irq_restore(flags);
}

static void focus_next(void)
{
    unsigned i = (unsigned)(focus - sources);
    do {
        i = (i + 1) % SOURCES;
    } while (i && !sources[i].open);
    mux_focus(&sources[i]);
}

/* The key behind the switch key. */
static void switch_to(char c)
{
    unsigned place = (unsigned)(c - '0');
    if (c == CONSMUX_SWITCH_KEY)
        focus_next();
    else if (place < SOURCES && sources[place].open)
        mux_focus(&sources[place]);
}

static void typed(char c)
{
    bool was = switching;
    switching = !was && c == CONSMUX_SWITCH_KEY;
    if (was)
        switch_to(c);
    else if (switching)
        return;
    else if (focus == root)
        console_input(c);
    else if (focus->input)
        focus->input(focus->arg, &c, 1);
}

static void console_interrupt(void *arg)
{
    HV_BUFFER(64) char text[64];
    int64_t bytes;
    (void)arg;
    while ((bytes = hv_console_read(hv_gpa(text), sizeof(text))) > 0)
        for (int64_t i = 0; i < bytes; i++)
            typed(text[i]);
}

static void root_write(struct console_sink *sink, const char *text, size_t bytes)
{
    (void)sink;
    mux_write(root, text, bytes);
}

int mux_init(void)
{
    static struct console_sink sink = { .write = root_write };
    *root = (struct mux_source){ .open = true, .name = "root" };
    root->log = log_open(root->name);
    console_add(&sink);
    int64_t line = hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_CONSOLE, 0, 0);
    if (line < 0)
        return (int)line;
    int result = irq_register((uint64_t)line, console_interrupt, NULL);
    /* What was typed before the port was there has raised nothing. */
    uint64_t flags = irq_save();
    console_interrupt(NULL);
    irq_restore(flags);
    return result;
}

void mux_read_line(const char *prompt, char *line, size_t size)
{
    uint64_t flags = irq_save();
    int c;
    lineedit_start(&editor, prompt);
    editing = true;
    do {
        /* What is there is taken at once: a paste is drawn when all of it has come. */
        c = console_poll();
        if (c < 0) {
            settle();
            c = (unsigned char)console_getc();
        }
    } while (!lineedit_key(&editor, (char)c));
    settle();
    lineedit_leave(&editor);
    editing = false;
    out_flush();
    size_t bytes = editor.used < size ? editor.used : size - 1;
    memcpy(line, editor.text, bytes);
    line[bytes] = '\0';
    irq_restore(flags);
}

void mux_complete_with(lineedit_candidate_fn candidate)
{
    editor.candidate = candidate;
}
