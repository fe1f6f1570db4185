/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asm-offsets.c: structure offsets and constants for assembly; compiled for its marker lines only.
 */
#include "arch/regs.h"
#include "arch/trap.h"
#include "cpu.h"
#include "domain.h"

#define VALUE(name, value)         __asm__ volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))
#define OFFSET(name, type, member) VALUE(name, offsetof(type, member))

void asm_offsets(void);

void asm_offsets(void) {
    VALUE(SIZEOF_CPU, sizeof(struct cpu));
    OFFSET(CPU_VCPU, struct cpu, vcpu);
    OFFSET(CPU_WORK, struct cpu, work);
    OFFSET(CPU_USER_MODE, struct cpu, user_mode);
    OFFSET(CPU_SCRATCH, struct cpu, scratch);
    OFFSET(CPU_TSS_RSP0, struct cpu, tss_rsp0);
    OFFSET(CPU_TSS_IOBASE, struct cpu, tss_iobase);
    OFFSET(CPU_STACK_TOP, struct cpu, stack_top);
    OFFSET(CPU_SELF, struct cpu, self);

    VALUE(SIZEOF_REGS, sizeof(struct regs));
    OFFSET(REGS_R15, struct regs, r15);
    OFFSET(REGS_R14, struct regs, r14);
    OFFSET(REGS_R13, struct regs, r13);
    OFFSET(REGS_R12, struct regs, r12);
    OFFSET(REGS_RBP, struct regs, rbp);
    OFFSET(REGS_RBX, struct regs, rbx);
    OFFSET(REGS_R11, struct regs, r11);
    OFFSET(REGS_R10, struct regs, r10);
    OFFSET(REGS_R9, struct regs, r9);
    OFFSET(REGS_R8, struct regs, r8);
    OFFSET(REGS_RAX, struct regs, rax);
    OFFSET(REGS_RCX, struct regs, rcx);
    OFFSET(REGS_RDX, struct regs, rdx);
    OFFSET(REGS_RSI, struct regs, rsi);
    OFFSET(REGS_RDI, struct regs, rdi);
    OFFSET(REGS_VECTOR, struct regs, vector);
    OFFSET(REGS_ERROR, struct regs, error);
    OFFSET(REGS_RIP, struct regs, rip);
    OFFSET(REGS_CS, struct regs, cs);
    OFFSET(REGS_RFLAGS, struct regs, rflags);
    OFFSET(REGS_RSP, struct regs, rsp);
    OFFSET(REGS_SS, struct regs, ss);

    VALUE(ASM_SEL_HYP_CODE, SEL_HYP_CODE);
    VALUE(ASM_SEL_HYP_DATA, SEL_HYP_DATA);
    VALUE(ASM_SEL_GUEST_CODE, SEL_GUEST_CODE);
    VALUE(ASM_SEL_GUEST_DATA, SEL_GUEST_DATA);

    OFFSET(CPU_SCRATCH2, struct cpu, scratch2);
    OFFSET(CPU_SCRATCH3, struct cpu, scratch3);
    OFFSET(CPU_IOBASE_KERNEL, struct cpu, iobase_kernel);

    OFFSET(VCPU_CPU, struct vcpu, cpu);
    OFFSET(VCPU_PAGE, struct vcpu, page);
    OFFSET(VCPU_ROOT_KERNEL, struct vcpu, root_kernel);
    OFFSET(VCPU_ROOT_USER, struct vcpu, root_user);
    OFFSET(VCPU_ENTRY_SYSCALL, struct vcpu, entry_syscall);
    OFFSET(VCPU_ENTRY_EVENT_USER, struct vcpu, entry_event_user);
    OFFSET(VCPU_ENTRY_EVENT_KERNEL, struct vcpu, entry_event_kernel);
    OFFSET(VCPU_KERNEL_GS_BASE, struct vcpu, kernel_gs_base);
    OFFSET(VCPU_KERNEL_STACK, struct vcpu, kernel_stack);
    OFFSET(VCPU_GS_BASE, struct vcpu, gs_base);
    OFFSET(VCPU_HYPERCALLS, struct vcpu, counters.hypercalls);
    OFFSET(VCPU_SYSCALLS, struct vcpu, counters.syscalls);
    OFFSET(VCPU_FAULTS, struct vcpu, counters.faults);
    OFFSET(VCPU_UPCALLS, struct vcpu, counters.upcalls);

    OFFSET(PAGE_MASKED, struct hv_vcpu_page, masked);
    OFFSET(PAGE_BUSY, struct hv_vcpu_page, busy);
    OFFSET(PAGE_PENDING_SEL, struct hv_vcpu_page, pending_sel);
    OFFSET(SAVE_RIP, struct hv_vcpu_page, save.rip);
    OFFSET(SAVE_RSP, struct hv_vcpu_page, save.rsp);
    OFFSET(SAVE_RFLAGS, struct hv_vcpu_page, save.rflags);
    OFFSET(SAVE_RAX, struct hv_vcpu_page, save.rax);
    OFFSET(SAVE_RCX, struct hv_vcpu_page, save.rcx);
    OFFSET(SAVE_R11, struct hv_vcpu_page, save.r11);
    OFFSET(SAVE_GS_BASE, struct hv_vcpu_page, save.gs_base);
    OFFSET(SAVE_CR2, struct hv_vcpu_page, save.cr2);
    OFFSET(SAVE_VECTOR, struct hv_vcpu_page, save.vector);
    OFFSET(SAVE_ERROR, struct hv_vcpu_page, save.error);
    OFFSET(SAVE_PREV_MASKED, struct hv_vcpu_page, save.prev_masked);

    VALUE(HV_NR_RETURN_TO_USER, HV_NR_return_to_user);
    VALUE(HV_NR_LIMIT, HV_NR_LIMIT);
    VALUE(HV_ENOSYS, HV_ENOSYS);
    VALUE(HV_EINVAL, HV_EINVAL);
    VALUE(HV_VECTOR_EVENT, HV_VECTOR_EVENT);
    VALUE(HV_VECTOR_SYSCALL, HV_VECTOR_SYSCALL);
    VALUE(RFLAGS_FIXED, RFLAGS_FIXED);
    VALUE(RFLAGS_USER_MASK, RFLAGS_USER_MASK);
    VALUE(CPU_WORK_UPCALL, CPU_WORK_UPCALL);
    VALUE(TSS_IOMAP_CLOSED, TSS_IOMAP_CLOSED);
}
