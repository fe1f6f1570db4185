/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * boot.S: from the boot loader's 32-bit protected mode to C in long mode.
 *
 * Owns the two multiboot headers, the boot stack and the boot page tables: one set of tables for
 * the low 4 GiB, seen at address 0, at HYP_IMAGE_BASE and at HYP_DIRECT_BASE, all writable and
 * executable. init.c replaces them before any guest exists. Interrupts stay off throughout.
 */
#include "arch/asm.h"
#include "arch/layout.h"
#include "asm-offsets.h"

#define PHYS(symbol) ((symbol) - HYP_IMAGE_BASE)

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00010003 /* page-aligned modules, memory map, address fields */
#define MB2_MAGIC 0xe85250d6

    /* From 16- or 32-bit code on to paging by the boot tables; a far jump has to follow. */
    .macro LONG_MODE efer
    movl $0x20, %eax /* PAE */
    movl %eax, %cr4
    movl $PHYS(boot_pml4), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $\efer, %eax
    wrmsr
    movl $0x80010011, %eax /* PG, WP, ET, PE */
    movl %eax, %cr0
    .endm

    .section .boot.header, "ax"
    .balign 4
mb1_header:
    .long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
    .long mb1_header, boot_load_start, boot_load_end, boot_bss_end, boot_entry32

    .balign 8
mb2_header:
    .long MB2_MAGIC, 0, mb2_end - mb2_header, -(MB2_MAGIC + (mb2_end - mb2_header))
    .short 3, 0 /* entry address */
    .long 12, boot_entry32
    .balign 8
    .short 6, 0 /* modules on page boundaries */
    .long 8
    .short 0, 0
    .long 8
mb2_end:

    .section .boot, "ax"
    .code32
    /* EAX: the protocol's magic, EBX: its information block. Nothing else is promised. */
FUNCTION(boot_entry32):
    cli
    cld
    movl %eax, %ebp
    movl %ebx, %esi

    /* Multiboot 1 by address fields need not clear .bss on every loader. */
    xorl %eax, %eax
    movl $PHYS(image_bss_start), %edi
    movl $PHYS(image_end), %ecx
    subl %edi, %ecx
    shrl $2, %ecx
    rep stosl
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb no_long_mode
    movl $0x80000001, %eax
    cpuid
    btl $29, %edx
    jnc no_long_mode

    /* Four page directories of 2 MiB pages, one PDPT, one PML4 that shows it three times. */
    movl $PHYS(boot_pd), %edi
    movl $0x83, %eax
    movl $2048, %ecx
1:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 1b

    movl $PHYS(boot_pdpt), %edi
    movl $PHYS(boot_pd) + 3, %eax
    movl $4, %ecx
2:  movl %eax, (%edi)
    addl $4096, %eax
    addl $8, %edi
    loop 2b

    movl $PHYS(boot_pml4), %edi
    movl $PHYS(boot_pdpt) + 3, %eax
    movl %eax, (%edi)
    movl %eax, 8 * HYP_SLOT_IMAGE(%edi)
    movl %eax, 8 * HYP_SLOT_DIRECT(%edi)
    LONG_MODE 0x100 /* EFER.LME */
    lgdt boot_gdtr
    ljmp $SEL_HYP_CODE, $boot_entry64

no_long_mode:
    movl $no_long_mode_text, %esi
3:  movw $0x3fd, %dx
4:  inb %dx, %al
    testb $0x20, %al
    jz 4b
    lodsb
    testb %al, %al
    jz 5f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp 3b
5:  movw $0xf4, %dx /* as machine_halt() does */
    movb $0x3f, %al
    outb %al, %dx
6:  cli
    hlt
    jmp 6b

no_long_mode_text:
    .asciz "hyp: this CPU has no 64-bit mode; Paravane cannot run here\r\n"

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
boot_gdtr:
    .short . - boot_gdt - 1
    .long boot_gdt

    /* Data selectors mean nothing until desc_load, but for SS: the return from an NMI loads it again. */
    .code64
boot_entry64:
    movl $SEL_HYP_DATA, %eax
    movl %eax, %ss
    movabsq $boot_high, %rax
    jmp *%rax

    /* Another processor, on the boot tables, from the trampoline. Its SS is null since INIT, which will do. */
ap_entry64:
    movabsq $ap_high, %rax
    jmp *%rax

    .text
    /*
     * It takes the stack that is laid out for it, by its APIC number in the word's top byte. One that comes too late, when
     * the word is gone or meant for another one, stops here, and nobody hears of it again.
     */
FUNCTION(ap_high):
    movl $1, %eax
    cpuid
    shrl $24, %ebx
    movq ap_stack(%rip), %rax
    testq %rax, %rax
    jz ap_stop
    movq %rax, %rcx
    shrq $56, %rcx
    cmpl %ecx, %ebx
    jne ap_stop
    xorl %edx, %edx
    lock cmpxchgq %rdx, ap_stack(%rip)
    jne ap_stop
    movabsq $0xff00000000000000, %rcx
    orq %rcx, %rax
    movq ap_root(%rip), %rcx
    movq %rcx, %cr3
    movq %rax, %rsp
    movq %rax, %rdi
    xorl %ebp, %ebp
    call ap_start
    ud2
ap_stop:
    cli
    hlt
    jmp ap_stop
    .size ap_high, . - ap_high

FUNCTION(boot_high):
    leaq boot_stack_end - SIZEOF_CPU(%rip), %rsp
    movq %rsp, CPU_SELF(%rsp) /* what this_cpu() reads */
    movl %ebp, %edi
    movl %esi, %esi
    xorl %ebp, %ebp
    call boot_start
    ud2
    .size boot_high, . - boot_high

    /*
     * What runs in a page below 1 MiB, in real mode, CS:IP = page:0. With long mode enabled, protection and paging are
     * switched on together; NX has to be known before the final tables are loaded.
     */
    .section .rodata
    .globl ap_trampoline, ap_trampoline_end
    .code16
ap_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl ap_gdtr - ap_trampoline
    LONG_MODE 0x900 /* EFER.LME, NXE */
    ljmpl $SEL_HYP_CODE, $ap_entry64
    .balign 4
ap_gdtr:
    .short 3 * 8 - 1
    .long boot_gdt
ap_trampoline_end:
    .code64

    .section .bss.stack, "aw", @nobits
    .balign 16384
    .skip 16384
boot_stack_end:

    .section .bss, "aw", @nobits
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_pd:
    .skip 4 * 4096
