/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The register frame. For traps from a guest it lies inside struct vcpu: RSP0 points to its end, so
 * the processor and the entry stubs fill it in place and nothing is copied. For traps in ring 0 the
 * same layout lies on the stack.
 */
#pragma once

#include <stdint.h>

struct regs {
    uint64_t r15, r14, r13, r12, rbp, rbx;
    uint64_t r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss; /* pushed by the processor */
};
_Static_assert(sizeof(struct regs) == 176, "RSP0 must be 16-byte aligned at the end of the frame");

/* Selectors, in the order that SYSCALL and SYSRET ask for: SYSRET loads SS from STAR[63:48] + 8 and
 * CS from STAR[63:48] + 16. */
#define SEL_HYP_CODE   0x08u
#define SEL_HYP_DATA   0x10u
#define SEL_GUEST_DATA (0x18u | 3u)
#define SEL_GUEST_CODE (0x20u | 3u)
#define SEL_TSS        0x28u
#define SEL_SYSRET     (SEL_HYP_DATA | 3u)

#define RFLAGS_FIXED     0x202u    /* what a guest kernel is entered with */
#define RFLAGS_USER_MASK 0x240dd5u /* what user mode may choose: CF PF AF ZF SF TF DF OF AC ID */
