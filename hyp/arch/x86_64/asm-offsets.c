/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * asm-offsets.c: structure offsets and constants for assembly; compiled for its marker lines only.
 */
#include "arch/regs.h"
#include "arch/trap.h"
#include "cpu.h"

#define VALUE(name, value)         __asm__ volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))
#define OFFSET(name, type, member) VALUE(name, offsetof(type, member))

void asm_offsets(void);

void asm_offsets(void)
{
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
}
