/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * boot_arch.h: the steps of this architecture's boot, in the order in which init.c takes them; and
 * what its files for interrupts and panics share.
 *
 * Nothing outside this folder includes it.
 */
#pragma once

#include "arch/irq.h"
#include "arch/regs.h"
#include "boot.h"

struct cpu;

/* Ends of the image's sections (hyp.lds). */
extern char image_start[], image_text_start[], image_rodata_start[], image_data_start[];
extern char image_end[];

/* The physical address of something in the image. */
static inline paddr_t image_phys(const void *p) { return (uintptr_t)p - HYP_IMAGE_BASE; }

static inline paddr_t page_down(paddr_t a) { return a & ~PAGE_MASK; }

static inline paddr_t page_up(paddr_t a) { return (a + PAGE_MASK) & ~PAGE_MASK; }

/* First C of all, on the boot stack and the boot page tables. */
_Noreturn void boot_start(uint32_t magic, uint32_t info);

void multiboot_parse(struct boot_info *boot, uint32_t magic, paddr_t info);

/* Stops with one line when the CPU lacks something; otherwise switches on what hyp relies on. */
void cpu_features_init(void);
void cpu_control_init(void);
void cpu_syscall_init(struct cpu *cpu);
void cpu_report(void);

void acpi_init(struct boot_info *boot);

/* The boot allocator: zeroed pages below 4 GiB, never given back. No allocation after
 * bootmem_finish(). */
void bootmem_init(struct boot_info *boot);
void *bootmem_alloc(uint64_t pages);
void bootmem_finish(void);

/* Builds hyp's half: hyp_root, which has no identity map. */
void paging_init(const struct boot_info *boot);
void paging_map_stack(uintptr_t va, uint64_t pages);
bool paging_in_guard(uint64_t va);

/* A page below 640 KiB that nobody owns; 0: there is none. */
extern paddr_t bootmem_low_page;

/* GDT, TSS, IST stacks, IDT. */
void idt_init(void);
void idt_load(void);
struct cpu *cpu_area_create(uint32_t id);
void desc_load(struct cpu *cpu);

/* boot.S: the code of other processors' first instructions; smp.c. */
extern const char ap_trampoline[], ap_trampoline_end[];
void smp_start(const struct boot_info *boot);

void pic_init(void);
void apic_init(struct cpu *cpu);
/* Interrupt commands: the first steps of a start, to one processor by its APIC number; an NMI, to
 * all others. */
void apic_send_init(uint32_t apic_id);
void apic_send_start(uint32_t apic_id, paddr_t page);
void apic_send_nmi_to_others(void);
void ioapic_init(void);
uint32_t apic_timer_read(void);
void apic_timer_start(uint32_t count);
void apic_timer_set_hz(uint64_t hz);

void clock_init(struct boot_info *boot);
void rtc_read(struct boot_info *boot);

/* trap_stubs.S */
extern char trap_stubs[];
void regs_capture(struct regs *regs);

/* What the interrupt files share. */
void apic_eoi(void);
void irq_vector_set(unsigned int vector, irq_handler_t *handler, void *arg);

/* Prints where the registers were and who had called. */
void backtrace(const struct regs *regs);
