/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the bare machine counts for its kernel: not much, since nobody is beneath. Owns nothing.
 */
#include "arch/measure.h"

#include "arch/cpu.h"
#include "cpu.h"
#include "native.h"

const struct arch_counter *arch_counter(unsigned n)
{
    static const struct arch_counter interrupts = { "interrupts", "interrupts" };

    return n == 0 ? &interrupts : NULL;
}

void arch_usage_read(struct arch_usage *u, uint64_t *now)
{
    uint64_t idle = 0, interrupts = 0;

    *now = arch_clock_ns();
    for (unsigned i = 0; i < cpu_count(); i++) {
        idle += native_ns_of(native_counts[i].idle_ticks);
        interrupts += native_counts[i].interrupts;
    }
    *u = (struct arch_usage){ .running = *now * cpu_count() - idle,
                              .total = *now * cpu_count(),
                              .count = { interrupts } };
}
