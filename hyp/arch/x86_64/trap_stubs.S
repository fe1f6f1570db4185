/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trap_stubs.S: one stub a vector, the way into C for traps of hyp itself, and the way off an IST
 * stack for traps of a guest.
 *
 * A stub leaves {vector, error, RIP, CS, RFLAGS, RSP, SS} on the stack. From ring 3 it goes on to
 * entry_from_guest with the guest's registers live and that record where RSP0 points: at the end of
 * the vCPU's struct regs. From ring 0 to trap_from_hyp() with a whole struct regs on the stack. The
 * previous ring is judged by the saved CS alone, never by a GS base. Gates clear IF; AC and DF are
 * cleared here.
 */
#include "arch/asm.h"
#include "arch/layout.h"
#include "asm-offsets.h"

    .text

    .macro STUB vector
    .balign 16
trap_stub_\vector:
    .if !((\vector == 8) || ((\vector >= 10) && (\vector <= 14)) || (\vector == 17) || (\vector == 21) || (\vector == 29) || (\vector == 30))
    pushq $0
    .endif
    .byte 0x68 /* pushq with 32 bits: the short form, with 8, sign-extends */
    .long \vector
    .if (\vector == 1) || (\vector == 2) || (\vector == 8) || (\vector == 18)
    jmp trap_ist_entry
    .elseif \vector == VECTOR_TIMER
    jmp timer_entry
    .else
    jmp trap_entry
    .endif
    .endm

FUNCTION(trap_stubs):
    .altmacro
    .set vector_number, 0
    .rept 256
    STUB %vector_number
    .set vector_number, vector_number + 1
    .endr
    .noaltmacro
    .size trap_stubs, . - trap_stubs

    /* 24(%rsp) is the saved CS. */
    .balign 16
FUNCTION(trap_entry):
    cld
    clac
    testb $3, 24(%rsp)
    jz trap_hyp_entry
    jmp entry_from_guest
    .size trap_entry, . - trap_entry

    /* The timer's interrupt, which keeps the registers that C may change, and no more. */
    .balign 16
timer_entry:
    cld
    clac
    .irp reg, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11
    pushq %\reg
    .endr
    testb $3, 96(%rsp)
    jnz timer_from_guest
    call irq_timer_idle /* RSP is a multiple of 16: the processor saw to it, and 16 words are there */
    .irp reg, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
    popq %\reg
    .endr
    addq $16, %rsp
    iretq

    /*
     * On an IST stack. A guest's trap moves to where RSP0 points, which holds nothing of use then:
     * ring 3 ran, so its registers are live.
     */
FUNCTION(trap_ist_entry):
    cld
    clac
    testb $3, 24(%rsp)
    jz trap_hyp_entry
    pushq %rax
    pushq %rbx
    movq %rsp, %rbx
    orq $(STACK_SIZE - 1), %rbx
    movq -7(%rbx), %rbx
    movq CPU_TSS_RSP0(%rbx), %rbx
    movq (%rbx), %rbx
    .irp offset, 64, 56, 48, 40, 32, 24, 16, 8
    movq \offset(%rsp), %rax
    movq %rax, \offset - 72(%rbx)
    .endr
    movq (%rsp), %rax
    leaq 8 - 72(%rbx), %rsp
    movq %rax, %rbx
    popq %rax
    jmp entry_from_guest
    .size trap_ist_entry, . - trap_ist_entry

FUNCTION(trap_hyp_entry):
    .irp reg, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
    pushq %\reg
    .endr
    movq %rsp, %rdi
    movq %rsp, %rbx
    andq $-16, %rsp
    call trap_from_hyp
    movq %rbx, %rsp
    jmp regs_load
    .size trap_hyp_entry, . - trap_hyp_entry

    /* void regs_capture(struct regs *): the registers as the caller has them after the call; there is no vector. */
FUNCTION(regs_capture):
#define STORE(reg) movq %reg, REGS_##reg(%rdi);
    STORE(r15) STORE(r14) STORE(r13) STORE(r12) STORE(rbp) STORE(rbx) STORE(r11) STORE(r10)
    STORE(r9) STORE(r8) STORE(rax) STORE(rcx) STORE(rdx) STORE(rsi) STORE(rdi)
    movq (%rsp), %rax
    movq %rax, REGS_rip(%rdi)
    leaq 8(%rsp), %rax
    movq %rax, REGS_rsp(%rdi)
    pushfq
    popq REGS_rflags(%rdi)
    movl %cs, %eax
    movq %rax, REGS_cs(%rdi)
    movl %ss, %eax
    movq %rax, REGS_ss(%rdi)
    ret
    .size regs_capture, . - regs_capture
