/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console back end: one domain's console as a source of the multiplexer.
 */
#ifndef BACK_CONBACK_H
#define BACK_CONBACK_H

#include "back/place.h"

#include <stddef.h>

struct console_back;

struct console_back *console_back_open(const struct back_place *place, const char *name);
void console_back_close(struct console_back *c);
/** Print what the domain has written so far. */
void console_back_drain(struct console_back *c);
/** Type something to the domain, as much of it as fits. */
void console_back_type(struct console_back *c, const char *text, size_t bytes);
/** Give the terminal to this console. */
void console_back_focus(struct console_back *c);

#endif
