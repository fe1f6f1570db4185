/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many threads on all CPUs at once: what would go wrong if two of them were in the kernel, if a
 * wake-up were lost, or if a thread or a space were used in two places. Role `storm`; `rounds=`
 * says how long.
 */
#include "clock.h"
#include "cpu.h"
#include "guest.h"
#include "irq.h"
#include "kernel.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"
#include "process.h"
#include "thread.h"

#define PAIRS       8u
#define PROGRAMS    6u
#define MOVES       30u
#define KILLED      (128 + 11)
#define LOOK        50u /* turns that a thread spends inside while it has read and not yet written */
#define MIX         400u
#define TIMES       10u
#define TRIES       1000u
#define PATIENCE_NS (30 * NS_PER_S)

extern const char user_storm_start[], user_storm_end[];

static struct {
    struct wait_queue waiters;
    unsigned rounds;
    unsigned ended;
    unsigned bad;
    uint64_t sum;  /* read, then written: only who is alone in the kernel loses nothing */
    uint64_t seen; /* CPUs that ran a thread, by their bits */
} storm;

static struct pair {
    struct wait_queue turns[2];
    struct mutex lock;
    unsigned turn;
    uint64_t locked;
} pairs[PAIRS];

static struct side {
    struct pair *pair;
    unsigned number;
} sides[PAIRS][2];

static void end_one(void)
{
    storm.ended++;
    wait_wake_all(&storm.waiters);
}

static void wait_for(unsigned threads)
{
    wait_event(&storm.waiters, storm.ended == threads);
    storm.ended = 0;
}

/* Inside the kernel: nobody may come between the two. */
static void add_inside(void)
{
    uint64_t seen = __atomic_load_n(&storm.sum, __ATOMIC_RELAXED);

    for (unsigned i = 0; i < LOOK; i++) {
        (void)__atomic_load_n(&storm.sum, __ATOMIC_RELAXED);
    }
    __atomic_store_n(&storm.sum, seen + 1, __ATOMIC_RELAXED);
    storm.seen |= (uint64_t)1 << cpu_this()->number;
}

static uint64_t mix(uint64_t x)
{
    for (unsigned i = 0; i < MIX; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
    }
    return x;
}

/* Outside, where others are in the kernel: on what is this thread's own. */
static void compute(uint64_t *x)
{
    uint64_t value = *x, inside = mix(value);

    kernel_leave();
    value = mix(value);
    kernel_enter();
    storm.bad += value != inside;
    *x = value;
}

static void use_memory(uint64_t x)
{
    size_t bytes = x % 3000 + 1;
    unsigned char *p = kmalloc(bytes);

    if (!p) {
        storm.bad++;
        return;
    }
    memset(p, (int)(x & 0xff), bytes);
    thread_yield();
    for (size_t i = 0; i < bytes; i++) {
        storm.bad += p[i] != (x & 0xff);
    }
    kfree(p);
}

static void hand_over(struct side *s)
{
    struct pair *p = s->pair;

    wait_event(&p->turns[s->number], p->turn % 2 == s->number);
    p->turn++;
    wait_wake_one(&p->turns[!s->number]);
}

static void stormer(void *arg)
{
    struct side *s = arg;
    uint64_t x = (uint64_t)(uintptr_t)s;

    for (unsigned i = 0; i < storm.rounds; i++) {
        add_inside();
        compute(&x);
        use_memory(x);
        hand_over(s);
        mutex_lock(&s->pair->lock);
        s->pair->locked++;
        thread_yield();
        mutex_unlock(&s->pair->lock);
        if (x % 64 == 0) {
            thread_sleep_ns(x % 100000);
        }
    }
    end_one();
}

static void test_threads(void)
{
    for (unsigned p = 0; p < PAIRS; p++) {
        for (unsigned n = 0; n < 2; n++) {
            sides[p][n] = (struct side){ .pair = &pairs[p], .number = n };
            (void)thread_create("storm", stormer, &sides[p][n]);
        }
    }
    wait_for(2 * PAIRS);
    storm.bad += storm.sum != (uint64_t)storm.rounds * 2 * PAIRS;
    for (unsigned p = 0; p < PAIRS; p++) {
        storm.bad += pairs[p].turn != 2 * storm.rounds || pairs[p].locked != 2 * storm.rounds;
    }
    printk("storm: %u threads, %u rounds, %u wrong\n", 2 * PAIRS, storm.rounds, storm.bad);
}

/* All CPUs at once, or this does not end: each thread waits outside the kernel until as many of
 * them as there are CPUs do. */
static unsigned met;

static void meet(void *arg)
{
    (void)arg;
    kernel_leave();
    (void)__atomic_fetch_add(&met, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&met, __ATOMIC_ACQUIRE) < cpu_count()) {
    }
    kernel_enter();
    storm.seen |= (uint64_t)1 << cpu_this()->number;
    end_one();
}

