/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two user programs and the entry points of a kernel that does no more than answer them: what is measured is the way
 * through the hypervisor, not a handler's luxury. RAX 0 is the null system call; another RAX ends the run with RDI as result.
 */
#include "asm-offsets.h"
#include "mark.h"
#include "user.h"

    .text
    .balign 4096
    .globl bench_user_page
bench_user_page:
    rdtsc
    movl %eax, %esi
    nopl BENCH_BEGIN(%rax)
    movl $0, %eax
    syscall
    nopl BENCH_END(%rax)
    rdtsc
    subl %esi, %eax
    movl %eax, %edi
    movl $1, %eax
    syscall
    ud2

    .org bench_user_page + BENCH_FAULT_OFFSET
    movl $BENCH_HOLE, %edi
    rdtsc
    movl %eax, %esi
    nopl BENCH_BEGIN(%rax)
    movb (%rdi), %cl
    nopl BENCH_END(%rax)
    rdtsc
    subl %esi, %eax
    movl %eax, %edi
    movl $1, %eax
    syscall
    ud2

    .org bench_user_page + BENCH_MAP_OFFSET
    movl $BENCH_MAP_PAGE, %edi
    rdtsc
    movl %eax, %esi
    nopl BENCH_BEGIN(%rax)
    movb (%rdi), %cl
    nopl BENCH_END(%rax)
    rdtsc
    subl %esi, %eax
    movl %eax, %edi
    movl $1, %eax
    syscall
    ud2
    .org bench_user_page + 4096

    .globl hv_entry_syscall
    .type hv_entry_syscall, @function
    .balign 64
hv_entry_syscall:
    rdgsbase %rcx
    cmpl $0, SAVE_RAX(%rcx)
    jne bench_user_exit
    movq $0, SAVE_RAX(%rcx)
    movl $HV_NR_return_to_user, %eax
    syscall
    ud2
    .size hv_entry_syscall, . - hv_entry_syscall

    /* Only page faults come here: nothing raises events while user mode is measured. */
    .globl hv_entry_user
    .type hv_entry_user, @function
    .balign 64
hv_entry_user:
    rdgsbase %rcx
    cmpl $14, SAVE_VECTOR(%rcx)
    jne 1f
    addq $BENCH_FAULT_BYTES, SAVE_RIP(%rcx)
    movl $HV_NR_return_to_user, %eax
    syscall
1:  ud2
    .size hv_entry_user, . - hv_entry_user

    /* The same, and the page is mapped: what a kernel does that has found which frame it is to be. All of the user's
     * registers are kept. */
    .globl bench_entry_map
    .type bench_entry_map, @function
    .balign 64
bench_entry_map:
    rdgsbase %rcx
    cmpl $14, SAVE_VECTOR(%rcx)
    jne 1f
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %r10
    movq SAVE_CR2(%rcx), %rax
    andq $-4096, %rax
    movq %rax, bench_map_run(%rip)
    movq bench_map_args(%rip), %rax
    movq bench_map_args + 8(%rip), %rdi
    movq bench_map_args + 16(%rip), %rsi
    movq bench_map_args + 24(%rip), %rdx
    movl $1, %r10d
    syscall
    cmpq $1, %rax
    jne 1f
    popq %r10
    popq %rdx
    popq %rsi
    popq %rdi
    movl $HV_NR_return_to_user, %eax
    syscall
1:  ud2
    .size bench_entry_map, . - bench_entry_map

bench_user_exit:
    movl $0, VCPU_BUSY(%rcx)
    movq %rdi, %rax
    movq bench_stack(%rip), %rsp
bench_user_out:
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .globl bench_user_run
    .type bench_user_run, @function
bench_user_run:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, bench_stack(%rip)
    rdgsbase %rcx
    movq %rdi, SAVE_RIP(%rcx)
    movq %rsi, SAVE_RSP(%rcx)
    movq $0x202, SAVE_RFLAGS(%rcx)
    movq $0, SAVE_GS_BASE(%rcx)
    movl $HV_VECTOR_SYSCALL, SAVE_VECTOR(%rcx)
    movl $HV_NR_return_to_user, %eax
    syscall
    jmp bench_user_out
    .size bench_user_run, . - bench_user_run

    .bss
    .balign 8
bench_stack:
    .quad 0

    .section .note.GNU-stack, "", @progbits
