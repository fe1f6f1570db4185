/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Constants for the assembly, written by the compiler. Never linked.
 */
#include "native.h"

#define DEFINE(name, value) __asm__ volatile(".ascii \"->" #name " %0\"" : : "i"(value))

void asm_offsets(void);

void asm_offsets(void)
{
    DEFINE(TRAP_CS, offsetof(struct trap_frame, cs));
    DEFINE(INTERRUPT_VECTOR, offsetof(struct interrupt_frame, vector));
    DEFINE(INTERRUPT_CS, offsetof(struct interrupt_frame, cs));
}
