/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Constants for the assembly, written by the compiler. Never linked.
 */
#include "native.h"

#define DEFINE(name, value) __asm__ volatile(".ascii \"->" #name " %0\"" : : "i"(value))

void asm_offsets(void);

void asm_offsets(void)
{
    DEFINE(AREA_KERNEL_STACK, offsetof(struct native_cpu_area, kernel_stack));
    DEFINE(AREA_USER_STACK, offsetof(struct native_cpu_area, user_stack));
    DEFINE(INTERRUPT_VECTOR, offsetof(struct interrupt_frame, vector));
    DEFINE(INTERRUPT_CS, offsetof(struct interrupt_frame, cs));
}
