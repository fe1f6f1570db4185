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

/* clang-format off: rows of names */
/* The fields that assembly uses, by the name that it gives them. */
#define CPU(X)                                                                                     \
    X(VCPU, vcpu)                                                                                  \
    X(WORK, work)                                                                                  \
    X(USER_MODE, user_mode)                                                                        \
    X(SCRATCH, scratch) X(SCRATCH2, scratch2) X(SCRATCH3, scratch3) X(TSS_RSP0, tss_rsp0)          \
        X(TSS_IOBASE, tss_iobase) X(IOBASE_KERNEL, iobase_kernel) X(SELF, self)
#define REGS(X)                                                                                    \
    X(R15, r15)                                                                                    \
    X(R14, r14)                                                                                    \
    X(R13, r13)                                                                                    \
    X(R12, r12) X(R11, r11) X(R10, r10) X(R9, r9) X(R8, r8) X(RBP, rbp) X(RBX, rbx) X(RAX, rax)    \
        X(RCX, rcx) X(RDX, rdx) X(RSI, rsi) X(RDI, rdi) X(VECTOR, vector) X(ERROR, error)          \
            X(RIP, rip) X(CS, cs) X(RFLAGS, rflags) X(RSP, rsp) X(SS, ss)
#define VCPU(X)                                                                                    \
    X(CPU, cpu)                                                                                    \
    X(PAGE, page)                                                                                  \
    X(ROOT_KERNEL, root_kernel)                                                                    \
    X(ROOT_USER, root_user) X(ENTRY_SYSCALL, entry_syscall) X(ENTRY_EVENT_USER, entry_event_user)  \
        X(ENTRY_EVENT_KERNEL, entry_event_kernel) X(KERNEL_GS_BASE, kernel_gs_base)                \
            X(KERNEL_STACK, kernel_stack) X(GS_BASE, gs_base) X(HYPERCALLS, counters.hypercalls)   \
                X(SYSCALLS, counters.syscalls) X(FAULTS, counters.faults)                          \
                    X(UPCALLS, counters.upcalls)
#define PAGE(X) X(MASKED, masked) X(BUSY, busy) X(PENDING_SEL, pending_sel)
#define SAVE(X)                                                                                    \
    X(RIP, rip)                                                                                    \
    X(RSP, rsp)                                                                                    \
    X(RFLAGS, rflags)                                                                              \
    X(RAX, rax) X(RCX, rcx) X(R11, r11) X(GS_BASE, gs_base) X(CR2, cr2) X(VECTOR, vector)          \
        X(ERROR, error) X(PREV_MASKED, prev_masked)
/* clang-format on */

#define CPU_FIELD(name, member)  OFFSET(CPU_##name, struct cpu, member)
#define REGS_FIELD(name, member) OFFSET(REGS_##name, struct regs, member)
#define VCPU_FIELD(name, member) OFFSET(VCPU_##name, struct vcpu, member)
#define PAGE_FIELD(name, member) OFFSET(PAGE_##name, struct hv_vcpu_page, member)
#define SAVE_FIELD(name, member) OFFSET(SAVE_##name, struct hv_vcpu_page, save.member)

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
    VALUE(HV_ENOSYS, HV_ENOSYS);
    VALUE(HV_EINVAL, HV_EINVAL);
    VALUE(HV_VECTOR_EVENT, HV_VECTOR_EVENT);
    VALUE(HV_VECTOR_SYSCALL, HV_VECTOR_SYSCALL);
    VALUE(RFLAGS_FIXED, RFLAGS_FIXED);
    VALUE(RFLAGS_USER_MASK, RFLAGS_USER_MASK);
    VALUE(CPU_WORK_UPCALL, CPU_WORK_UPCALL);
    VALUE(TSS_IOMAP_CLOSED, TSS_IOMAP_CLOSED);
}
