/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the portable kernel asks of the processor: interrupts, idling, time, the end, and contexts.
 * Each architecture (a folder under arch/) implements all of it.
 */
#ifndef PVGUEST_ARCH_CPU_H
#define PVGUEST_ARCH_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** First call: entry points, early console, memory ranges to page_add_range. */
void arch_init(void);
/** After memory and threads are there: interrupts and timer. Returns with interrupts on. */
void arch_start(void);
/** Copy the value of word `key=value` of the command line to `value`; false when there is none. */
bool arch_option(const char *key, char *value, size_t size);
/** Boot module `n` (0..): false when there is none. Its memory stays mapped. */
bool arch_module(unsigned n, const char **text, const void **data, uint64_t *bytes);

uint64_t arch_irq_save(void);
void arch_irq_restore(uint64_t flags);
/** Interrupts off: wait until one was served, and return with interrupts off. */
void arch_idle(void);

/** CPUs that this machine has, this one included; those that do not start count too. */
unsigned arch_cpus(void);
/** The number of the CPU that runs this: the first has 0. */
unsigned arch_cpu(void);
/** Start one more CPU, as number `n`: it calls fn(arg), which never returns, on the stack of
 * `bytes` at `stack`, interrupts off. False: none is left, or it did not come. */
bool arch_cpu_start(unsigned n, void *stack, size_t bytes, void (*fn)(void *), void *arg);
/** Raise an interrupt on CPU `n`, which calls cpu_kicked(). */
void arch_cpu_kick(unsigned n);
/** This CPU waits for something that CPU `n` has: pass a moment. */
void arch_cpu_wait_for(unsigned n);
/** Interrupts off: wait for longer than a moment, until arch_cpu_wake() for this CPU, which may
 * have come before; or no longer than a moment, where waiting costs nobody anything. */
void arch_cpu_sleep(void);
void arch_cpu_wake(unsigned n);

int arch_irq_attach(uint64_t line, void (*fn)(void *arg), void *arg);
void arch_irq_detach(uint64_t line);
int64_t arch_irq_isa_line(unsigned isa);

uint64_t arch_clock_ns(void);
uint64_t arch_wall_ns(void);
/** Raise the timer interrupt at `deadline` (0: never). */
void arch_timer_set(uint64_t deadline);

void arch_early_write(const char *text, size_t bytes);
_Noreturn void arch_shutdown(unsigned reason);

/** Where a thread stands while it does not run. */
struct arch_context {
    uint64_t rsp;
};

/** Make `c` start at fn(arg) on the stack that ends at `stack_top`, interrupts off. */
void arch_context_init(struct arch_context *c, uint64_t stack_top, void (*fn)(void *), void *arg);
void arch_context_switch(struct arch_context *from, struct arch_context *to);

/** Extended registers (floating point, vectors) of a user program; the kernel uses none. */
size_t arch_state_bytes(void);
/** `state` is zeroed and aligned to 64: make it that of a program that starts. */
void arch_state_init(void *state);
void arch_state_save(void *state);
void arch_state_load(const void *state);

#endif
