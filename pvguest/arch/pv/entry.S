/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries from user mode and the ways back. They take the place of the library's weak ones, which
 * save every register: here the callee-saved ones stay where they are, since C keeps them.
 *
 * At entry RSP is the thread's kernel stack, GS the shared page, upcalls are masked and the save area
 * is busy. What it holds goes to the stack before `busy` is cleared; from then on a fault may come.
 * Upcalls stay masked to the end: what becomes pending is delivered by return_to_user, as an event
 * from user mode. The way back fills the save area again; nothing can overwrite it there, since no
 * fault is possible between the first word and the call.
 */
#include "asm-offsets.h"

        .text

/*
 * SYSCALL. The user's RAX, the number, is pushed last: it is the seventh argument of
 * syscall_dispatch. RCX and R11 are lost to the user by the instruction's own rules.
 */
        .globl  hv_entry_syscall
        .type   hv_entry_syscall, @function
hv_entry_syscall:
        pushq   %gs:SAVE_GS_BASE
        pushq   %gs:SAVE_RFLAGS
        pushq   %gs:SAVE_RSP
        pushq   %gs:SAVE_RIP
        pushq   %r9
        pushq   %r8
        pushq   %r10
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        subq    $8, %rsp                /* keeps the stack aligned for C */
        pushq   %gs:SAVE_RAX
        movl    $0, %gs:VCPU_BUSY
        movq    %r10, %rcx
        call    syscall_dispatch
        addq    $16, %rsp
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %r10
        popq    %r8
        popq    %r9
        popq    %gs:SAVE_RIP
        popq    %gs:SAVE_RSP
        popq    %gs:SAVE_RFLAGS
        popq    %gs:SAVE_GS_BASE
        movq    %rax, %gs:SAVE_RAX
        movl    $VECTOR_SYSCALL, %gs:SAVE_VECTOR
        movl    $NR_RETURN_TO_USER, %eax
        syscall
        movq    %rax, %rdi
        call    user_refused
        ud2
        .size   hv_entry_syscall, . - hv_entry_syscall

/* Upcalls and faults. */
        .globl  hv_entry_user
        .type   hv_entry_user, @function
hv_entry_user:
        pushq   %gs:SAVE_GS_BASE
        pushq   %gs:SAVE_RFLAGS
        pushq   %gs:SAVE_RSP
        pushq   %gs:SAVE_RIP
        pushq   %gs:SAVE_R11
        pushq   %gs:SAVE_RCX
        pushq   %gs:SAVE_RAX
        pushq   %r10
        pushq   %r9
        pushq   %r8
        pushq   %rdi
        pushq   %rsi
        pushq   %rdx
        subq    $8, %rsp                /* keeps the stack aligned for C */
        movl    %gs:SAVE_VECTOR, %edi
        movl    %gs:SAVE_ERROR, %esi
        movq    %gs:SAVE_CR2, %rdx
        movq    %gs:SAVE_RIP, %rcx
        movl    $0, %gs:VCPU_BUSY
        call    user_event
        addq    $8, %rsp
        popq    %rdx
        popq    %rsi
        popq    %rdi
        popq    %r8
        popq    %r9
        popq    %r10
        popq    %gs:SAVE_RAX
        popq    %gs:SAVE_RCX
        popq    %gs:SAVE_R11
        popq    %gs:SAVE_RIP
        popq    %gs:SAVE_RSP
        popq    %gs:SAVE_RFLAGS
        popq    %gs:SAVE_GS_BASE
        movl    $VECTOR_EVENT, %gs:SAVE_VECTOR
        movl    $NR_RETURN_TO_USER, %eax
        syscall
        movq    %rax, %rdi
        call    user_refused
        ud2
        .size   hv_entry_user, . - hv_entry_user

        .section .note.GNU-stack,"",@progbits
