/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a vCPU does that yields for ever. A sample begins where one yields and ends where another goes on: the two
 * have the page of the results in common. RDI is the number of the call, from the context on. Once they are complete the turns go on and do not count.
 */
#include "mark.h"
#include "turn.h"

    .text
    .balign 4096
    .globl bench_turn
bench_turn:
    rdtsc
    movl %eax, bench_turns
    nopl BENCH_BEGIN(%rax)
    movl %edi, %eax
    syscall
    nopl BENCH_END(%rax)
    rdtsc
    subl bench_turns, %eax
    movl $1, %ecx
    xaddl %ecx, bench_turns + TURN_COUNT
    cmpl $BENCH_TURNS, %ecx
    jae 1f
    movl %eax, bench_turns + TURN_SAMPLE(, %rcx, 4)
    jmp bench_turn
1:  nopl BENCH_DROP(%rax)
    jmp bench_turn
    .org bench_turn + 4096

    .bss
    .balign 4096
    .globl bench_turns
bench_turns:
    .skip 4096

    .section .note.GNU-stack, "", @progbits
