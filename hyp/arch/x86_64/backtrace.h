/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backtrace.h: code addresses by name; for panics.
 */
#pragma once

#include "arch/regs.h"

void print_code_address(const char *prefix, uint64_t address);

/* Prints where the registers were and who had called. */
void backtrace(const struct regs *regs);
