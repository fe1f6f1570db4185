/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces under the hypervisor: each verb is one hypercall of the library. Owns the note of
 * which space and stack each CPU has loaded, so that going back and forth between the threads of
 * one process costs no call.
 */
#include "arch/memory.h"

#include "cpu.h"
#include "printk.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/memory.h>

static struct {
    uint64_t space, stack;
} loaded[MAX_CPUS];

void *arch_page_address(uint64_t frame)
{
    return hv_va(frame << HV_PAGE_SHIFT);
}

uint64_t arch_frame_of(const void *p)
{
    return hv_gfn(p);
}

int64_t arch_space_create(void)
{
    return hv_space_create(HV_SELF);
}

void arch_space_destroy(uint64_t space)
{
    (void)hv_space_end(HV_SELF, space);
}

void arch_space_switch(uint64_t space, uint64_t stack_top)
{
    unsigned cpu = cpu_this()->number;

    if (space == loaded[cpu].space && stack_top == loaded[cpu].stack) {
        return;
    }
    if (hv_switch(space, stack_top) < 0) {
        panic("space %lu cannot be loaded", (unsigned long)space);
    }
    loaded[cpu].space = space;
    loaded[cpu].stack = stack_top;
}

int arch_space_map(uint64_t space, uint64_t address, uint64_t frame, uint32_t count,
                   unsigned rights)
{
    return (int)hv_map_range(HV_SELF, space, address, frame, count, rights);
}

int arch_space_unmap(uint64_t space, uint64_t address, uint32_t count)
{
    return (int)hv_unmap_range(HV_SELF, space, address, count);
}
