/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A call that a fault handler can leave for good.
 *
 * int64_t test_escape_call(int64_t (*fn)(void *), void *arg) calls fn(arg). Inside, also on another
 * stack, test_escape(value) makes it return value at once. One at a time.
 */
    .text
    .globl test_escape_call, test_escape
    .type test_escape_call, @function
    .type test_escape, @function
test_escape_call:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, escape_rsp(%rip)
    mov %rdi, %rax
    mov %rsi, %rdi
    sub $8, %rsp
    call *%rax
    add $8, %rsp
1:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .size test_escape_call, . - test_escape_call

test_escape:
    mov %rdi, %rax
    mov escape_rsp(%rip), %rsp
    jmp 1b
    .size test_escape, . - test_escape

    .section .bss.escape_rsp, "aw", @nobits
    .balign 8
escape_rsp:
    .skip 8

    .section .note.GNU-stack, "", @progbits
