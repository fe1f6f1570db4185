/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * irq_arch.h: what this architecture's interrupt files share.
 */
#ifndef IRQ_ARCH_H
#define IRQ_ARCH_H

#include "arch/irq.h"

void apic_eoi(void);
void irq_vector_set(unsigned int vector, irq_handler_t *handler, void *arg);

#endif
