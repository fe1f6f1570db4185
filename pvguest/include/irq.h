/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts as the portable kernel sees them: numbered lines with one handler each, and a switch
 * that holds all of them back. What a line is, the architecture says (an event port under the
 * hypervisor). Handlers run with interrupts off, on the stack of whatever was interrupted.
 */
#ifndef PVGUEST_IRQ_H
#define PVGUEST_IRQ_H

#include "arch/cpu.h"

#include <stdint.h>

typedef void (*irq_fn)(void *arg);

/** Call fn(arg) whenever `line` is raised. Returns 0, or a negative error (no such line). */
int irq_register(uint64_t line, irq_fn fn, void *arg);
void irq_unregister(uint64_t line);

/** The line of an ISA interrupt, or a negative error when this machine has none. */
int64_t irq_isa_line(unsigned isa);

/** Hold interrupts back; nests by the value returned. */
static inline uint64_t irq_save(void)
{
    return arch_irq_save();
}

/** Undo the matching irq_save; what came meanwhile is served before it returns. */
static inline void irq_restore(uint64_t flags)
{
    arch_irq_restore(flags);
}

#endif
