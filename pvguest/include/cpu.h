/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPUs of the kernel, and its one lock.
 *
 * At most one CPU at a time runs kernel code: it holds the kernel lock. A CPU takes it when it
 * comes from user mode or from idling, and lets go of it on the way back. So all that was right on
 * one CPU stays right: a thread runs until it blocks, and interrupts off keep the handlers of this
 * CPU away while the lock keeps those of the others away. What runs in parallel is user programs,
 * and what a thread computes between kernel_leave() and kernel_enter(). While only one CPU was
 * started there is nobody to keep out and the lock is not touched.
 *
 * Order: interrupts go off before the lock is taken, and on again after it was let go; no CPU waits
 * for anything else while it holds it (who blocks lets another thread run), so that nothing can be
 * taken in the wrong order.
 */
#ifndef PVGUEST_CPU_H
#define PVGUEST_CPU_H

#include "arch/cpu.h"
#include "clock.h"

#include <stdbool.h>
#include <stdint.h>

#define MAX_CPUS 64u

struct thread;

struct cpu {
    unsigned number;
    bool inside; /**< holds the kernel lock; read and written by this CPU alone */
    bool idle;   /**< waits for an interrupt with no thread to run, and was not told of one yet */
    struct thread *current;
    struct thread *dead;  /**< ended; whoever runs next on this CPU frees its stack */
    struct thread *stood; /**< the thread on whose stack this CPU idles */
    uint64_t space;       /**< loaded, also while a kernel thread runs; 0: none */
    uint64_t unload;      /**< a space that it has to let go of */
    uint64_t expiry;      /**< what its one-shot timer is set to; 0: it is off */
    struct timer slice;
};

extern struct cpu cpus[MAX_CPUS];

/** Start the others, as many as `cpus=` allows; from the first thread. */
void cpus_start(void);
/** CPUs that run: cpus[0..cpu_count()-1]. */
unsigned cpu_count(void);

/** May another CPU be in the kernel? Never becomes false again. */
extern bool cpus_share;

/** The one that runs this. Another one after anything that may block. */
static inline struct cpu *cpu_this(void)
{
    return cpus_share ? &cpus[arch_cpu()] : cpus;
}

/* Between user mode and the kernel; interrupts are off. */
void kernel_take(void);
void kernel_release(void);

static inline void kernel_enter_user(void)
{
    if (cpus_share) {
        kernel_take();
    }
}

static inline void kernel_leave_user(void)
{
    if (cpus_share) {
        kernel_release();
    }
}

/** A thread is going to compute on what nobody else touches, and calls no function of the kernel
 * until kernel_enter(). Interrupts are on. */
void kernel_leave(void);
void kernel_enter(void);

/** An interrupt came, whatever this CPU did: take the lock unless this CPU has it. What it returns
 * goes to kernel_interrupt_end(). */
static inline bool kernel_interrupt(void)
{
    if (!cpus_share || cpu_this()->inside) {
        return false;
    }
    kernel_take();
    return true;
}

static inline void kernel_interrupt_end(bool taken)
{
    if (taken) {
        kernel_release();
    }
}

/** Wait for an interrupt, out of the kernel. Interrupts are off, and are off again. */
void cpu_idle(struct thread *on);

void cpu_tell_others(const struct thread *t);

/** A thread became runnable: see that an idle CPU looks, the one that idles on its stack if any. */
static inline void cpu_tell(const struct thread *t)
{
    if (cpus_share) {
        cpu_tell_others(t);
    }
}

/** Wait until no CPU has `space` loaded; no thread may load it any more. May block. */
void cpus_unload(uint64_t space);

/** Called by the architecture for arch_cpu_kick() from another CPU, as an interrupt handler is. */
void cpu_kicked(void);

#endif
