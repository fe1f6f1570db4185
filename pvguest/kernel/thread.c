/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads and the run queue. Owns the list of runnable threads and the thread that runs; both are
 * touched with interrupts off only. Invariant: a thread is in exactly one place: running, in the
 * run queue, in one wait queue, or dead.
 *
 * The lowest word of a stack holds a mark; a thread that overran its stack is found at its next
 * switch, before anything that it ran over is used by a thread that does not expect it.
 *
 * There is no idle thread: a thread that blocks while nobody is runnable waits for an interrupt on
 * its own stack, and simply goes on when that interrupt wakes it.
 */
#include "thread.h"

#include "arch/cpu.h"
#include "arch/memory.h"
#include "clock.h"
#include "irq.h"
#include "mem.h"
#include "printk.h"

#define STACK_PAGES 4u
#define SLICE_NS    (10 * NS_PER_MS)
#define STACK_MARK  ((uint64_t)0x57ac4e4dc0ffee11)

struct thread {
    struct arch_context context;
    struct thread *next; /* in the run queue or a wait queue */
    struct wait_queue *waiting;
    struct process *process;
    uint64_t space; /* 0: none, whatever is loaded stays loaded */
    void *stack;
    uint64_t stack_top;
    thread_fn fn;
    void *arg;
    const char *name;
    struct timer timeout;
    bool timed_out;
};

static struct thread boot_thread;
static struct thread *current = &boot_thread;
struct wait_queue thread_run_queue;
static struct thread *dead; /* ended; its stack is freed by whoever runs next */
static struct timer slice;

static void queue_add(struct wait_queue *q, struct thread *t)
{
    t->next = NULL;
    if (q->last) {
        q->last->next = t;
    } else {
        q->first = t;
    }
    q->last = t;
}

static struct thread *queue_take(struct wait_queue *q)
{
    struct thread *t = q->first;

    q->first = t->next;
    if (!q->first) {
        q->last = NULL;
    }
    return t;
}

static void queue_remove(struct wait_queue *q, struct thread *t)
{
    struct thread *before = NULL;

    for (struct thread *s = q->first; s != t; s = s->next) {
        before = s;
    }
    if (before) {
        before->next = t->next;
    } else {
        q->first = t->next;
    }
    if (q->last == t) {
        q->last = before;
    }
}

/* The thread that ended last can only be freed once nobody stands on its stack. */
static void reap(void)
{
    struct thread *t = dead;

    dead = NULL;
    if (t) {
        page_free(t->stack, STACK_PAGES);
        kfree(t);
    }
}

/* Run the next runnable thread; the caller has put `current` where it belongs. */
static void schedule(void)
{
    struct thread *from = current;
    struct thread *to;

    while (!thread_run_queue.first) {
        arch_idle();
    }
    if (from->stack && *(uint64_t *)from->stack != STACK_MARK) {
        panic("thread %s overran its stack", from->name);
    }
    to = queue_take(&thread_run_queue);
    if (to == from) {
        return;
    }
    current = to;
    if (to->space != 0) {
        arch_space_switch(to->space, to->stack_top);
    }
    arch_context_switch(&from->context, &to->context);
    reap();
}

static void thread_entry(void *arg)
{
    struct thread *t = arg;

    reap();
    irq_restore(0);
    t->fn(t->arg);
    thread_exit();
}

void thread_init(void)
{
    boot_thread.name = "main";
}

struct thread *thread_create(const char *name, thread_fn fn, void *arg)
{
    struct thread *t = kmalloc(sizeof(*t));
    uint64_t flags;

    if (!t || !(t->stack = page_alloc(STACK_PAGES))) {
        panic("no memory for thread %s", name);
    }
    *(uint64_t *)t->stack = STACK_MARK;
    t->stack_top = (uint64_t)t->stack + STACK_PAGES * PAGE_SIZE;
    t->name = name;
    t->fn = fn;
    t->arg = arg;
    arch_context_init(&t->context, t->stack_top, thread_entry, t);
    flags = irq_save();
    queue_add(&thread_run_queue, t);
    irq_restore(flags);
    return t;
}

struct thread *thread_current(void)
{
    return current;
}

const char *thread_name(const struct thread *t)
{
    return t->name;
}

void thread_yield(void)
{
    uint64_t flags = irq_save();

    if (thread_run_queue.first) {
        queue_add(&thread_run_queue, current);
        schedule();
    }
    irq_restore(flags);
}

void thread_exit(void)
{
    (void)irq_save();
    dead = current;
    schedule();
    panic("a dead thread runs");
}

void wait_block(struct wait_queue *q)
{
    current->waiting = q;
    queue_add(q, current);
    schedule();
}

static void wake(struct thread *t)
{
    t->waiting = NULL;
    queue_add(&thread_run_queue, t);
}

void wait_wake_one(struct wait_queue *q)
{
    uint64_t flags = irq_save();

    if (q->first) {
        wake(queue_take(q));
    }
    irq_restore(flags);
}

void wait_wake_all(struct wait_queue *q)
{
    uint64_t flags = irq_save();

    while (q->first) {
        wake(queue_take(q));
    }
    irq_restore(flags);
}

/* The timer of a wait with a deadline: takes the thread out of the queue in which it still waits.
 */
static void wait_timeout(void *arg)
{
    struct thread *t = arg;

    if (t->waiting) {
        queue_remove(t->waiting, t);
        t->timed_out = true;
        wake(t);
    }
}

bool wait_block_until(struct wait_queue *q, uint64_t deadline)
{
    struct thread *t = current;

    t->timed_out = false;
    timer_set(&t->timeout, deadline, wait_timeout, t);
    wait_block(q);
    timer_cancel(&t->timeout);
    return !t->timed_out;
}

void thread_sleep_ns(uint64_t ns)
{
    struct wait_queue nobody = { 0 };
    uint64_t flags = irq_save();

    (void)wait_block_until(&nobody, clock_ns() + ns);
    irq_restore(flags);
}

void mutex_lock(struct mutex *m)
{
    uint64_t flags = irq_save();

    if (m->owner) {
        wait_block(&m->waiters); /* mutex_unlock hands it over */
    } else {
        m->owner = current;
    }
    irq_restore(flags);
}

void mutex_unlock(struct mutex *m)
{
    uint64_t flags = irq_save();

    m->owner = m->waiters.first;
    wait_wake_one(&m->waiters);
    irq_restore(flags);
}

static void slice_over(void *arg)
{
    (void)arg; /* that the interrupt came is enough: thread_preempt runs behind it */
}

void thread_preempt(void)
{
    if (!thread_run_queue.first) {
        return;
    }
    thread_yield();
    if (thread_run_queue.first) {
        timer_set(&slice, clock_ns() + SLICE_NS, slice_over, NULL);
    }
}

struct process *thread_process(void)
{
    return current->process;
}

void thread_set_process(struct process *p, uint64_t space)
{
    uint64_t flags = irq_save();

    current->process = p;
    current->space = space;
    arch_space_switch(space, current->stack_top);
    irq_restore(flags);
}
