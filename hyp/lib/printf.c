/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * printf.c: the formatter behind printk() and snprintf(); no state, no floating point.
 *
 * An unknown conversion is printed as it stands and takes no argument.
 */
#include "printk.h"
#include "string.h"
#include <stdbool.h>
#include <stdint.h>

#define PRECISION_ARGUMENT (-2)

/* One conversion being written. */
struct spec {
    format_sink_t *sink;
    void *arg;
    int written;
    bool left, zero;
    int width, precision; /* precision < 0: none, or PRECISION_ARGUMENT */
    int longs;            /* number of l's; z counts as one */
};

static void emit(struct spec *s, char c) {
    s->sink(c, s->arg);
    s->written++;
}

static void emit_field(struct spec *s, const char *sign, const char *text, size_t length) {
    int pad = s->width - (int)strlen(sign) - (int)length;

    for (; !s->left && !s->zero && pad > 0; pad--) emit(s, ' ');
    while (*sign != '\0') emit(s, *sign++);
    for (; !s->left && pad > 0; pad--) emit(s, '0');
    for (size_t i = 0; i < length; i++) emit(s, text[i]);
    for (; pad > 0; pad--) emit(s, ' ');
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

static void emit_string(struct spec *s, const char *text) {
    if (text == NULL) text = "(null)";
    s->zero = false;
    emit_field(s, "", text, strnlen(text, s->precision < 0 ? SIZE_MAX : (size_t)s->precision));
}

static void emit_signed(struct spec *s, int64_t value) {
    if (value < 0)
        emit_number(s, 0 - (uint64_t)value, 10, "-");
    else
        emit_number(s, (uint64_t)value, 10, "");
}

static const char *parse_number(const char *p, int *number) {
    *number = 0;
    while (*p >= '0' && *p <= '9') *number = *number * 10 + (*p++ - '0');
    return p;
}

static const char *parse_flags(struct spec *s, const char *p) {
    s->left = s->zero = false;
    s->precision = -1;
    s->longs = 0;
    for (; *p == '-' || *p == '0'; p++) {
        s->left |= *p == '-';
        s->zero |= *p == '0';
    }
    p = parse_number(p, &s->width);
    if (p[0] == '.' && p[1] == '*') {
        s->precision = PRECISION_ARGUMENT;
        p += 2;
    } else if (*p == '.') {
        p = parse_number(p + 1, &s->precision);
    }
    for (; *p == 'l' || *p == 'z' || *p == 'h'; p++) s->longs += *p != 'h';
    return p;
}

int format_to(format_sink_t *sink, void *arg, const char *format, va_list args) {
    struct spec s = { .sink = sink, .arg = arg };
    char c;

    for (const char *p = format; *p != '\0'; p++) {
        if (*p != '%') {
            emit(&s, *p);
            continue;
        }
        p = parse_flags(&s, p + 1);
        if (s.precision == PRECISION_ARGUMENT) s.precision = va_arg(args, int);
        switch (*p) {
        case 'c':
            c = (char)va_arg(args, int);
            s.zero = false;
            emit_field(&s, "", &c, 1);
            break;
        case 's':
            emit_string(&s, va_arg(args, const char *));
            break;
        case 'd':
        case 'i':
            emit_signed(&s, s.longs > 0 ? va_arg(args, long) : va_arg(args, int));
            break;
        case 'u':
        case 'x':
            emit_number(&s, s.longs > 0 ? va_arg(args, unsigned long) : va_arg(args, unsigned int),
                        *p == 'u' ? 10 : 16, "");
            break;
        case 'p':
            s.zero = true;
            s.width = 18;
            emit_number(&s, (uintptr_t)va_arg(args, void *), 16, "0x");
            break;
        case '%':
            emit(&s, '%');
            break;
        case '\0':
            return s.written;
        default:
            emit(&s, '%');
            emit(&s, *p);
            break;
        }
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
