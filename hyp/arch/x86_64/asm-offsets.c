/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asm-offsets.c: structure offsets and constants for assembly; compiled for its marker lines only.
 */
#include "arch/regs.h"
#include "arch/trap.h"
#include "cpu.h"
#include "domain.h"

#define VALUE(name, value)         __asm__ volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))
#define OFFSET(name, type, member) VALUE(name, offsetof(type, member));

/* The fields that assembly uses, by the name that it gives them. */
/* clang-format off */
#define CPU(X) \
    X(VCPU, vcpu) X(WORK, work) X(USER_MODE, user_mode) X(SCRATCH, scratch) X(SCRATCH2, scratch2) \
    X(SCRATCH3, scratch3) X(TSS_RSP0, tss_rsp0) X(TSS_IOBASE, tss_iobase) \
    X(IOBASE_KERNEL, iobase_kernel) X(SELF, self)
#define REGS(X) \
    X(r15) X(r14) X(r13) X(r12) X(r11) X(r10) X(r9) X(r8) X(rbp) X(rbx) X(rax) X(rcx) X(rdx) \
    X(rsi) X(rdi) X(vector) X(error) X(rip) X(cs) X(rflags) X(rsp) X(ss)
#define VCPU(X) \
    X(CPU, cpu) X(PAGE, page) X(ROOT_KERNEL, root_kernel) X(ROOT_USER, root_user) \
    X(ENTRY_SYSCALL, entry.syscall) X(ENTRY_EVENT_USER, entry.event_user) \
    X(ENTRY_EVENT_KERNEL, entry.event_kernel) X(KERNEL_GS_BASE, entry.kernel_gs_base) \
    X(KERNEL_STACK, entry.kernel_stack) X(GS_BASE, gs_base) X(HYPERCALLS, counters.hypercalls) \
    X(CALLS, calls) \
    X(RETURN_FAST, return_fast) X(SYSCALLS, counters.syscalls) X(INTERRUPTS, counters.interrupts) X(FAULTS, counters.faults) X(UPCALLS, counters.upcalls)
#define PAGE(X) X(MASKED, masked) X(BUSY, busy) X(PENDING_SEL, pending_sel)
#define SAVE(X) \
    X(rip) X(rsp) X(rflags) X(rax) X(rcx) X(r11) X(gs_base) X(cr2) X(vector) X(error) \
    X(prev_masked)
/* clang-format on */

#define CPU_FIELD(name, member)  OFFSET(CPU_##name, struct cpu, member)
#define REGS_FIELD(member)       OFFSET(REGS_##member, struct regs, member)
#define VCPU_FIELD(name, member) OFFSET(VCPU_##name, struct vcpu, member)
#define PAGE_FIELD(name, member) OFFSET(PAGE_##name, struct hv_vcpu_page, member)
#define SAVE_FIELD(member)       OFFSET(SAVE_##member, struct hv_vcpu_page, save.member)

void asm_offsets(void);

void asm_offsets(void) {
    CPU(CPU_FIELD)
    REGS(REGS_FIELD)
    VCPU(VCPU_FIELD)
    PAGE(PAGE_FIELD)
    SAVE(SAVE_FIELD)
    VALUE(SIZEOF_CPU, sizeof(struct cpu));
    VALUE(ASM_SEL_HYP_CODE, SEL_HYP_CODE);
    VALUE(ASM_SEL_HYP_DATA, SEL_HYP_DATA);
    VALUE(ASM_SEL_GUEST_CODE, SEL_GUEST_CODE);
    VALUE(ASM_SEL_GUEST_DATA, SEL_GUEST_DATA);
    VALUE(HV_NR_RETURN_TO_USER, HV_NR_return_to_user);
    VALUE(HV_NR_LIMIT, HV_NR_LIMIT);
    VALUE(HV_EINVAL, HV_EINVAL);
    VALUE(HV_VECTOR_EVENT, HV_VECTOR_EVENT);
    VALUE(HV_VECTOR_SYSCALL, HV_VECTOR_SYSCALL);
    VALUE(RFLAGS_FIXED, RFLAGS_FIXED);
    VALUE(RFLAGS_USER_MASK, RFLAGS_USER_MASK);
    VALUE(CPU_WORK_UPCALL, CPU_WORK_UPCALL);
    VALUE(VECTOR_TIMER, VECTOR_TIMER);
    VALUE(TSS_IOMAP_CLOSED, TSS_IOMAP_CLOSED);
}
