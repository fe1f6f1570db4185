/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUs: the kernel lock, idling, telling an idle CPU that there is work, starting. Owns the records
 * of the CPUs, which are touched with the kernel lock held (`inside` alone is its CPU's own).
 *
 * No wake-up is lost: a CPU that found nothing to run marks itself idle before it lets go of the
 * lock, with interrupts off; who makes a thread runnable holds the lock, sees the mark, and raises
 * an interrupt, which waits until that CPU idles or ends its idling at once.
 */
#include "cpu.h"

#include "arch/cpu.h"
#include "arch/memory.h"
#include "irq.h"
#include "kernel.h"
#include "mem.h"
#include "printk.h"
#include "thread.h"

#define MOMENTS 16u /* to wait for the lock before sleeping */

struct cpu cpus[MAX_CPUS] = { [0] = { .inside = true } };
static unsigned started = 1;
bool cpus_share;

/* Number of the CPU that holds the kernel lock, + 1; 0: nobody. */
static unsigned holder;
static uint64_t
    sleepers; /* CPUs that sleep until it is let go of, or are about to, by their bits */

static struct wait_queue unloaded;

unsigned cpu_count(void)
{
    return started;
}

/* --- the lock --- */

/* No wake-up is lost: who sleeps sets its bit and then reads the holder, who lets go of the lock
 * clears the holder and then reads the bits. One of both sees the other. */
static void sleep_for_lock(const struct cpu *c)
{
    uint64_t bit = (uint64_t)1 << c->number;

    (void)__atomic_fetch_or(&sleepers, bit, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&holder, __ATOMIC_SEQ_CST) != 0) {
        arch_cpu_sleep();
    }
    (void)__atomic_fetch_and(&sleepers, ~bit, __ATOMIC_SEQ_CST);
}

/* Who waits says for whom: under a hypervisor the holder may be a CPU that does not run, and to
 * spin would keep it from running. It may also wait itself, for an access to an emulated device:
 * who has waited for long sleeps until the lock is let go of. */
void kernel_take(void)
{
    struct cpu *c = cpu_this();
    unsigned by = 0;

    for (unsigned moments = 0; !__atomic_compare_exchange_n(&holder, &by, c->number + 1, false,
                                                            __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
         moments++, by = 0) {
        if (moments >= MOMENTS) {
            sleep_for_lock(c);
        } else if (by != 0) {
            arch_cpu_wait_for(by - 1);
        }
    }
    c->inside = true;
}

/* One sleeper is woken, the next by number; it wakes the one behind when it lets go in turn. */
void kernel_release(void)
{
    struct cpu *c = cpu_this();
    uint64_t all, behind;

    c->inside = false;
    __atomic_store_n(&holder, 0, __ATOMIC_SEQ_CST);
    all = __atomic_load_n(&sleepers, __ATOMIC_SEQ_CST);
    if (all != 0) {
        behind = all & ~(uint64_t)1 << c->number;
        arch_cpu_wake((unsigned)__builtin_ctzll(behind ? behind : all));
    }
}

void kernel_leave(void)
{
    uint64_t flags = irq_save();

    kernel_leave_user();
    irq_restore(flags);
}

void kernel_enter(void)
{
    uint64_t flags = irq_save();

    kernel_enter_user();
    irq_restore(flags);
}

/* --- idling --- */

void cpu_idle(struct thread *on)
{
    struct cpu *c = cpu_this();

    if (!cpus_share) {
        arch_idle();
        return;
    }
    c->stood = on;
    c->idle = true;
    kernel_release();
    arch_idle();
    kernel_take();
    c->idle = false;
    c->stood = NULL;
}

static struct cpu *idle_cpu(const struct thread *t)
{
    struct cpu *found = NULL;

    for (unsigned i = 0; i < started; i++) {
        struct cpu *c = &cpus[i];

        if (c->stood == t) {
            return c;
        }
        if (c->idle && (!found || c == cpu_this())) {
            found = c;
        }
    }
    return found;
}

void cpu_tell_others(const struct thread *t)
{
    struct cpu *c = idle_cpu(t);

    /* This one looks by itself, and so does one that was told already. */
    if (c && c->idle) {
        c->idle = false;
        if (c != cpu_this()) {
            arch_cpu_kick(c->number);
        }
    }
}

/* --- spaces that end --- */

/* A CPU keeps a space loaded while it runs kernel threads or idles. True: one still has it. */
static bool ask_to_unload(uint64_t space)
{
    bool left = false;

    for (unsigned i = 0; i < started; i++) {
        if (cpus[i].space == space && &cpus[i] == cpu_this()) {
            thread_load(0);
        } else if (cpus[i].space == space) {
            cpus[i].unload = space;
            arch_cpu_kick(i);
            left = true;
        }
    }
    return left;
}

void cpus_unload(uint64_t space)
{
    wait_event(&unloaded, !ask_to_unload(space));
}

void cpu_kicked(void)
{
    struct cpu *c = cpu_this();

    if (c->unload != 0) {
        if (c->space == c->unload) {
            thread_load(0);
        }
        c->unload = 0;
        wait_wake_all(&unloaded);
    }
}

/* --- starting --- */

/* The first flow of control of another CPU: a thread that ends at once, as others take over. */
static void cpu_main(void *arg)
{
    kernel_take();
    cpu_this()->current = arg;
    thread_exit();
}

/* What is not there, or does not come, is left out. */
static void cpu_start(void)
{
    void *stack;
    struct thread *t = thread_prepare("cpu", &stack);

    cpus[started].number = started;
    if (!arch_cpu_start(started, stack, THREAD_STACK_BYTES, cpu_main, t)) {
        printk("a CPU does not start\n");
        return; /* its stack stays its own: it may come yet */
    }
    started++;
}

void cpus_start(void)
{
    uint64_t there = arch_cpus();
    uint64_t wanted = option_number("cpus", image_cpus);

    wanted = wanted < there ? wanted : there;
    wanted = wanted < MAX_CPUS ? wanted : MAX_CPUS;
    if (wanted < 2) {
        return;
    }
    holder = 1;
    cpus_share = true;
    for (unsigned n = 1; n < wanted; n++) {
        cpu_start();
    }
    printk("%u CPUs\n", started);
}
