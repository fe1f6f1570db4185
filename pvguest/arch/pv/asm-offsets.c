/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Constants for the assembly, written by the compiler. Never linked.
 */
#include <hv_call.h>
#include <hv_vcpu.h>
#include <stddef.h>

#define DEFINE(name, value) __asm__ volatile(".ascii \"->" #name " %0\"" : : "i"(value))

void asm_offsets(void);

void asm_offsets(void)
{
    DEFINE(VCPU_BUSY, offsetof(struct hv_vcpu_page, busy));
    DEFINE(SAVE_RIP, offsetof(struct hv_vcpu_page, save.rip));
    DEFINE(SAVE_RSP, offsetof(struct hv_vcpu_page, save.rsp));
    DEFINE(SAVE_RFLAGS, offsetof(struct hv_vcpu_page, save.rflags));
    DEFINE(SAVE_RAX, offsetof(struct hv_vcpu_page, save.rax));
    DEFINE(SAVE_RCX, offsetof(struct hv_vcpu_page, save.rcx));
    DEFINE(SAVE_R11, offsetof(struct hv_vcpu_page, save.r11));
    DEFINE(SAVE_GS_BASE, offsetof(struct hv_vcpu_page, save.gs_base));
    DEFINE(SAVE_CR2, offsetof(struct hv_vcpu_page, save.cr2));
    DEFINE(SAVE_VECTOR, offsetof(struct hv_vcpu_page, save.vector));
    DEFINE(SAVE_ERROR, offsetof(struct hv_vcpu_page, save.error));
    DEFINE(VECTOR_EVENT, HV_VECTOR_EVENT);
    DEFINE(VECTOR_SYSCALL, HV_VECTOR_SYSCALL);
    DEFINE(NR_RETURN_TO_USER, HV_NR_return_to_user);
}
