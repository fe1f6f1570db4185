/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time and timers. Owns the list of armed timers, sorted by deadline and one for all CPUs; some
 * CPU's one-shot timer is always set to the first of them or earlier, so that a timeout armed and
 * cancelled with each request of a driver sets it once in a while, not every time. Touched with the
 * kernel lock held and interrupts off only.
 */
#include "clock.h"

#include "arch/cpu.h"
#include "cpu.h"
#include "irq.h"

#include <stddef.h>

static struct timer *armed;

#define NEVER UINT64_MAX

static uint64_t earliest = NEVER; /* of what the CPUs' timers are set to */

/* On the CPU that runs this. */
static void program(uint64_t deadline)
{
    cpu_this()->expiry = deadline;
    earliest = deadline;
    arch_timer_set(deadline);
}

/* This CPU's timer is off now. */
static void expired(void)
{
    cpu_this()->expiry = 0;
    earliest = NEVER;
    for (unsigned i = 0; cpus_share && i < cpu_count(); i++) {
        earliest = cpus[i].expiry && cpus[i].expiry < earliest ? cpus[i].expiry : earliest;
    }
}

uint64_t clock_ns(void)
{
    return arch_clock_ns();
}

uint64_t clock_wall_ns(void)
{
    return arch_wall_ns();
}

static void list_remove(struct timer *t)
{
    struct timer **p = &armed;

    while (*p != t) {
        p = &(*p)->next;
    }
    *p = t->next;
    t->queued = false;
}

static void list_insert(struct timer *t)
{
    struct timer **p = &armed;

    while (*p && (*p)->deadline <= t->deadline) {
        p = &(*p)->next;
    }
    t->next = *p;
    *p = t;
    t->queued = true;
}

void timer_set(struct timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg)
{
    uint64_t flags = irq_save();

    if (t->queued) {
        list_remove(t);
    }
    t->deadline = deadline;
    t->fn = fn;
    t->arg = arg;
    list_insert(t);
    if (deadline < earliest) {
        program(deadline);
    }
    irq_restore(flags);
}

/* The hardware timer is left as it is: an interrupt too many finds nothing due and sets it right.
 */
void timer_cancel(struct timer *t)
{
    uint64_t flags = irq_save();

    if (t->queued) {
        list_remove(t);
    }
    irq_restore(flags);
}

void timer_interrupt(void)
{
    expired();
    while (armed && armed->deadline <= clock_ns()) {
        struct timer *t = armed;

        list_remove(t);
        t->fn(t->arg);
    }
    if (armed && armed->deadline < earliest) {
        program(armed->deadline);
    }
}
