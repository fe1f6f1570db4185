/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/irq.h: vectors, I/O APIC lines, MSI messages and the per-CPU timer, as core sees them.
 */
#pragma once

#include "arch/layout.h"
#include "hv_event.h"

/** Runs with interrupts off; the LAPIC is acknowledged after it returns. */
typedef void irq_handler_t(void *arg);

/** Reserves a vector for a handler on all CPUs; returns it, or -1 when none is left. */
int irq_vector_alloc(irq_handler_t *handler, void *arg);
void irq_vector_free(int vector);

/** What a device writes, and where, to raise the vector on the CPU. */
struct hv_msi irq_msi_message(int vector, uint32_t cpu);

/** Number of global interrupt lines; 0 without an I/O APIC. */
uint32_t irq_line_count(void);
/** The line that an ISA interrupt arrives on, with the MADT's overrides. */
uint32_t irq_line_of_isa(uint8_t isa_irq);

/** Routes a line to a vector on a CPU, masked. ISA lines keep the MADT's trigger mode and polarity;
 *  others are level, active low (PCI). False: no such line. */
bool irq_line_route(uint32_t line, int vector, uint32_t cpu);
void irq_line_mask(uint32_t line);
void irq_line_unmask(uint32_t line);

/** Takes the interrupt of a vector: runs its handler and acknowledges it. */
void irq_dispatch(unsigned int vector);

/** Sets what timer expiry calls. */
void arch_timer_init(irq_handler_t *handler);
/** Arms this CPU's one-shot timer for a time of clock_now_ns(), in place of what it
 *  was armed for. It may fire early when the deadline is beyond the hardware's range. */
void arch_timer_set(uint64_t deadline_ns);

/** Waits for an interrupt, takes it, returns with interrupts off. */
void arch_idle(void);
/** The same, if one is there already. */
void arch_poll(void);
