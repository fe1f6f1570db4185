/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console of the machine, shared out to domains; see console.c.
 */
#pragma once

#include "types.h"

/* Takes a character that came in, in interrupt context; root, which holds the input, is told. */
void console_input(char c);
/* Up to max characters of input; 0 when there is none. */
size_t console_read(char *to, size_t max);
/* Bytes taken, or -HV_EAGAIN. The text is the guest's page: each byte is read once. */
int64_t console_domain_write(struct domain *d, const char *text, size_t bytes);
/* Ends the line that a domain had begun. */
void console_flush(struct domain *d);
