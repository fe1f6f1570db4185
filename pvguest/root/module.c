/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot modules by name. Owns nothing; the modules lie in root's own memory and stay there.
 */
#include "root/module.h"

#include "arch/cpu.h"
#include "kstring.h"

bool module_get(unsigned n, struct module *m)
{
    return arch_module(n, &m->text, &m->data, &m->bytes);
}

/* Is the word of `length` characters at `word` called `name`, with or without a path? */
static bool word_is(const char *word, size_t length, const char *name)
{
    size_t n = strlen(name);
    return length >= n && memcmp(word + length - n, name, n) == 0 &&
           (length == n || word[length - n - 1] == '/');
}

bool module_named(const struct module *m, const char *name)
{
    const char *s = m->text;
    while (*s) {
        size_t length = 0;
        while (s[length] && s[length] != ' ')
            length++;
        if (word_is(s, length, name))
            return true;
        s += length;
        s += *s == ' ';
    }
    return false;
}

bool module_find(const char *name, struct module *m)
{
    for (unsigned n = 0; module_get(n, m); n++)
        if (module_named(m, name))
            return true;
    return false;
}
