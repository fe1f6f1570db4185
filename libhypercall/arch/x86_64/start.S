/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first instructions of a guest: RDI is the start page, RSP is 0, upcalls are masked. All
 * of RAM but image, start page and shared page is unmapped. And the note that names the ABI version
 * the image was built for: here, because this object is part of every image.
 */
#include "asm-offsets.h"

    .section .text.start, "ax", @progbits
    .globl _start
    .type _start, @function
    .cfi_sections .debug_frame /* for a debugger: it has no caller */
_start:
    .cfi_startproc
    .cfi_undefined rip
    mov $hv_boot_stack_top, %rsp
    xor %ebp, %ebp
    call hv_start
    ud2
    .cfi_endproc
    .size _start, . - _start

/* Another vCPU: RDI is its shared page, RSI and RSP what hv_vcpu_start has left for it. */
    .text
    .globl hv_vcpu_entry
    .type hv_vcpu_entry, @function
hv_vcpu_entry:
    .cfi_startproc
    .cfi_undefined rip
    wrgsbase %rdi
    xor %ebp, %ebp
    mov %rsi, %rdi
    call hv_vcpu_main
    ud2
    .cfi_endproc
    .size hv_vcpu_entry, . - hv_vcpu_entry

    .section .bss.hv_boot_stack, "aw", @nobits
    .balign 4096
    .globl hv_boot_stack_top
hv_boot_stack:
    .skip 32768
hv_boot_stack_top:

    .section .note.paravane, "a", @note
    .balign 4
    .long 2f - 1f
    .long 4f - 3f
    .long HV_NOTE_ABI
1:  .asciz "Paravane"
2:  .balign 4
3:  .long HV_ABI_VERSION
4:  .balign 4

    .section .note.GNU-stack, "", @progbits
