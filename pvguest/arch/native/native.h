/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the files of this architecture: the bare machine.
 */
#ifndef PVGUEST_NATIVE_H
#define PVGUEST_NATIVE_H

#include "layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Frames on the stack, as entry.S pushes them. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

struct interrupt_frame {
    uint64_t align;
    uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
    uint64_t vector;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* --- entry.S and its C --- */

void native_syscall(void);
/** VECTORS entries of 16 bytes. */
extern const char native_stubs[];
_Noreturn void native_enter_user(uint64_t entry, uint64_t stack);
void native_trap(const struct trap_frame *f);
void native_interrupt(uint32_t vector, bool from_user);

/** What SYSCALL needs before it has a stack: GS names it for its first instructions. */
struct native_cpu_area {
    uint64_t kernel_stack, user_stack;
};

/* --- parts, in the order in which arch_init starts them --- */

_Noreturn void native_start(uint32_t magic, uint32_t info);
void native_console_init(void);
/** Find the CPUs, and put where they start in its place; the low memory is still mapped. */
void native_cpus_init(void);
void native_ap_copy(void);
/** Check what this kernel needs, descriptors, traps, SYSCALL: of the first CPU. */
void native_cpu_init(void);
/** Make ready what CPU `n` will load (false: no memory), and load it, on that CPU. */
bool native_cpu_prepare(unsigned n);
void native_cpu_load(unsigned n);
/** Interrupts and traps from user mode arrive on the stack that ends at `top`. */
void native_set_stack(uint64_t top);

/** RAM [first, end) in frames, free for this kernel: RAM is what lies in `regions`. */
struct native_region {
    uint64_t start, end; /**< physical addresses */
};
/** Replace the boot's page tables; `free` is where frames may be taken, and moves on. */
void native_memory_init(const struct native_region *regions, unsigned count, uint64_t *free);

void native_irq_init(void);
void native_clock_init(void);

/* --- other CPUs --- */

/** Local APICs of all CPUs that the firmware lists. */
unsigned native_cpu_ids(const uint8_t **list);
/** boot.S: what is copied to NATIVE_AP_START. */
extern const char native_ap_code[], native_ap_code_end[];
void native_ap_main(void);
uint64_t native_kernel_cr3(void);

/* --- local APIC --- */

void native_apic_enable(void);
uint8_t native_apic_id(void);
void native_apic_init(uint8_t id);
void native_apic_start(uint8_t id, uint32_t page);
void native_apic_send(uint8_t id, uint32_t vector);

void native_apic_timer(uint32_t ticks);
uint32_t native_apic_timer_left(void);

/** Ticks of the TSC that each CPU was halted for, and interrupts that it took. */
struct native_counts {
    uint64_t idle_ticks, interrupts;
};
extern struct native_counts native_counts[NATIVE_MAX_CPUS];
uint64_t native_ns_of(uint64_t ticks);

#endif
