/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time under the hypervisor: the clock record of the shared page, read without a hypercall, and the
 * one-shot timer. Owns nothing.
 */
#include "arch/cpu.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/clock.h>
#include <hvlib/start.h>

uint64_t arch_clock_ns(void)
{
    return hv_now();
}

uint64_t arch_wall_ns(void)
{
    return hv_start_clock() + arch_clock_ns();
}

void arch_timer_set(uint64_t deadline)
{
    (void)hv_set_timer(deadline);
}
