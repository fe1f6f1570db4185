/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers for the assembly, taken from the headers by the compiler: each OFFSET becomes a #define
 * in the generated asm-offsets.h.
 */
#include "hvlib/trap.h"
#include <hv_call.h>
#include <hv_vcpu.h>

#define VALUE(name, value) __asm__ volatile(".ascii \"->" #name " %0\"" : : "i"(value))
#define SAVE(name, field)  VALUE(SAVE_##name, offsetof(struct hv_vcpu_page, save.field))
#define FRAME(name, field) VALUE(FRAME_##name, offsetof(struct hv_frame, field))

void hv_asm_offsets(void);

void hv_asm_offsets(void)
{
    VALUE(HV_NOTE_ABI, HV_NOTE_ABI);
    VALUE(HV_ABI_VERSION, HV_ABI_VERSION);
    VALUE(HV_EDEAD, HV_EDEAD);
    VALUE(HV_VECTOR_EVENT, HV_VECTOR_EVENT);
    VALUE(HV_NR_return_to_user, HV_NR_return_to_user);
    VALUE(HV_VECTOR_SYSCALL, HV_VECTOR_SYSCALL);

    VALUE(VCPU_MASKED, offsetof(struct hv_vcpu_page, masked));
    VALUE(VCPU_BUSY, offsetof(struct hv_vcpu_page, busy));
    VALUE(VCPU_SEL_NORMAL, offsetof(struct hv_vcpu_page, pending_sel[HV_PRIORITY_NORMAL]));
    VALUE(VCPU_SEL_URGENT, offsetof(struct hv_vcpu_page, pending_sel[HV_PRIORITY_URGENT]));

    SAVE(RIP, rip);
    SAVE(RSP, rsp);
    SAVE(RFLAGS, rflags);
    SAVE(RAX, rax);
    SAVE(RCX, rcx);
    SAVE(R11, r11);
    SAVE(GS_BASE, gs_base);
    SAVE(CR2, cr2);
    SAVE(VECTOR, vector);
    SAVE(PREV_MASKED, prev_masked);

    FRAME(VECTOR, vector);
    FRAME(PREV_MASKED, prev_masked);
    FRAME(GS_BASE, gs_base);
    FRAME(RSP, rsp);
    FRAME(RBX, rbx);
    FRAME(RBP, rbp);
    FRAME(R12, r12);
    FRAME(R13, r13);
    FRAME(R14, r14);
    FRAME(R15, r15);
    FRAME(R10, r10);
    FRAME(R9, r9);
    FRAME(R8, r8);
    FRAME(RDI, rdi);
    FRAME(RSI, rsi);
    FRAME(RDX, rdx);
    FRAME(R11, r11);
    FRAME(RCX, rcx);
    FRAME(RAX, rax);
    FRAME(RFLAGS, rflags);
    FRAME(RIP, rip);
}