static void test_all_cpus(void)
{
    uint64_t all = cpu_count() < 64 ? ((uint64_t)1 << cpu_count()) - 1 : ~(uint64_t)0;

    storm.seen = 0;
    for (unsigned i = 0; i < cpu_count(); i++) {
        (void)thread_create("meet", meet, NULL);
    }
    wait_for(cpu_count());
    storm.bad += storm.seen != all;
    printk("storm: %u of %u CPUs met\n", met, cpu_count());
}

/*
 * A CPU idles on a sleeper's stack, where alone the sleeper can go on. It is told of another
 * thread, and then the sleeper is woken: it takes the other one, for good, and has to pass on that
 * the sleeper is anybody's now.
 */
static struct {
    struct wait_queue queue;
    bool woken, ran, over;
} late;

static void sleeper(void *arg)
{
    (void)arg;
    wait_event(&late.queue, late.woken);
    late.ran = true;
    end_one();
}

static void outlast(void *arg)
{
    (void)arg;
    kernel_leave();
    while (!__atomic_load_n(&late.over, __ATOMIC_ACQUIRE)) {
    }
    kernel_enter();
    end_one();
}

static void others_go_on(void)
{
    kernel_leave();
    (void)mix(1);
    kernel_enter();
}

static bool sleeps(const struct thread *t)
{
    for (unsigned i = 0; i < cpu_count(); i++) {
        if (cpus[i].idle && cpus[i].stood == t) {
            return true;
        }
    }
    return false;
}

/* Is it the first of several idle CPUs, the one that is told, where it sleeps? */
static bool told_first(const struct thread *t)
{
    unsigned idle = 0;
    bool first = false;

    for (unsigned i = 0; i < cpu_count(); i++) {
        first = first || (cpus[i].idle && idle == 0 && cpus[i].stood == t);
        idle += cpus[i].idle;
    }
    return first && idle > 1;
}

/* Both at once; true: as above. The sleeper then runs, or this fails. */
static bool wake_late(const struct thread *t)
{
    uint64_t flags = irq_save(), end = clock_ns() + PATIENCE_NS;
    bool as_above = told_first(t);

    late.woken = true;
    if (as_above) {
        (void)thread_create("outlast", outlast, NULL);
    }
    wait_wake_all(&late.queue);
    irq_restore(flags);
    while (as_above && !late.ran && clock_ns() < end) {
        others_go_on();
    }
    storm.bad += as_above && !late.ran;
    __atomic_store_n(&late.over, true, __ATOMIC_RELEASE);
    wait_for(as_above ? 2 : 1);
    return as_above;
}

static void test_passing_on(void)
{
    unsigned times = 0;

    for (unsigned i = 0; cpu_count() > 2 && i < TRIES && times < TIMES && storm.bad == 0; i++) {
        late.woken = late.ran = late.over = false;
        const struct thread *t = thread_create("sleeper", sleeper, NULL);

        while (!sleeps(t)) {
            others_go_on();
        }
        times += wake_late(t);
    }
    storm.bad += cpu_count() > 2 && times < TIMES;
    printk("storm: %u threads passed on, %u wrong\n", times, storm.bad);
}

static void run_program(void)
{
    struct process_result r = { 0 };
    size_t bytes = (size_t)(user_storm_end - user_storm_start);

    if (process_run("storm", user_storm_start, bytes, &r) < 0 || r.status != KILLED) {
        storm.bad++;
    }
}

static void program(void *arg)
{
    (void)arg;
    run_program();
    end_one();
}

static void test_programs(void)
{
    for (unsigned i = 0; i < PROGRAMS; i++) {
        (void)thread_create("program", program, NULL);
    }
    wait_for(PROGRAMS);
    printk("storm: %u programs side by side, %u wrong\n", PROGRAMS, storm.bad);
}

static bool moving;

static void mover(void *arg)
{
    (void)arg;
    while (moving) {
        thread_yield();
        kernel_leave();
        (void)mix(1);
        kernel_enter();
    }
    end_one();
}

/* One program at a time, and on the other CPUs threads that have no space of their own: the
 * program's stays loaded wherever it has been. */
static void test_moves(void)
{
    unsigned movers = cpu_count() + 1;

    moving = true;
    for (unsigned i = 0; i < movers; i++) {
        (void)thread_create("mover", mover, NULL);
    }
    for (unsigned i = 0; i < MOVES; i++) {
        run_program();
    }
    moving = false;
    wait_for(movers);
    printk("storm: %u programs one by one, %u wrong\n", MOVES, storm.bad);
}

static unsigned role_storm(void)
{
    size_t before;

    storm.rounds = (unsigned)option_number("rounds", 300);
    test_all_cpus();
    before = pages_free();
    test_threads();
    test_passing_on();
    test_programs();
    test_moves();
    thread_yield(); /* the last to end has its stack freed by whoever runs next */
    storm.bad += pages_free() + 16 < before;
    printk("STORM cpus=%u %s\n", cpu_count(), storm.bad == 0 ? "ok" : "failed");
    return storm.bad == 0 ? 0 : 1;
}

ROLE("storm", role_storm);
