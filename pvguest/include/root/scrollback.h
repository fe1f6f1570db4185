/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last part of what a console has shown: text comes in at one end, the oldest is lost at the
 * other. Only text that a terminal may see is put in; a backspace takes back what is in the line.
 */
#ifndef ROOT_SCROLLBACK_H
#define ROOT_SCROLLBACK_H

#include <stddef.h>
#include <stdint.h>

#define SCROLLBACK_BYTES 16384u

/** Zero is an empty one. Positions count bytes and never wrap. */
struct scrollback {
    uint64_t first; /* position of the oldest byte that is there */
    uint64_t end;
    uint64_t lines_lost;  /* whole ones, or begun ones */
    uint64_t line_is_cut; /* the oldest line's beginning is lost */
    char text[SCROLLBACK_BYTES];
};

void scrollback_put(struct scrollback *s, char c);
/** Where the oldest whole line begins; when there is none, the oldest byte. */
uint64_t scrollback_start(const struct scrollback *s);
/** Copy the line at *at, or as much as fits, without its end, and move *at behind it; what was lost
 * meanwhile is skipped. Returns the bytes. */
size_t scrollback_line(const struct scrollback *s, uint64_t *at, char *line, size_t size);

#endif
