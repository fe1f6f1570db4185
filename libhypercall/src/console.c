/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The early console. Text goes through a buffer on the stack, because the caller's may lie anywhere
 * and cross a page; hyp takes all or part of it, or asks for patience. With a front end open
 * (hvlib/consolefront.h) text and input go through that, and here only what it cannot take.
 */
#include "hvlib/console.h"
#include "hvlib/arch/hypercall.h"
#include "hvlib/memory.h"
#include "hvlib/string.h"

#include "console_internal.h"

#define LINE 512u

const struct hv_console_ops *hv_console_ops;

static void early_write(const char *text, size_t bytes)
{
    HV_BUFFER(512) char buffer[LINE];

    while (bytes) {
        size_t some = bytes < LINE ? bytes : LINE;

        memcpy(buffer, text, some);
        int64_t done = hv_console_write(hv_gpa(buffer), some);

        if (done == -HV_EAGAIN) {
            hv_yield();
            continue;
        }
        if (done <= 0)
            return;
        text += done;
        bytes -= (size_t)done;
    }
}

void hv_write(const char *text, size_t bytes)
{
    size_t taken = hv_console_ops ? hv_console_ops->write(text, bytes) : 0;

    early_write(text + taken, bytes - taken);
}

void hv_puts(const char *text)
{
    hv_write(text, strlen(text));
}

int hv_vprintf(const char *format, va_list args)
{
    char line[LINE];
    int length = hv_vsnprintf(line, sizeof line, format, args);
    size_t bytes = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;

    hv_write(line, bytes);
    return (int)bytes;
}

int hv_printf(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int length = hv_vprintf(format, args);

    va_end(args);
    return length;
}

int64_t hv_console_input(char *buffer, size_t bytes)
{
    HV_BUFFER(512) char input[LINE];

    if (hv_console_ops)
        return hv_console_ops->read(buffer, bytes);
    int64_t got = hv_console_read(hv_gpa(input), bytes < LINE ? bytes : LINE);

    if (got > 0)
        memcpy(buffer, input, (size_t)got);
    return got;
}
