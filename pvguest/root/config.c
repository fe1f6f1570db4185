/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parser of the configuration file.
 *
 * Strict on purpose: what is not understood is refused with file, line and word, never skipped. The
 * text comes from a boot module and may be damaged in any way; nothing beyond `bytes` is read, and
 * every string that is stored was measured against its field first. One pass, no allocation.
 */
#include "config.h"
#include "kstring.h"

/* A piece of the text; not terminated. */
struct word {
    const char *at;
    size_t length;
};

struct parser {
    const char *file;
    unsigned line;
    struct config *out;
    struct config_domain *domain; /* the section being read, or NULL before the first */
    unsigned seen;                /* keys of it, one bit each, by index in keys[] */
    char *message;
    size_t room; /* bytes of message left, terminator included */
};

/* --- messages ------------------------------------------------------------------------------- */

/* Bytes of a damaged file may be anything: show only what a console can take. */
static void say(struct parser *p, const char *text, size_t length)
{
    for (size_t i = 0; i < length && p->room > 1; i++, p->room--) {
        bool printable = text[i] >= ' ' && text[i] <= '~';
        *p->message++ = printable ? text[i] : '?';
    }
    if (p->room > 0)
        *p->message = '\0';
}

static void say_number(struct parser *p, unsigned value)
{
    char digits[10];
    size_t n = sizeof(digits);

    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    say(p, &digits[n], sizeof(digits) - n);
}

#define SHOWN_WORD 40u

/* "file:line: what 'word'", the word cut when it is long; always -1, for the caller to return. */
static int fail_word(struct parser *p, const char *what, struct word w)
{
    say(p, p->file, strlen(p->file));
    say(p, ":", 1);
    say_number(p, p->line);
    say(p, ": ", 2);
    say(p, what, strlen(what));
    if (w.at) {
        say(p, " '", 2);
        say(p, w.at, w.length < SHOWN_WORD ? w.length : SHOWN_WORD);
        say(p, "'", 1);
    }
    return -1;
}

static int fail(struct parser *p, const char *what)
{
    return fail_word(p, what, (struct word){ NULL, 0 });
}

/* --- words ---------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Where the first `c` is, or the length when there is none. */
static size_t find(struct word w, char c)
{
    size_t i = 0;

    while (i < w.length && w.at[i] != c)
        i++;
    return i;
}

static struct word trim(struct word w)
{
    while (w.length > 0 && is_blank(w.at[0])) {
        w.at++;
        w.length--;
    }
    while (w.length > 0 && is_blank(w.at[w.length - 1]))
        w.length--;
    return w;
}

/* Cut the first blank-separated word off `rest`; empty when there is none. */
static struct word next_word(struct word *rest)
{
    struct word w = trim(*rest);
    size_t n = 0;

    while (n < w.length && !is_blank(w.at[n]))
        n++;
    *rest = trim((struct word){ w.at + n, w.length - n });
    return (struct word){ w.at, n };
}

static bool word_is(struct word w, const char *text)
{
    return w.length == strlen(text) && memcmp(w.at, text, w.length) == 0;
}

static bool is_name_byte(char c, const char *extra)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return true;
    for (; *extra != '\0'; extra++)
        if (c == *extra)
            return true;
    return false;
}

/* A non-empty word of lower-case letters, digits and `extra` that fits `size` with terminator. */
static bool is_name(struct word w, const char *extra, size_t size)
{
    for (size_t i = 0; i < w.length; i++)
        if (!is_name_byte(w.at[i], extra))
            return false;
    return w.length > 0 && w.length < size;
}

static void store(char *to, struct word w)
{
    memcpy(to, w.at, w.length);
    to[w.length] = '\0';
}

