/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads and the run queue. Owns the list of runnable threads, which is one for all CPUs, and the
 * thread that runs on each; they are touched with the kernel lock held and interrupts off only.
 * Invariant: a thread is in exactly one place: running, in the run queue, in one wait queue, or
 * dead.
 *
 * The lowest word of a stack holds a mark; a thread that overran its stack is found at its next
 * switch, before anything that it ran over is used by a thread that does not expect it.
 *
 * There is no idle thread: a thread that blocks while nobody is runnable waits for an interrupt on
 * its own stack, and simply goes on when that interrupt wakes it. Meanwhile its CPU is out of the
 * kernel: no other CPU may run that thread, since its registers were not saved and its stack is
 * used.
 */
#include "thread.h"

#include "arch/cpu.h"
#include "arch/memory.h"
#include "clock.h"
#include "cpu.h"
#include "irq.h"
#include "mem.h"
#include "printk.h"

#define STACK_PAGES (THREAD_STACK_BYTES / PAGE_SIZE)
#define SLICE_NS    (10 * NS_PER_MS)
#define STACK_MARK  ((uint64_t)0x57ac4e4dc0ffee11)

struct thread {
    struct arch_context context;
    struct thread *next; /* in the run queue or a wait queue */
    struct wait_queue *waiting;
    struct process *process;
    struct cpu *stood; /* the CPU that idles on its stack, which alone may run it */
    uint64_t space;    /* of its process; without one whatever is loaded stays loaded */
    void *state;       /* the program's extended registers while it does not run */
    void *stack;
    uint64_t stack_top;
    thread_fn fn;
    void *arg;
    const char *name;
    struct timer timeout;
    bool timed_out;
};

static struct thread boot_thread;
static struct wait_queue run_queue;

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
    struct cpu *c = cpu_this();
    struct thread *t = c->dead;

    c->dead = NULL;
    if (t) {
        page_free(t->stack, STACK_PAGES);
        kfree(t->state);
        kfree(t);
    }
}

/* The first in the run queue that this CPU may run. */
static struct thread *runnable(const struct cpu *c)
{
    struct thread *t = run_queue.first;

    while (t && t->stood && t->stood != c) {
        t = t->next;
    }
    return t;
}

/* Idle until there is a thread to run; `from`, on whose stack it is, may be it. */
static struct thread *next_thread(struct thread *from)
{
    struct cpu *c = cpu_this();
    struct thread *to = runnable(c);

    if (!to) {
        from->stood = c;
        do {
            cpu_idle(from);
        } while (!(to = runnable(c)));
        from->stood = NULL;
    }
    if (to == run_queue.first) {
        return queue_take(&run_queue);
    }
    queue_remove(&run_queue, to);
    return to;
}

static void load_user(struct cpu *c, const struct thread *to)
{
    c->space = to->space;
    arch_space_switch(to->space, to->stack_top);
    arch_state_load(to->state);
}

/* Run the next runnable thread; the caller has put the current one where it belongs. */
static void schedule(void)
{
    struct cpu *c = cpu_this();
    struct thread *from = c->current;
    struct thread *to = next_thread(from);

    if (from->stack && *(uint64_t *)from->stack != STACK_MARK) {
        panic("thread %s overran its stack", from->name);
    }
    if (to == from) {
        return;
    }
    /* `from` was this CPU's alone while it idled there, and may have been woken then. */
    if (run_queue.first) {
        cpu_tell(run_queue.first);
    }
    if (from->process) {
        arch_state_save(from->state);
    }
    c->current = to;
    if (to->process) {
        load_user(c, to);
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
    cpu_this()->current = &boot_thread;
}

struct thread *thread_prepare(const char *name, void **stack)
{
    struct thread *t = kmalloc(sizeof(*t));

    if (!t || !(t->stack = page_alloc(STACK_PAGES))) {
        panic("no memory for thread %s", name);
    }
    *(uint64_t *)t->stack = STACK_MARK;
    t->stack_top = (uint64_t)t->stack + THREAD_STACK_BYTES;
    t->name = name;
    *stack = t->stack;
    return t;
}

static void make_runnable(struct thread *t)
{
    queue_add(&run_queue, t);
    cpu_tell(t);
}

struct thread *thread_create(const char *name, thread_fn fn, void *arg)
{
    void *stack;
    struct thread *t = thread_prepare(name, &stack);
    uint64_t flags;

    t->fn = fn;
    t->arg = arg;
    arch_context_init(&t->context, t->stack_top, thread_entry, t);
    flags = irq_save();
    make_runnable(t);
    irq_restore(flags);
    return t;
}

struct thread *thread_current(void)
{
    return cpu_this()->current;
}

const char *thread_name(const struct thread *t)
{
    return t->name;
}

void thread_yield(void)
{
    uint64_t flags = irq_save();

    if (run_queue.first) {
        queue_add(&run_queue, thread_current());
        schedule();
    }
    irq_restore(flags);
}

void thread_exit(void)
{
    (void)irq_save();
    cpu_this()->dead = thread_current();
    schedule();
    panic("a dead thread runs");
}

void wait_block(struct wait_queue *q)
{
    struct thread *t = thread_current();

    t->waiting = q;
    queue_add(q, t);
    schedule();
}

static void wake(struct thread *t)
{
    t->waiting = NULL;
    make_runnable(t);
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
    struct thread *t = thread_current();

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
        m->owner = thread_current();
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

/* That the interrupt came is enough: user_return() runs behind it. It came to the CPU that armed
 * the timer, or to the one whose own was due earlier. */
static void slice_over(void *arg)
{
    struct cpu *c = arg;

    if (c != cpu_this()) {
        arch_cpu_kick(c->number);
    }
}

static void preempt(void)
{
    struct cpu *c;

    thread_yield();
    c = cpu_this();
    if (run_queue.first) {
        timer_set(&c->slice, clock_ns() + SLICE_NS, slice_over, c);
    }
}

void user_return(void)
{
    if (run_queue.first) {
        preempt();
    }
    kernel_leave_user();
}

struct process *thread_process(void)
{
    return thread_current()->process;
}

void thread_load(uint64_t space)
{
    struct cpu *c = cpu_this();

    c->space = space;
    arch_space_switch(space, c->current->stack_top);
}

bool thread_set_process(struct process *p, uint64_t space)
{
    struct thread *t = thread_current();
    uint64_t flags;

    if (p && !t->state && !(t->state = kmalloc(arch_state_bytes()))) {
        return false;
    }
    flags = irq_save();
    t->process = p;
    t->space = space;
    thread_load(space);
    if (p) {
        arch_state_init(t->state);
        arch_state_load(t->state);
    }
    irq_restore(flags);
    return true;
}
