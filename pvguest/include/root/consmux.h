/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One terminal for root and all guests. Each console is a source; one of them has the focus: what
 * is typed goes to it, and its output is shown as it comes. All others show whole lines behind
 * "[name]".
 */
#ifndef ROOT_CONSMUX_H
#define ROOT_CONSMUX_H

#include "root/lineedit.h"

#include <stdbool.h>
#include <stddef.h>

#define CONSMUX_NAME 24u /* of a source, its end included: a domain's and ".uart" */

/** Ctrl-T 0 is root's prompt, Ctrl-T 1..9 the console of that place in the list, Ctrl-T Ctrl-T the
 * next one. */
#define CONSMUX_SWITCH_KEY 0x14

struct mux_source;

/** Called with what was typed, interrupts off. */
typedef void (*mux_input_fn)(void *arg, const char *text, size_t bytes);

/** Take over the terminal: kernel output becomes root's source. */
int mux_init(void);
/** A new console, or NULL. Its first free place gives it its number. */
struct mux_source *mux_open(const char *name, mux_input_fn input, void *arg);
void mux_close(struct mux_source *s);
/** Output of a source; control characters but newline, tab and backspace are replaced. */
void mux_write(struct mux_source *s, const char *text, size_t bytes);
/** Clear the terminal and show root's own whole lines, which its log does not keep; nothing while a
 * guest has the terminal. */
void mux_show(const char *text, size_t bytes);
/** Give the focus to a source (NULL: root's prompt). */
void mux_focus(struct mux_source *s);

/** Print what the sources called `name`, or `name` and a dot and more, have shown, closed ones too:
 * the last SCROLLBACK_BYTES of each. False when there never was one. */
bool mux_print_log(const char *name);

/** Show `prompt` and wait for a line, of which `size` - 1 characters are kept. */
void mux_read_line(const char *prompt, char *line, size_t size);
/** Where the line's completions come from. */
void mux_complete_with(lineedit_candidate_fn candidate);

#endif
