/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the files of this architecture: the bare machine.
 */
#ifndef PVGUEST_NATIVE_H
#define PVGUEST_NATIVE_H

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
void native_interrupt(uint32_t vector);

/** Where SYSCALL in user mode finds the thread's kernel stack, and leaves the user's. One CPU:
 * plain variables do; with more they would be per CPU, behind GS. */
extern uint64_t native_kernel_stack, native_user_stack;

/* --- parts, in the order in which arch_init starts them --- */

_Noreturn void native_start(uint32_t magic, uint32_t info);
void native_console_init(void);
/** Check what this kernel needs, descriptors, traps, SYSCALL. */
void native_cpu_init(void);
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

/* --- local APIC timer --- */

void native_apic_timer(uint32_t ticks);
uint32_t native_apic_timer_left(void);

/** Ticks of the TSC that the processor was halted for, and interrupts taken. */
extern uint64_t native_idle_ticks, native_interrupts;
uint64_t native_ns_of(uint64_t ticks);

#endif
