/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Switching between kernel threads. Only what a C function must preserve is saved, and the FS base,
 * which belongs to the thread's user program. The kernel uses no extended state; that of a program
 * is saved by whoever calls this.
 */
        .text

/* void arch_context_switch(struct arch_context *from, struct arch_context *to) */
        .globl  arch_context_switch
        .type   arch_context_switch, @function
arch_context_switch:
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        rdfsbase %rax
        pushq   %rax
        movq    %rsp, (%rdi)
        movq    (%rsi), %rsp
        popq    %rax
        wrfsbase %rax
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret
        .size   arch_context_switch, . - arch_context_switch

/* A new thread arrives here: fn(arg) never returns, and a debugger finds no caller. */
        .cfi_sections .debug_frame
        .globl  context_start
        .type   context_start, @function
context_start:
        .cfi_startproc
        .cfi_undefined rip
        movq    %r13, %rdi
        call    *%r12
        ud2
        .cfi_endproc
        .size   context_start, . - context_start

        .section .note.GNU-stack,"",@progbits
