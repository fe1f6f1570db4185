/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asm-offsets.c: structure offsets and constants for assembly; compiled for its marker lines only.
 */
#include "arch/regs.h"
#include "arch/trap.h"
#include "cpu.h"
#include "domain.h"

#define VALUE(name, value)         __asm__ volatile("\n.ascii \"->" name " %0\"" : : "i"(value));
#define OFFSET(name, type, member) VALUE(#name, offsetof(type, member))
#define CONSTANT(name)             VALUE(#name, name)

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
    X(CALLS, calls) X(RETURN_FAST, return_fast) X(SYSCALLS, counters.syscalls) \
    X(INTERRUPTS, counters.interrupts) X(FAULTS, counters.faults) X(UPCALLS, counters.upcalls)
#define PAGE(X) X(MASKED, masked) X(BUSY, busy) X(PENDING_SEL, pending_sel)
#define SAVE(X) \
    X(rip) X(rsp) X(rflags) X(rax) X(rcx) X(r11) X(gs_base) X(cr2) X(vector) X(error) \
    X(prev_masked)
/* What it knows by the same name. */
#define CONSTANTS(X) \
    X(SEL_HYP_CODE) X(SEL_HYP_DATA) X(SEL_GUEST_CODE) X(SEL_GUEST_DATA) X(RFLAGS_FIXED) \
    X(RFLAGS_USER_MASK) X(VECTOR_TIMER) X(TSS_IOMAP_CLOSED) X(CPU_WORK_UPCALL) X(HV_NR_LIMIT) \
    X(HV_EINVAL) X(HV_VECTOR_EVENT) X(HV_VECTOR_SYSCALL)
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
    CONSTANTS(CONSTANT)
    VALUE("SIZEOF_CPU", sizeof(struct cpu))
    VALUE("HV_NR_RETURN_TO_USER", HV_NR_return_to_user)
}
