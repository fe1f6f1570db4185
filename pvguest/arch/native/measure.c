/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the bare machine counts for its kernel: not much, since nobody is beneath. Owns nothing.
 */
#include "arch/measure.h"

#include "arch/cpu.h"
#include "native.h"

const struct arch_counter *arch_counter(unsigned n)
{
    static const struct arch_counter interrupts = { "interrupts", "interrupts" };

    return n == 0 ? &interrupts : NULL;
}

void arch_usage_read(struct arch_usage *u, uint64_t *now)
{
    *now = arch_clock_ns();
    *u = (struct arch_usage){ .running = *now - native_ns_of(native_idle_ticks),
                              .total = *now,
                              .count = { native_interrupts } };
}
