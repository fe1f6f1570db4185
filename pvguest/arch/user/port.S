/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An instruction that user programs have no right to, for those that try.
 */
        .text

/* void user_out8(unsigned port, unsigned value) */
        .globl  user_out8
        .type   user_out8, @function
user_out8:
        movl    %edi, %edx
        movl    %esi, %eax
        outb    %al, %dx
        ret
        .size   user_out8, . - user_out8

        .section .note.GNU-stack,"",@progbits
