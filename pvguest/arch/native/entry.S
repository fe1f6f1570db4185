/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries into the kernel and the ways back to user mode. Interrupts are off from the first
 * instruction to the last. GS is the kernel's in four instructions of SYSCALL, since there is no
 * other way to a stack of this CPU; everywhere else it is the user's and stays where it is, so that
 * no entry has to ask whose it is.
 *
 * Interrupts save what C may change, traps save everything, for the panic to show. The C that they
 * and SYSCALL call takes the kernel lock when it comes from user mode, and the way back begins there
 * as well: a thread may go back to user mode on another CPU than it came on.
 */
#include "asm-offsets.h"
#include "layout.h"

        .text

/*
 * SYSCALL: RCX and R11 hold the user's RIP and flags, RSP is still the user's. Until it is replaced
 * only an NMI could come, which has a stack of its own. The number is pushed last: it is the
 * seventh argument of syscall_dispatch. SYSRET to a non-canonical address would fault in ring 0 on
 * some processors: RCX lies behind an instruction of the user half, whose last page is never mapped.
 */
        .globl  native_syscall
        .type   native_syscall, @function
native_syscall:
        swapgs
        movq    %rsp, %gs:AREA_USER_STACK
        movq    %gs:AREA_KERNEL_STACK, %rsp
        pushq   %gs:AREA_USER_STACK
        swapgs
        pushq   %r11
        pushq   %rcx
        pushq   %r9
        pushq   %r8
        pushq   %r10
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %rax
        movq    %r10, %rcx
        call    syscall_dispatch
        addq    $8, %rsp
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %r10
        popq    %r8
        popq    %r9
        popq    %rcx
        popq    %r11
        popq    %rsp
        sysretq
        .size   native_syscall, . - native_syscall

        .type   interrupt, @function
interrupt:
        pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        subq    $8, %rsp                /* keeps the stack aligned for C */
        movl    INTERRUPT_VECTOR(%rsp), %edi
        movl    INTERRUPT_CS(%rsp), %esi
        andl    $3, %esi
        cld
        call    native_interrupt
        addq    $8, %rsp
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rdx
        popq    %rcx
        popq    %rax
        addq    $8, %rsp
        iretq
        .size   interrupt, . - interrupt

        .type   trap, @function
trap:
        pushq   %rax
        pushq   %rcx
        pushq   %rdx
        pushq   %rbx
        pushq   %rbp
        pushq   %rsi
        pushq   %rdi
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r11
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, %rdi
        cld
        call    native_trap
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %r11
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdi
        popq    %rsi
        popq    %rbp
        popq    %rbx
        popq    %rdx
        popq    %rcx
        popq    %rax
        addq    $16, %rsp
        iretq
        .size   trap, . - trap

/* One stub a vector. Vectors 8, 10-14, 17, 21, 29 and 30 come with an error code. */
        .globl  native_stubs
        .balign 16
native_stubs:
        .set    vector, 0
        .rept   VECTORS
        .balign 16
        .if     vector >= VECTOR_PIN
        pushq   $vector
        jmp     interrupt
        .else
        .if     !((0x60227d00 >> vector) & 1)
        pushq   $0
        .endif
        pushq   $vector
        jmp     trap
        .endif
        .set    vector, vector + 1
        .endr
        .size   native_stubs, . - native_stubs

/* void native_enter_user(uint64_t entry, uint64_t stack): nothing of the kernel's is left in the
 * registers. */
        .globl  native_enter_user
        .type   native_enter_user, @function
native_enter_user:
        pushq   $SEL_USER_DATA
        pushq   %rsi
        pushq   $0x202                  /* interrupts on */
        pushq   $SEL_USER_CODE
        pushq   %rdi
        xorl    %eax, %eax
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %esi, %esi
        xorl    %edi, %edi
        xorl    %ebp, %ebp
        xorl    %r8d, %r8d
        xorl    %r9d, %r9d
        xorl    %r10d, %r10d
        xorl    %r11d, %r11d
        xorl    %r12d, %r12d
        xorl    %r13d, %r13d
        xorl    %r14d, %r14d
        xorl    %r15d, %r15d
        iretq
        .size   native_enter_user, . - native_enter_user

        .section .note.GNU-stack,"",@progbits
