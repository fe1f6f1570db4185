/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * printf.c: the formatter behind printk() and snprintf(); no state, no floating point.
 *
 * Only what hyp itself prints is understood; any other conversion ends the text there.
 */
#include "printk.h"
#include "string.h"
#include <stdbool.h>
#include <stdint.h>

/* One conversion being written. */
struct spec {
    format_sink_t *sink;
    void *arg;
    int written;
    bool zero;
    int width, longs; /* longs: number of l's; z counts as one */
};

static void emit(struct spec *s, char c) {
    s->sink(c, s->arg);
    s->written++;
}

static void emit_field(struct spec *s, const char *sign, const char *text, size_t length) {
    int pad = s->width - (int)strlen(sign) - (int)length;

    for (; !s->zero && pad > 0; pad--) emit(s, ' ');
    while (*sign != '\0') emit(s, *sign++);
    for (; pad > 0; pad--) emit(s, '0');
    for (size_t i = 0; i < length; i++) emit(s, text[i]);
}

static void emit_number(struct spec *s, uint64_t value, unsigned int base, const char *sign) {
    char digits[20];
    size_t start = sizeof(digits);

    do {
        digits[--start] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    emit_field(s, sign, digits + start, sizeof(digits) - start);
}

static void emit_string(struct spec *s, const char *text, size_t limit) {
    if (text == NULL) text = "(null)";
    s->zero = false;
    emit_field(s, "", text, strnlen(text, limit));
}

static void emit_signed(struct spec *s, int64_t value) {
    emit_number(s, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, value < 0 ? "-" : "");
}

static const char *parse_flags(struct spec *s, const char *p) {
    s->zero = *p == '0';
    s->width = 0;
    s->longs = 0;
    for (; *p >= '0' && *p <= '9'; p++) s->width = s->width * 10 + (*p - '0');
    for (; *p == 'l' || *p == 'z'; p++) s->longs++;
    return p;
}

int format_to(format_sink_t *sink, void *arg, const char *format, va_list args) {
    struct spec s = { .sink = sink, .arg = arg };

    for (const char *p = format; *p != '\0'; p++) {
        if (*p != '%') {
            emit(&s, *p);
            continue;
        }
        p = parse_flags(&s, p + 1);
        if (*p == 's')
            emit_string(&s, va_arg(args, const char *), SIZE_MAX);
        else if (*p == 'd')
            emit_signed(&s, s.longs > 0 ? va_arg(args, long) : va_arg(args, int));
        else if (*p == 'u' || *p == 'x')
            emit_number(&s, s.longs > 0 ? va_arg(args, unsigned long) : va_arg(args, unsigned int),
                        *p == 'u' ? 10 : 16, "");
        else if (*p == '%')
            emit(&s, '%');
        else
            return s.written;
    }
    return s.written;
}

/* Where snprintf() writes. */
struct buffer {
    char *to;
    size_t size, used;
};

static void buffer_sink(char c, void *arg) {
    struct buffer *b = arg;

    if (b->used + 1 < b->size) b->to[b->used++] = c;
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list args) {
    struct buffer b = { buffer, size, 0 };
    int length = format_to(buffer_sink, &b, format, args);

    if (size > 0) buffer[b.used] = '\0';
    return length;
}

int snprintf(char *buffer, size_t size, const char *format, ...) {
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(buffer, size, format, args);
    va_end(args);
    return length;
}
