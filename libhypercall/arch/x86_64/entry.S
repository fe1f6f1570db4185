/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries into the guest's kernel, and the ways back.
 *
 * The GS base of the kernel is the address of its vCPU's shared page, so that all of this is the same
 * on every vCPU. At an entry that page holds RIP, RSP, RFLAGS, RAX, RCX and R11 of what was interrupted,
 * `masked` and `busy` are set, and RAX, RCX and R11 are free. Until `busy` is cleared a fault is
 * the domain's end, so the code before that touches nothing but the shared page and the stack.
 *
 * A frame lies directly below the interrupted stack pointer: kernel code has no red zone, and the
 * way back is popf and ret on the interrupted stack (IRET in ring 3 is not to be had under SMAP on
 * every machine). An event upcall stores the upper half of the frame only.
 *
 * The way back is a restartable range, [hv_return_start, hv_return_end). From `masked = 0` on an
 * upcall can come at any instruction. hv_entry_kernel sees from the interrupted RIP that it came
 * there, and serves the events on the frame that was about to be left instead of building another
 * one: memory below the interrupted stack pointer is written by nobody else, so the frame is whole.
 * However fast events come, one frame is all that they take.
 */
#include "asm-offsets.h"

    .text

/* The upper half of a frame, from the save area at RAX. */
.macro push_half
    push SAVE_RIP(%rax)
    push SAVE_RFLAGS(%rax)
    push SAVE_RAX(%rax)
    push SAVE_RCX(%rax)
    push SAVE_R11(%rax)
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
.endm

/* The rest of it, with `user` set to \user; leaves RSP at the frame and clears busy. */
.macro push_rest user
    push %r15
    push %r14
    push %r13
    push %r12
    push %rbp
    push %rbx
    push SAVE_RSP(%rax)
    push SAVE_GS_BASE(%rax)
    push SAVE_CR2(%rax)
.if \user
    movabs $0x100000000, %rcx
.else
    mov SAVE_PREV_MASKED(%rax), %ecx
.endif
    push %rcx
    push SAVE_VECTOR(%rax)
    movl $0, VCPU_BUSY(%rax)
.endm

/* Registers of the upper half, from its address \base + \at. */
.macro load_half base, at
    mov FRAME_R10 - FRAME_R10 + \at(\base), %r10
    mov FRAME_R9 - FRAME_R10 + \at(\base), %r9
    mov FRAME_R8 - FRAME_R10 + \at(\base), %r8
    mov FRAME_RSI - FRAME_R10 + \at(\base), %rsi
    mov FRAME_RDX - FRAME_R10 + \at(\base), %rdx
    mov FRAME_R11 - FRAME_R10 + \at(\base), %r11
    mov FRAME_RCX - FRAME_R10 + \at(\base), %rcx
    mov FRAME_RAX - FRAME_R10 + \at(\base), %rax
    mov FRAME_RDI - FRAME_R10 + \at(\base), %rdi
.endm

.macro load_rest base
    mov FRAME_RBX(\base), %rbx
    mov FRAME_R12(\base), %r12
    mov FRAME_R13(\base), %r13
    mov FRAME_R14(\base), %r14
    mov FRAME_R15(\base), %r15
    mov FRAME_RBP(\base), %rbp
.endm

/* Upcalls and faults from kernel mode. */
    .weak hv_entry_kernel
    .type hv_entry_kernel, @function
    .balign 16
hv_entry_kernel:
    rdgsbase %rax
    cmpl $HV_VECTOR_EVENT, SAVE_VECTOR(%rax)
    jne hv_kernel_fault
    mov SAVE_RIP(%rax), %r11
    sub $hv_return_start, %r11
    cmp $(hv_return_end - hv_return_start), %r11
    jb restart
    push_half
    movl $0, VCPU_BUSY(%rax)
serve:
    push %rbp
    mov %rsp, %rbp
    and $-16, %rsp
    call hv_event_poll
    leave

    .globl hv_return_start, hv_return_end
hv_return_start:
    movl $0, %gs:VCPU_MASKED
    mfence
    mov %gs:VCPU_SEL_NORMAL, %rcx
    or %gs:VCPU_SEL_URGENT, %rcx
    jnz again
    load_half %rsp, 0
    lea FRAME_RFLAGS - FRAME_R10(%rsp), %rsp
at_popf:
    popf
at_ret:
    ret
again:
    movl $1, %gs:VCPU_MASKED
    jmp serve
hv_return_end:

/* An upcall in the range: R11 is the offset in it. Find the frame that was being left. */
restart:
    cmp $(at_popf - hv_return_start), %r11
    je 1f
    cmp $(at_ret - hv_return_start), %r11
    jne 2f
    sub $8, %rsp
1:  sub $(FRAME_RFLAGS - FRAME_R10), %rsp
2:  movl $0, VCPU_BUSY(%rax)
    jmp serve
    .size hv_entry_kernel, . - hv_entry_kernel

/* A fault in kernel mode; RAX is the shared page. What was masked stays masked. */
    .globl hv_kernel_fault
    .type hv_kernel_fault, @function
hv_kernel_fault:
    push_half
    push_rest 0
    mov %rsp, %rbp
    mov %rsp, %rdi
    and $-16, %rsp
    call hv_trap
    mov %rbp, %rsp
    cmpl $0, FRAME_PREV_MASKED(%rsp)
    load_rest %rsp
    lea FRAME_R10(%rsp), %rsp
    je hv_return_start
    load_half %rsp, 0
    lea FRAME_RFLAGS - FRAME_R10(%rsp), %rsp
    popf
    ret
    .size hv_kernel_fault, . - hv_kernel_fault

/* System calls, upcalls and faults from user mode: the kernel stack is empty. */
    .weak hv_entry_user, hv_entry_syscall
    .type hv_entry_user, @function
    .type hv_entry_syscall, @function
    .balign 16
hv_entry_user:
hv_entry_syscall:
    rdgsbase %rax
    push_half
    push_rest 1
    mov %rsp, %rbp
    mov %rsp, %rdi
    call hv_trap
    mov %rbp, %rdi
    call hv_enter_user
    mov %rbp, %rdi
    mov %rax, %rsi
    call hv_user_refused
    ud2
    .size hv_entry_user, . - hv_entry_user

/*
 * int64_t hv_enter_user(const struct hv_frame *frame): the save area is filled with upcalls masked,
 * so that nobody else writes it; the call clears both flags. A refused state changes nothing, the
 * stack pointer included, and the caller's registers are popped from there.
 */
    .globl hv_enter_user
    .type hv_enter_user, @function
    .balign 16
hv_enter_user:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    rdgsbase %rax
.macro give from, to
    mov \from(%rdi), %rcx
    mov %rcx, \to(%rax)
.endm
    give FRAME_RIP, SAVE_RIP
    give FRAME_RSP, SAVE_RSP
    give FRAME_RFLAGS, SAVE_RFLAGS
    give FRAME_RAX, SAVE_RAX
    give FRAME_RCX, SAVE_RCX
    give FRAME_R11, SAVE_R11
    give FRAME_GS_BASE, SAVE_GS_BASE
    give FRAME_VECTOR, SAVE_VECTOR
    load_rest %rdi
    load_half %rdi, FRAME_R10
    mov $HV_NR_return_to_user, %eax
    syscall
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .size hv_enter_user, . - hv_enter_user

    .section .note.GNU-stack, "", @progbits
