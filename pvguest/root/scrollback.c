/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scroll-back of one console. Owns nothing but what it is given; a put is constant work, so a guest
 * that floods its console costs what its output costs.
 */
#include "root/scrollback.h"

#include "kstring.h"

static char at_position(const struct scrollback *s, uint64_t at)
{
    return s->text[at % SCROLLBACK_BYTES];
}

/* The oldest byte goes. A line counts as lost with the first byte of it. */
static void lose_one(struct scrollback *s)
{
    s->lines_lost += !s->line_is_cut;
    s->line_is_cut = at_position(s, s->first) != '\n';
    s->first++;
}

void scrollback_put(struct scrollback *s, char c)
{
    if (c == '\r')
        return;
    if (c == '\b') {
        s->end -= s->end > s->first && at_position(s, s->end - 1) != '\n';
        return;
    }
    if (s->end - s->first == SCROLLBACK_BYTES)
        lose_one(s);
    s->text[s->end++ % SCROLLBACK_BYTES] = c;
}

uint64_t scrollback_start(const struct scrollback *s)
{
    uint64_t at = s->first;
    if (!s->line_is_cut)
        return at;
    while (at < s->end && at_position(s, at) != '\n')
        at++;
    /* One line without an end is all that there is: its last part is better than nothing. */
    return at < s->end ? at + 1 : s->first;
}

size_t scrollback_line(const struct scrollback *s, uint64_t *at, char *line, size_t size)
{
    size_t bytes = 0;
    if (*at < s->first)
        *at = scrollback_start(s);
    while (*at < s->end && bytes < size) {
        char c = at_position(s, (*at)++);
        if (c == '\n')
            break;
        line[bytes++] = c;
    }
    if (bytes == size && *at < s->end && at_position(s, *at) == '\n')
        ++*at;
    return bytes;
}
