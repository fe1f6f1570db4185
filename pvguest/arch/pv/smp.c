/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUs under the hypervisor: one, so far. Owns nothing.
 */
#include "arch/cpu.h"

unsigned arch_cpus(void)
{
    return 1;
}

unsigned arch_cpu(void)
{
    return 0;
}

bool arch_cpu_start(unsigned n, void *stack, size_t bytes, void (*fn)(void *), void *arg)
{
    (void)n, (void)stack, (void)bytes, (void)fn, (void)arg;
    return false;
}

void arch_cpu_kick(unsigned n)
{
    (void)n;
}

void arch_cpu_wait_for(unsigned n)
{
    (void)n;
}
