/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small snprintf: integers, strings, characters, pointers. Pure; the length that it returns is
 * what the whole output would have taken, and the buffer is never written beyond its end.
 */
#include "hvlib/console.h"
#include "hvlib/string.h"
#include <stdbool.h>

struct output {
    char *at;
    size_t room; /* with the NUL */
    size_t length;
};

struct spec {
    bool left, zero, plus, precise;
    size_t width, precision;
    int size; /* -2 char, -1 short, 0 int, 1 long and longer */
};

static void put(struct output *o, char c)
{
    if (o->length + 1 < o->room)
        o->at[o->length] = c;
    o->length++;
}

static void pad(struct output *o, char c, size_t have, size_t want)
{
    for (; have < want; have++)
        put(o, c);
}

static void put_string(struct output *o, const struct spec *s, const char *text)
{
    size_t n = s->precise ? strnlen(text, s->precision) : strlen(text);

    if (!s->left)
        pad(o, ' ', n, s->width);
    for (size_t i = 0; i < n; i++)
        put(o, text[i]);
    if (s->left)
        pad(o, ' ', n, s->width);
}

/* `sign` is 0 or the character in front. */
static void put_number(struct output *o, const struct spec *s, uint64_t value, unsigned base,
                       char sign, const char *digits)
{
    char text[24];
    size_t n = 0, signs = sign ? 1 : 0;
    size_t least = s->precise ? s->precision : 1;

    for (; value; value /= base)
        text[n++] = digits[value % base];
    size_t body = n < least ? least : n;

    if (s->zero && !s->left && !s->precise && body + signs < s->width)
        body = s->width - signs;
    if (!s->left)
        pad(o, ' ', body + signs, s->width);
    if (sign)
        put(o, sign);
    pad(o, '0', n, body);
    while (n)
        put(o, text[--n]);
    if (s->left)
        pad(o, ' ', body + signs, s->width);
}

static const char *parse_count(const char *f, size_t *count)
{
    *count = 0;
    for (; *f >= '0' && *f <= '9'; f++)
        *count = *count * 10 + (size_t)(*f - '0');
    return f;
}

static const char *parse_flags(const char *f, struct spec *s)
{
    for (;; f++) {
        if (*f == '-')
            s->left = true;
        else if (*f == '0')
            s->zero = true;
        else if (*f == '+')
            s->plus = true;
        else
            return f;
    }
}

static const char *parse_size(const char *f, struct spec *s)
{
    for (;; f++) {
        if (*f == 'l' || *f == 'z' || *f == 'j' || *f == 't')
            s->size = 1;
        else if (*f == 'h')
            s->size--;
        else
            return f;
    }
}

static uint64_t get_unsigned(const struct spec *s, uint64_t value)
{
    if (s->size == 1)
        return value;
    if (s->size == 0)
        return (uint32_t)value;
    return s->size == -1 ? (uint16_t)value : (uint8_t)value;
}

static int64_t get_signed(const struct spec *s, uint64_t value)
{
    if (s->size == 1)
        return (int64_t)value;
    if (s->size == 0)
        return (int32_t)value;
    return s->size == -1 ? (int16_t)value : (int8_t)value;
}

static void put_signed(struct output *o, const struct spec *s, int64_t value)
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    put_number(o, s, size, 10, (char)(value < 0 ? '-' : s->plus ? '+' : 0), "0123456789");
}

static void put_hex(struct output *o, const struct spec *s, uint64_t value, bool upper)
{
    put_number(o, s, value, 16, 0, upper ? "0123456789ABCDEF" : "0123456789abcdef");
}

static void put_char(struct output *o, const struct spec *s, char c)
{
    if (!s->left)
        pad(o, ' ', 1, s->width);
    put(o, c);
    if (s->left)
        pad(o, ' ', 1, s->width);
}

/* An argument of any integer type; va_list is passed on by pointer, as an array type decays. */
struct arguments {
    va_list list;
};

static uint64_t next_integer(struct arguments *a, const struct spec *s)
{
    return s->size == 1 ? va_arg(a->list, uint64_t) : va_arg(a->list, uint32_t);
}

static void convert(struct output *o, const struct spec *s, char type, struct arguments *a)
{
    const char *text;

    switch (type) {
    case 'c':
        put_char(o, s, (char)va_arg(a->list, int));
        break;
    case 's':
        text = va_arg(a->list, const char *);
        put_string(o, s, text ? text : "(null)");
        break;
    case 'd':
    case 'i':
        put_signed(o, s, get_signed(s, next_integer(a, s)));
        break;
    case 'u':
        put_number(o, s, get_unsigned(s, next_integer(a, s)), 10, 0, "0123456789");
        break;
    case 'x':
    case 'X':
        put_hex(o, s, get_unsigned(s, next_integer(a, s)), type == 'X');
        break;
    case 'p':
        put_string(o, &(struct spec){ 0 }, "0x");
        put_hex(o, s, (uint64_t)(uintptr_t)va_arg(a->list, void *), false);
        break;
    default: /* %% and what is unknown */
        put(o, type);
        break;
    }
}

static const char *parse_width(const char *f, size_t *value, struct arguments *a)
{
    if (*f != '*')
        return parse_count(f, value);
    int given = va_arg(a->list, int);

    *value = given > 0 ? (size_t)given : 0;
    return f + 1;
}

int hv_vsnprintf(char *buffer, size_t bytes, const char *format, va_list args)
{
    struct output o = { .at = buffer, .room = bytes };
    struct arguments a;

    va_copy(a.list, args);
    for (const char *f = format; *f; f++) {
        struct spec s = { 0 };

        if (*f != '%') {
            put(&o, *f);
            continue;
        }
        f = parse_width(parse_flags(f + 1, &s), &s.width, &a);
        if (*f == '.') {
            s.precise = true;
            f = parse_width(f + 1, &s.precision, &a);
        }
        f = parse_size(f, &s);
        if (!*f)
            break;
        convert(&o, &s, *f, &a);
    }
    va_end(a.list);
    if (bytes)
        buffer[o.length < bytes ? o.length : bytes - 1] = 0;
    return (int)o.length;
}

int hv_snprintf(char *buffer, size_t bytes, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int length = hv_vsnprintf(buffer, bytes, format, args);

    va_end(args);
    return length;
}
