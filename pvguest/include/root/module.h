/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot modules by name. A module's string is what the boot loader was given: "pvguest.elf", or
 * "/boot/pvguest.elf args", or both, depending on the loader; its name is the last path component
 * of any of its words.
 */
#ifndef ROOT_MODULE_H
#define ROOT_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct module {
    const char *text;
    const void *data;
    uint64_t bytes;
};

bool module_get(unsigned n, struct module *m);
/** Has one of the words of its string this name? */
bool module_named(const struct module *m, const char *name);
bool module_find(const char *name, struct module *m);

#endif
