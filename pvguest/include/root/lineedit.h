/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line editor for one row of a VT100: cursor keys, history, completion. It knows neither threads
 * nor devices: bytes come in by lineedit_key, and what the terminal is to be sent goes out through
 * a function.
 */
#ifndef ROOT_LINEEDIT_H
#define ROOT_LINEEDIT_H

#include <stdbool.h>
#include <stddef.h>

#define LINEEDIT_LINE    200u /* of a line, its end included */
#define LINEEDIT_HISTORY 32u  /* lines that are kept; the oldest goes first */
/** Columns of the terminal that are written to. One less than it has: writing the last one would
 * make some terminals wrap. */
#define LINEEDIT_WIDTH 79u

typedef void (*lineedit_out_fn)(const char *text, size_t bytes);
/** The `n`th of the words that may stand at `word` of `line`, whatever is there already; NULL
 * behind the last one. */
typedef const char *(*lineedit_candidate_fn)(const char *line, size_t word, unsigned n);

/** Zero but for the two functions (`candidate` may be NULL). */
struct lineedit {
    lineedit_out_fn out;
    lineedit_candidate_fn candidate;
    const char *prompt; /* shorter than half a row */

    char text[LINEEDIT_LINE]; /* the line, NUL-terminated */
    unsigned used;
    unsigned at;   /* the cursor's place in it, 0..used */
    unsigned left; /* the first character that the row shows */

    bool shown; /* the prompt and the line stand in the cursor's row */
    char row[LINEEDIT_WIDTH];
    unsigned row_used;
    unsigned column; /* of the terminal's cursor */

    enum { LINEEDIT_PLAIN, LINEEDIT_ESCAPE, LINEEDIT_CSI, LINEEDIT_SS3 } key;
    unsigned number;  /* the first parameter of a key's sequence */
    bool more_digits; /* it is not over yet */
    bool after_return;

    char history[LINEEDIT_HISTORY][LINEEDIT_LINE];
    char draft[LINEEDIT_LINE]; /* the new line, while one of the history is shown */
    unsigned lines;            /* ever entered */
    unsigned depth;            /* how far back in the history; 0: the new line */
};

/** Begin an empty line. Nothing is shown yet. */
void lineedit_start(struct lineedit *e, const char *prompt);
/** A byte from the terminal. True when the line is complete. The row changes by lineedit_draw only,
 * but for a list of completions, which is printed above it. */
bool lineedit_key(struct lineedit *e, char c);
/** Make the row show the line. The terminal's cursor is at the start of an empty row, or in the row
 * as it was drawn last. */
void lineedit_draw(struct lineedit *e);
/** Clear the row, so that something else can be printed; the next draw shows it again. */
void lineedit_erase(struct lineedit *e);
/** Leave the line on the terminal and go to the next row. */
void lineedit_leave(struct lineedit *e);

#endif
