/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time under the hypervisor: the clock record of the shared page, read without a hypercall, and the
 * one-shot timer. Owns nothing.
 */
#include "arch/cpu.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/event.h>
#include <hvlib/start.h>

static uint64_t read_tsc(void)
{
    uint32_t low;
    uint32_t high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* The hypervisor makes `version` odd while it writes; this vCPU cannot run meanwhile, but a read
 * may have been interrupted in the middle. */
uint64_t arch_clock_ns(void)
{
    const volatile struct hv_clock *c = &hv_vcpu->clock;
    unsigned __int128 product;
    uint32_t version;
    uint64_t ns;

    do {
        version = c->version;
        product = (unsigned __int128)(read_tsc() - c->tsc_base) * c->mult;
        ns = c->ns_base + (uint64_t)(product >> c->shift);
    } while ((version & 1) != 0 || version != c->version);
    return ns;
}

uint64_t arch_wall_ns(void)
{
    return hv_start_clock() + arch_clock_ns();
}

void arch_timer_set(uint64_t deadline)
{
    (void)hv_set_timer(deadline);
}
