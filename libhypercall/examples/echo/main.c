/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A console that answers: shows what is typed, repeats each line, and counts them. Ctrl-D ends it;
 * `quit` does, too.
 */
#include <hvlib/console.h>
#include <hvlib/consolefront.h>
#include <hvlib/start.h>
#include <hvlib/string.h>

#define CTRL_D 4
#define DELETE 127

static char line[80];
static size_t length;
static uint32_t lines;

/* The line is whole. False: it was the last. */
static bool repeat(void)
{
    line[length] = '\0';
    length = 0;
    lines++;
    hv_printf("\n%u: %s\n", lines, line);
    return strcmp(line, "quit") != 0;
}

/* One key. False: the last. */
static bool key(char c)
{
    if (c == CTRL_D)
        return false;
    if (c == '\r' || c == '\n')
        return repeat();
    if ((c == DELETE || c == '\b') && length > 0) {
        length--;
        hv_puts("\b \b");
    } else if (c >= ' ' && c < DELETE && length < sizeof line - 1) {
        line[length++] = c;
        hv_write(&c, 1);
    }
    return true;
}

uint32_t guest_main(void)
{
    char typed[16];
    bool more = hv_console_open() == 0;

    if (!more) {
        hv_puts("echo: there is no console to type at; start me by paravane-run\n");
        return 1;
    }
    hv_puts("echo: type lines; Ctrl-D ends\n");
    while (more) {
        int64_t n = hv_console_wait(typed, sizeof typed);

        more = n > 0;
        for (int64_t i = 0; i < n && more; i++)
            more = key(typed[i]);
    }
    hv_printf("%secho: %u lines\n", length > 0 ? "\n" : "", lines);
    return 0;
}
