/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The architecture that pvguest's portable code meets on the host: RAM is an array, the clock is a
 * variable that the test moves, interrupts are a flag.
 */
#include "host_pv.h"

#include "arch/cpu.h"
#include "arch/memory.h"
#include "cpu.h"
#include "printk.h"

#include <stdio.h>
#include <stdlib.h>

_Alignas(4096) unsigned char host_ram[HOST_PAGES * 4096u];
uint64_t host_now;
uint64_t host_timer;
bool host_irqs_off;

void *arch_page_address(uint64_t frame)
{
    return host_ram + frame * 4096u;
}

uint64_t arch_frame_of(const void *p)
{
    return (uint64_t)((const unsigned char *)p - host_ram) / 4096u;
}

uint64_t arch_irq_save(void)
{
    uint64_t was = host_irqs_off;

    host_irqs_off = true;
    return was;
}

void arch_irq_restore(uint64_t flags)
{
    host_irqs_off = flags != 0;
}

unsigned arch_cpu(void)
{
    return 0;
}

struct cpu cpus[MAX_CPUS];
bool cpus_share;

unsigned cpu_count(void)
{
    return 1;
}

uint64_t arch_clock_ns(void)
{
    return host_now;
}

uint64_t arch_wall_ns(void)
{
    return host_now;
}

void arch_timer_set(uint64_t deadline)
{
    host_timer = deadline;
}

void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    abort();
}
