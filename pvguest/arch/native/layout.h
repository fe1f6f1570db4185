/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's addresses and selectors on the bare machine, for C and assembly. The image and the
 * start of RAM lie where they lie in a guest of the hypervisor.
 */
#ifndef PVGUEST_NATIVE_LAYOUT_H
#define PVGUEST_NATIVE_LAYOUT_H

#define NATIVE_IMAGE  0xffffffff80000000 /* + physical address: the kernel's text and data */
#define NATIVE_DIRECT 0xfffffc0000000000 /* + physical address: all RAM */
#define NATIVE_MMIO   0xfffffe0000000000 /* registers of devices, as they are mapped */

#define NATIVE_IMAGE_L4  511
#define NATIVE_IMAGE_L3  510
#define NATIVE_DIRECT_L4 504
#define NATIVE_MMIO_L4   508

/* SYSRET takes the user's data selector from what STAR says + 8 and its code selector from + 16. */
#define SEL_KERNEL_CODE 0x08
#define SEL_KERNEL_DATA 0x10
#define SEL_USER_DATA   0x1b
#define SEL_USER_CODE   0x23
#define SEL_TSS         0x28 /* of CPU 0; each further CPU's is 16 behind */

#define NATIVE_MAX_CPUS 64
#define NATIVE_AP_START 0x8000 /* a page below 1 MiB where other CPUs start; nobody's before */

/* Vectors below 32 are the processor's. */
#define VECTOR_PIN      32 /* + the number of the I/O APIC's pin */
#define PINS            24
#define VECTOR_TIMER    56
#define VECTOR_MSI      57
#define MSI_VECTORS     5
#define VECTOR_KICK     62
#define VECTOR_SPURIOUS 63 /* old local APICs want the low four bits set */
#define VECTORS         64

#endif
