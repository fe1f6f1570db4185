/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A value in an extended register, where no compiler touches it: user programs are compiled to use
 * none.
 */
        .text

/* void user_keep(unsigned long value) */
        .globl  user_keep
        .type   user_keep, @function
user_keep:
        movq    %rdi, %xmm9
        pshufd  $0x4e, %xmm9, %xmm9     /* in the half that is zero without it, too */
        movq    %rdi, %xmm2
        por     %xmm2, %xmm9
        ret
        .size   user_keep, . - user_keep

/* unsigned long user_kept(void): the value, or something else when its halves differ */
        .globl  user_kept
        .type   user_kept, @function
user_kept:
        movq    %xmm9, %rax
        pshufd  $0x4e, %xmm9, %xmm2
        movq    %xmm2, %rdx
        cmpq    %rax, %rdx
        je      1f
        notq    %rax
1:      ret
        .size   user_kept, . - user_kept

        .section .note.GNU-stack, "", @progbits
