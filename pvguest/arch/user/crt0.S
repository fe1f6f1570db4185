/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start of a user program, and its way to make system calls: number first, then up to five
 * arguments. The kernel starts it with an aligned stack and nothing on it that it needs.
 */
        .text
        .globl  _start
        .type   _start, @function
_start:
        xorl    %ebp, %ebp
        call    main
        movl    %eax, %edi
        movl    $231, %eax
        syscall
        ud2
        .size   _start, . - _start

/* long user_syscall(long nr, long a0, long a1, long a2, long a3, long a4) */
        .globl  user_syscall
        .type   user_syscall, @function
user_syscall:
        movq    %rdi, %rax
        movq    %rsi, %rdi
        movq    %rdx, %rsi
        movq    %rcx, %rdx
        movq    %r8, %r10
        movq    %r9, %r8
        syscall
        ret
        .size   user_syscall, . - user_syscall

        .section .note.GNU-stack,"",@progbits
