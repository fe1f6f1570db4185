/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where text goes and comes from once the console front end is open. The early console knows it by
 * these two pointers only, so that a guest without a front end is linked without it.
 */
#ifndef CONSOLE_INTERNAL_H
#define CONSOLE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

struct hv_console_ops {
    /** Take all of the text, or what of it can be taken; the early console gets the rest. */
    size_t (*write)(const char *text, size_t bytes);
    /** Up to `bytes` bytes of input. */
    int64_t (*read)(char *buffer, size_t bytes);
};

/** NULL: no front end. */
extern const struct hv_console_ops *hv_console_ops;

#endif
