/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * irq_arch.h: what this architecture's interrupt files share.
 */
#pragma once

#include "arch/irq.h"

void apic_eoi(void);
void irq_vector_set(unsigned int vector, irq_handler_t *handler, void *arg);
