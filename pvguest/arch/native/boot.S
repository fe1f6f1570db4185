/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the boot loader's 32-bit protected mode to C in long mode.
 *
 * Owns the multiboot 1 header, the boot stack (the first thread keeps it) and the boot page tables:
 * the low 4 GiB at address 0, at NATIVE_DIRECT and, the first GiB of it, at NATIVE_IMAGE, all
 * writable and executable. memory.c replaces them. Interrupts stay off throughout.
 */
#include "layout.h"

#define PHYS(symbol) ((symbol) - NATIVE_IMAGE)

#define MB_MAGIC 0x1badb002
#define MB_FLAGS 0x00010003 /* page-aligned modules, memory map, address fields */

        .section .boot, "ax"
        .balign 4
mb_header:
        .long   MB_MAGIC, MB_FLAGS, -(MB_MAGIC + MB_FLAGS)
        .long   mb_header, native_load_start, native_load_end, native_bss_end, native_entry32

        .code32
        .globl  native_entry32
        /* EAX: the protocol's magic, EBX: its information block. Nothing else is promised. */
native_entry32:
        cli
        cld
        movl    %eax, %ebp
        movl    %ebx, %esi

        /* Loading by address fields need not clear .bss on every loader. */
        xorl    %eax, %eax
        movl    $PHYS(native_bss_start), %edi
        movl    $PHYS(native_image_end), %ecx
        subl    %edi, %ecx
        shrl    $2, %ecx
        rep stosl
        movl    $0x80000000, %eax
        cpuid
        cmpl    $0x80000001, %eax
        jb      no_long_mode
        movl    $0x80000001, %eax
        cpuid
        btl     $29, %edx
        jnc     no_long_mode

        movl    $PHYS(boot_pd), %edi
        movl    $0x83, %eax             /* present, writable, 2 MiB */
        movl    $2048, %ecx
1:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    1b

        movl    $PHYS(boot_pdpt), %edi
        movl    $PHYS(boot_pd) + 3, %eax
        movl    %eax, PHYS(boot_image_pdpt) + 8 * NATIVE_IMAGE_L3
        movl    $4, %ecx
2:      movl    %eax, (%edi)
        addl    $4096, %eax
        addl    $8, %edi
        loop    2b

        movl    $PHYS(boot_pml4), %edi
        movl    $PHYS(boot_pdpt) + 3, %eax
        movl    %eax, (%edi)
        movl    %eax, 8 * NATIVE_DIRECT_L4(%edi)
        movl    $PHYS(boot_image_pdpt) + 3, 8 * NATIVE_IMAGE_L4(%edi)
        movl    %edi, %cr3

        movl    $0x20, %eax             /* PAE */
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x100, %eax            /* EFER.LME */
        wrmsr
        movl    $0x80010033, %eax       /* PG, WP, NE, ET, MP, PE */
        movl    %eax, %cr0

        lgdt    PHYS(boot_gdtr)
        ljmp    $SEL_KERNEL_CODE, $boot_entry64

no_long_mode:
        movl    $PHYS(no_long_mode_text), %esi
3:      movw    $0x3fd, %dx
4:      inb     %dx, %al
        testb   $0x20, %al
        jz      4b
        lodsb
        testb   %al, %al
        jz      5f
        movw    $0x3f8, %dx
        outb    %al, %dx
        jmp     3b
5:      movw    $0xf4, %dx              /* as arch_shutdown(PANIC_REASON) does */
        movb    $0x11, %al
        outb    %al, %dx
6:      cli
        hlt
        jmp     6b

        .code64
boot_entry64:
        movl    $SEL_KERNEL_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movq    $boot_high, %rax
        jmp     *%rax

        .text
        .type   boot_high, @function
boot_high:
        movq    $boot_stack_end, %rsp
        movl    %ebp, %edi
        movl    %esi, %esi
        xorl    %ebp, %ebp
        call    native_start
        ud2
        .size   boot_high, . - boot_high

/*
 * Another CPU, in real mode at NATIVE_AP_START, where a copy of this lies: position by hand. The
 * boot's page tables show it both where it is and where the kernel is.
 */
#define AP(symbol) ((symbol) - native_ap_code + NATIVE_AP_START)

        .section .rodata.boot, "a"
        .globl  native_ap_code, native_ap_code_end
        .balign 16
        .code16
native_ap_code:
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   AP(ap_gdtr)
        movl    $0x11, %eax             /* PE, ET */
        movl    %eax, %cr0
        ljmpl   $0x18, $AP(ap_code32)

        .code32
ap_code32:
        movl    $SEL_KERNEL_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    $PHYS(boot_pml4), %eax
        movl    %eax, %cr3
        movl    $0x20, %eax             /* PAE */
        movl    %eax, %cr4
        movl    $0xc0000080, %ecx
        rdmsr
        orl     $0x900, %eax            /* EFER.LME and NXE: the kernel's tables need it */
        wrmsr
        movl    $0x80010033, %eax       /* PG, WP, NE, ET, MP, PE */
        movl    %eax, %cr0
        ljmp    $SEL_KERNEL_CODE, $AP(ap_code64)

        .code64
ap_code64:
        xorl    %eax, %eax
        movl    %eax, %fs
        movl    %eax, %gs
        movq    $ap_high, %rax
        jmp     *%rax

        .balign 8
ap_gdt:
        .quad   0
        .quad   0x00af9b000000ffff      /* as boot_gdt */
        .quad   0x00cf93000000ffff
        .quad   0x00cf9b000000ffff      /* code, 32 bit */
ap_gdtr:
        .short  . - ap_gdt - 1
        .long   AP(ap_gdt)
native_ap_code_end:

        .text
        .type   ap_high, @function
ap_high:
        movl    $1, %eax
        cpuid
        shrl    $24, %ebx               /* the local APIC's number */
        movl    %ebx, %eax
        movl    $0xffffffff, %ecx
        lock cmpxchgl %ecx, native_ap_wanted(%rip)
        jne     1f
        movq    native_ap_cr3(%rip), %rax
        movq    %rax, %cr3
        movq    native_ap_stack(%rip), %rsp
        xorl    %ebp, %ebp
        call    native_ap_main
1:      cli
        hlt
        jmp     1b
        .size   ap_high, . - ap_high

        .section .rodata.boot, "a"
        .balign 8
boot_gdt:
        .quad   0
        .quad   0x00af9b000000ffff
        .quad   0x00cf93000000ffff
boot_gdtr:
        .short  . - boot_gdt - 1
        .long   PHYS(boot_gdt)
no_long_mode_text:
        .asciz  "panic: this CPU has no 64-bit mode\n"

        .section .bss, "aw", @nobits
        .balign 4096
boot_pml4:
        .skip   4096
boot_pdpt:
        .skip   4096
boot_image_pdpt:
        .skip   4096
boot_pd:
        .skip   4 * 4096
        .skip   16384
boot_stack_end:

        .section .note.GNU-stack, "", @progbits