/* Decimal digits and nothing else, no more than `limit`. */
static bool parse_number(struct word w, uint64_t limit, uint64_t *out)
{
    uint64_t value = 0;

    for (size_t i = 0; i < w.length; i++) {
        if (w.at[i] < '0' || w.at[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(w.at[i] - '0');
        if (value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return w.length > 0;
}

/* --- values --------------------------------------------------------------------------------- */

static int set_image(struct parser *p, struct word value)
{
    static const char extra[] = "._-ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    if (!is_name(value, extra, CONFIG_IMAGE))
        return fail_word(p, "bad image name", value);
    store(p->domain->image, value);
    return 0;
}

static unsigned suffix_shift(char c)
{
    switch (c) {
    case 'K':
        return 10;
    case 'M':
        return 20;
    case 'G':
        return 30;
    default:
        return 0;
    }
}

static int set_memory(struct parser *p, struct word value)
{
    struct word digits = value;
    unsigned shift = value.length > 0 ? suffix_shift(value.at[value.length - 1]) : 0;
    uint64_t number = 0;

    if (shift != 0)
        digits.length--;
    if (!parse_number(digits, CONFIG_MEMORY_MAX >> shift, &number))
        return fail_word(p, "bad memory size", value);
    number <<= shift;
    if (number < CONFIG_MEMORY_MIN)
        return fail_word(p, "less than 1M of memory:", value);
    if (number % 4096 != 0)
        return fail_word(p, "memory is not a multiple of 4K:", value);
    p->domain->memory = number;
    return 0;
}

static int set_cmdline(struct parser *p, struct word value)
{
    if (value.length >= CONFIG_CMDLINE)
        return fail(p, "command line longer than 255 bytes");
    for (size_t i = 0; i < value.length; i++)
        if (value.at[i] < ' ' || value.at[i] > '~')
            return fail(p, "command line is not printable ASCII");
    store(p->domain->cmdline, value);
    return 0;
}

static int check_disk(struct parser *p, const struct config_disk *disk, struct word value)
{
    const struct config_domain *d = p->domain;

    for (unsigned i = 0; i < d->disk_count; i++) {
        bool both_ide = disk->transport == CONFIG_IDE && d->disks[i].transport == CONFIG_IDE;
        bool same_way = disk->transport == d->disks[i].transport;
        if (same_way && strcmp(disk->name, d->disks[i].name) == 0)
            return fail_word(p, "disk given twice:", value);
        if (both_ide)
            return fail_word(p, "a second IDE disk:", value);
    }
    return d->disk_count < CONFIG_DISKS ? 0 : fail(p, "too many disks (4 at most)");
}

/* NAME split|ide [rw] */
static int set_disk(struct parser *p, struct word value)
{
    struct word rest = value;
    struct word name = next_word(&rest);
    struct word transport = next_word(&rest);
    struct word mode = next_word(&rest);
    struct config_disk disk = { .transport = CONFIG_SPLIT };

    if (!is_name(name, "", CONFIG_DISK_NAME))
        return fail_word(p, "bad disk name", name);
    if (word_is(transport, "ide"))
        disk.transport = CONFIG_IDE;
    else if (!word_is(transport, "split"))
        return fail_word(p, "a disk is 'split' or 'ide', not", transport);
    if (word_is(mode, "rw"))
        disk.writable = true;
    else if (mode.length > 0)
        return fail_word(p, "a disk may be 'rw', not", mode);
    if (rest.length > 0)
        return fail_word(p, "too many words for a disk:", rest);
    store(disk.name, name);
    if (check_disk(p, &disk, value) < 0)
        return -1;
    p->domain->disks[p->domain->disk_count++] = disk;
    return 0;
}

static int set_emulate(struct parser *p, struct word value)
{
    if (!word_is(value, "uart"))
        return fail_word(p, "no such device to emulate:", value);
    if (p->domain->uart)
        return fail(p, "device emulated twice: 'uart'");
    p->domain->uart = true;
    return 0;
}

static int set_weight(struct parser *p, struct word value)
{
    uint64_t weight = 0;

    if (!parse_number(value, CONFIG_WEIGHT_MAX, &weight) || weight == 0)
        return fail_word(p, "weight is a number from 1 to 65535, not", value);
    p->domain->weight = (unsigned)weight;
    return 0;
}

static int set_vcpus(struct parser *p, struct word value)
{
    uint64_t vcpus = CONFIG_VCPUS_ALL;

    if (!word_is(value, "all") && (!parse_number(value, CONFIG_VCPUS_MAX, &vcpus) || vcpus == 0))
        return fail_word(p, "vcpus is a number from 1 to 64, or 'all', not", value);
    p->domain->vcpus = (unsigned)vcpus;
    return 0;
}

static const struct key {
    const char *name;
    int (*set)(struct parser *p, struct word value);
    bool repeats;
    bool required;
    bool may_be_empty;
} keys[] = {
    { "image", set_image, false, true, false },     { "memory", set_memory, false, true, false },
    { "cmdline", set_cmdline, false, false, true }, { "disk", set_disk, true, false, false },
    { "emulate", set_emulate, true, false, false }, { "weight", set_weight, false, false, false },
    { "vcpus", set_vcpus, false, false, false },
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* --- lines ---------------------------------------------------------------------------------- */

/* A section ends where the next begins or the file ends: what it must have is there by then. */
static int end_section(struct parser *p)
{
    if (!p->domain)
        return 0;
    for (size_t i = 0; i < KEYS; i++) {
        if (!keys[i].required || (p->seen & 1u << i))
            continue;
        p->line = p->domain->line;
        struct word name = { p->domain->name, strlen(p->domain->name) };
        return fail_word(p, i == 0 ? "no image for domain" : "no memory for domain", name);
    }
    return 0;
}

static int begin_section(struct parser *p, struct word name)
{
    struct config *c = p->out;

    if (!is_name(name, "-_", CONFIG_NAME))
        return fail_word(p, "bad domain name", name);
    if (word_is(name, "root"))
        return fail(p, "'root' is taken: it is the domain that reads this file");
    for (unsigned i = 0; i < c->domain_count; i++)
        if (word_is(name, c->domains[i].name))
            return fail_word(p, "domain given twice:", name);
    if (c->domain_count == CONFIG_DOMAINS)
        return fail(p, "too many domains (8 at most)");
    p->domain = &c->domains[c->domain_count++];
    p->domain->weight = CONFIG_WEIGHT;
    p->domain->vcpus = 1;
    p->domain->line = p->line;
    p->seen = 0;
    store(p->domain->name, name);
    return 0;
}

/* "[domain NAME]" */
static int parse_section(struct parser *p, struct word line)
{
    struct word inside = { line.at + 1, line.length - 1 };

    if (line.at[line.length - 1] != ']')
        return fail_word(p, "no ']' at the end of", line);
    if (end_section(p) < 0)
        return -1;
    inside.length--;
    struct word kind = next_word(&inside);
    if (!word_is(kind, "domain"))
        return fail_word(p, "a section is [domain NAME], not", line);
    return begin_section(p, inside);
}

static int parse_assignment(struct parser *p, struct word key, struct word value)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (!word_is(key, keys[i].name))
            continue;
        if (!p->domain)
            return fail_word(p, "before the first [domain NAME]:", key);
        if (!keys[i].repeats && (p->seen & 1u << i))
            return fail_word(p, "key given twice:", key);
        if (!keys[i].may_be_empty && value.length == 0)
            return fail_word(p, "no value for", key);
        p->seen |= 1u << i;
        return keys[i].set(p, value);
    }
    return fail_word(p, "unknown key", key);
}

static int parse_line(struct parser *p, struct word line)
{
    line = trim(line);
    if (line.length == 0 || line.at[0] == '#')
        return 0;
    if (line.at[0] == '[')
        return parse_section(p, line);
    size_t equals = find(line, '=');
    if (equals == line.length)
        return fail_word(p, "neither [domain NAME] nor KEY = VALUE:", line);
    struct word key = trim((struct word){ line.at, equals });
    struct word value = trim((struct word){ line.at + equals + 1, line.length - equals - 1 });
    return parse_assignment(p, key, value);
}

/* Bytes that no text has: most likely this is not the file that was meant. */
static int check_bytes(struct parser *p, struct word line)
{
    for (size_t i = 0; i < line.length; i++) {
        if (line.at[i] == '\0')
            return fail(p, "a NUL byte: not a text file");
        if (line.at[i] == '\r')
            return fail(p, "a carriage return: lines end with a newline alone");
        if (line.at[i] >= 0 && line.at[i] < ' ' && line.at[i] != '\t')
            return fail(p, "a control character");
    }
    return line.length <= CONFIG_LINE ? 0 : fail(p, "line longer than 320 bytes");
}

static int parse_text(struct parser *p, struct word text)
{
    while (text.length > 0) {
        struct word line = { text.at, find(text, '\n') };

        p->line++;
        if (check_bytes(p, line) < 0)
            return -1;
        if (line.length == text.length)
            return fail(p, "no newline at the end of the file: was it cut short?");
        if (parse_line(p, line) < 0)
            return -1;
        text.at += line.length + 1;
        text.length -= line.length + 1;
    }
    if (end_section(p) < 0)
        return -1;
    return p->out->domain_count > 0 ? 0 : fail(p, "no [domain NAME] in the file");
}

int config_parse(const char *file, const char *text, size_t bytes, struct config *out,
                 char *message, size_t size)
{
    struct parser p = { .file = file, .out = out, .message = message, .room = size };

    memset(out, 0, sizeof(*out));
    if (size > 0)
        message[0] = '\0';
    return parse_text(&p, (struct word){ text, bytes });
}

const struct config_domain *config_find(const struct config *c, const char *name)
{
    for (unsigned i = 0; i < c->domain_count; i++)
        if (strcmp(c->domains[i].name, name) == 0)
            return &c->domains[i];
    return NULL;
}
