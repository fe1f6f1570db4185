/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads, wait queues, mutexes and sleeping.
 *
 * Kernel threads are cooperative: one runs until it blocks, sleeps or yields, and while it runs no
 * other does, on whatever CPU (cpu.h). Interrupt handlers run on top of whatever thread runs, with
 * interrupts off, and never block; they wake threads. A user program is preempted: an interrupt
 * that comes in user mode ends with a look at the run queue. Data shared between threads and
 * handlers is touched with interrupts off (irq.h).
 */
#ifndef PVGUEST_THREAD_H
#define PVGUEST_THREAD_H

#include <stdbool.h>
#include <stdint.h>

struct process;
struct thread;
typedef void (*thread_fn)(void *arg);

/** Threads that wait for one thing, in order of arrival. Zero is an empty queue. */
struct wait_queue {
    struct thread *first;
    struct thread *last;
};

/** A lock that blocks; not for interrupt handlers. Zero is unlocked. */
struct mutex {
    struct thread *owner;
    struct wait_queue waiters;
};

#define THREAD_STACK_BYTES 16384u

/** Start a thread that runs fn(arg); panics without memory (threads are made at start). */
struct thread *thread_create(const char *name, thread_fn fn, void *arg);
struct thread *thread_current(void);
const char *thread_name(const struct thread *t);

/** Let the other runnable threads run first; pending interrupts are served in any case. */
void thread_yield(void);
void thread_sleep_ns(uint64_t ns);
_Noreturn void thread_exit(void);

/** Block the calling thread on `q`. Interrupts must be off; they are off again when it returns,
 * and were on in between if no thread was runnable. */
void wait_block(struct wait_queue *q);
/** The same, until absolute time `deadline` at the latest: false when that came first. */
bool wait_block_until(struct wait_queue *q, uint64_t deadline);
/** Make all, or the first, runnable. From threads and handlers. */
void wait_wake_all(struct wait_queue *q);
void wait_wake_one(struct wait_queue *q);

/** Block on `q` until `cond` holds; cond is looked at with interrupts off. */
#define wait_event(q, cond)                                                                        \
    do {                                                                                           \
        uint64_t wait_flags_ = irq_save();                                                         \
        while (!(cond)) {                                                                          \
            wait_block(q);                                                                         \
        }                                                                                          \
        irq_restore(wait_flags_);                                                                  \
    } while (0)

void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

/** Turn the boot's flow of control into the first thread. */
void thread_init(void);

/* For the arch layer, CPUs and the process code. */

/** The last thing before user mode, interrupts off: run others if something was woken or the slice
 * is over, and let go of the kernel. */
void user_return(void);
/** A thread that was not made runnable, and its stack of THREAD_STACK_BYTES; panics without memory.
 */
struct thread *thread_prepare(const char *name, void **stack);
/** Load `space` (0: none) on this CPU, for the calling thread. Interrupts are off. */
void thread_load(uint64_t space);
/** The process of the calling thread, or NULL. */
struct process *thread_process(void);
/** Tie the calling thread to a process and its space (NULL and 0: untie it) and load the space.
 * False: no memory. */
bool thread_set_process(struct process *p, uint64_t space);

#endif
