/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest in one file, without any library and without a header of ours: every number is from the
 * reference. It prints a line, waits for its timer, prints another line and shuts down.
 */
#define BASE     0xffffffff80000000 /* virtual address of GPA 0 in the image */
#define MASKED   0x00               /* the shared page */
#define BUSY     0x04
#define RIP      0x40
#define RFLAGS   0x50
#define RAX      0x58
#define RCX      0x60
#define R11      0x68
#define VECTOR   0x80
#define SELECTOR 0x200
#define PENDING  0x400

        .macro  hypercall number
        movl    $\number, %eax
        syscall
        .endm

        .section .note.paravane, "a", @note
        .long   9, 4, 1                 /* sizes of name and descriptor, type */
        .asciz  "Paravane"
        .balign 4
        .long   0x00000001              /* built for ABI version 0.1 */

        .text
        .globl  _start
_start: movq    $stack_end, %rsp
        leaq    16(%rdi), %rsi          /* the start page's first record */
1:      cmpl    $7, (%rsi)              /* HV_START_VCPU */
        je      2f
        movl    4(%rsi), %eax
        addq    %rax, %rsi
        jmp     1b
2:      movq    16(%rsi), %rax
        movq    %rax, vcpu(%rip)

        movq    $(hello - BASE), %rdi
        movl    $(hello_end - hello), %esi
        hypercall 1                     /* console_write */
        movq    $(entry - BASE), %rdi
        hypercall 5                     /* set_entry */
        testq   %rax, %rax
        js      fail
        movq    $-1, %rdi               /* HV_SELF */
        movl    $2, %esi                /* HV_BIND_VIRQ */
        xorl    %edx, %edx              /* HV_VIRQ_TIMER */
        xorl    %r10d, %r10d            /* of vCPU 0 */
        xorl    %r8d, %r8d
        hypercall 18                    /* event_bind */
        testq   %rax, %rax
        js      fail
        movl    $1, %edi                /* long past: at once */
        hypercall 32                    /* set_timer */
3:      hypercall 31                    /* block: unmasks and waits */
        cmpl    $0, ticks(%rip)
        je      3b
        movq    $(tick - BASE), %rdi
        movl    $(tick_end - tick), %esi
        hypercall 1
        xorl    %edi, %edi
        hypercall 33                    /* shutdown */
fail:   movl    $1, %edi
        hypercall 33

/* Upcalls and faults in kernel mode: RAX, RCX and R11 are free, upcalls masked, `busy` is set. */
upcall: movq    vcpu(%rip), %rax
        cmpl    $256, VECTOR(%rax)      /* HV_VECTOR_EVENT? */
        jne     fail
        pushq   RIP(%rax)
        pushq   RFLAGS(%rax)
        pushq   RAX(%rax)
        pushq   RCX(%rax)
        pushq   R11(%rax)
        movl    $0, BUSY(%rax)
again:  xorl    %ecx, %ecx
        xchgq   %rcx, SELECTOR(%rax)
        xorl    %ecx, %ecx
        xchgq   %rcx, PENDING(%rax)     /* ports 0 to 63; ours is the only one */
        incl    ticks(%rip)
        movl    $0, MASKED(%rax)
        mfence
        cmpq    $0, SELECTOR(%rax)
        je      4f
        movl    $1, MASKED(%rax)
        jmp     again
4:      popq    %r11
        popq    %rcx
        popq    %rax
        popfq
        ret

        .section .rodata
hello:  .ascii  "hello, without a library\n"
hello_end:
tick:   .ascii  "the timer came\n"
tick_end:

        .data
        .balign 64                      /* a buffer does not cross a page */
entry:  .quad   fail                    /* SYSCALL from user mode: there is none */
        .quad   fail                    /* events from user mode */
        .quad   upcall                  /* events from kernel mode */
        .quad   0, stack_end, 0         /* kernel GS base, kernel stack, reserved */

        .bss
        .balign 16
vcpu:   .skip   8
ticks:  .skip   8
stack:  .skip   4096
stack_end:
        .section .note.GNU-stack, "", @progbits
