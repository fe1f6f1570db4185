/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt registration. Owns nothing: the table of handlers is the architecture's, since only it
 * knows what a line is.
 */
#include "irq.h"

int irq_register(uint64_t line, irq_fn fn, void *arg)
{
    return arch_irq_attach(line, fn, arg);
}

void irq_unregister(uint64_t line)
{
    arch_irq_detach(line);
}

int64_t irq_isa_line(unsigned isa)
{
    return arch_irq_isa_line(isa);
}
