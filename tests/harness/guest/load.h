/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads for tests of the scheduler: children that compute and sleep, and root, which sleeps while
 * it measures them.
 *
 * A child with the role "load" starts all vCPUs that it may have, and each does the same: it
 * computes for `run` ns of its own CPU time (0: for ever), then does what `then` says. What the
 * vCPUs see of themselves they leave in the page shared with root, a line of words each.
 */
#ifndef LOAD_H
#define LOAD_H

#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "test.h"

#define LOAD_MS    UINT64_C(1000000)
#define LOAD_S     UINT64_C(1000000000)
#define LOAD_VCPUS 16u

/* Words of the shared page: these, then LOAD_LINE words a vCPU from LOAD_FIRST on. */
enum { LOAD_STOP, LOAD_SENT, LOAD_FIRST = 32 };
enum { LOAD_WAKES, LOAD_LATE, LOAD_RAN, LOAD_UP, LOAD_LINE = 8 };

enum load_then {
    LOAD_LOOPS,  /* goes on */
    LOAD_SLEEPS, /* for `sleep` ns */
    LOAD_PHASE,  /* until the next multiple of `sleep` ns since boot */
    LOAD_YIELDS,
    LOAD_WAITS, /* for an event of root's, who says in LOAD_SENT when it was sent */
};

/* A while of instructions that an emulator is quick with: about LOAD_STEP of them. */
#define LOAD_STEP 250u
static inline void load_step(void)
{
    __asm__ volatile(".rept 240\n\tnop\n\t.endr" ::: "memory");
}

/* ---- root ---- */

/* Sleeps, so that the children have the processor to themselves. */
static inline void load_sleep_until(uint64_t end)
{
    static uint64_t port;
    bool was = hv_mask();

    if (port == 0)
        port = (uint64_t)NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, NULL, NULL));
    while (hv_now() < end) {
        NEED(hv_set_timer(end));
        hv_wait();
    }
    hv_restore(was);
}

static inline void load_sleep(uint64_t ns)
{
    load_sleep_until(hv_now() + ns);
}

struct load {
    uint32_t weight, vcpus, cap; /* 0: the usual 256, 1, none */
    enum load_then then;
    uint64_t run, sleep;
    uint64_t dom;
    uint64_t before, ran; /* CPU time: when it was measured from, and since */
};

static inline void load_start(struct load *l)
{
    char arguments[64];

    hv_snprintf(arguments, sizeof arguments, "run=%lu then=%u sleep=%lu", l->run, l->then,
                l->sleep);
    test_options = (struct test_options){ .weight = l->weight, .vcpus = l->vcpus };
    l->dom = test_build("load", 192, arguments);
    test_options = (struct test_options){ 0 };
    if (l->cap != 0)
        NEED(hv_sched_set(l->dom, l->weight ? l->weight : 256, l->cap));
    NEED(hv_domain_start(l->dom));
}

static inline volatile uint64_t *load_line(const struct load *l, uint32_t vcpu)
{
    return test_shared(l->dom) + LOAD_FIRST + vcpu * LOAD_LINE;
}

/* Starts them and waits until all their vCPUs run. */
static inline void load_start_all(struct load *l, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        load_start(&l[i]);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t n = 0; n < (l[i].vcpus ? l[i].vcpus : 1); n++)
            while (load_line(&l[i], n)[LOAD_UP] == 0)
                load_sleep(LOAD_MS);
}

static inline void load_end_all(const struct load *l, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        test_destroy(l[i].dom);
}

/* What each runs in a while; returns how long it was to the nanosecond. */
static inline uint64_t load_measure(struct load *l, uint32_t count, uint64_t ns)
{
    uint64_t start = hv_now();

    for (uint32_t i = 0; i < count; i++)
        l[i].before = test_info(l[i].dom).cpu_ns;
    load_sleep(ns);
    for (uint32_t i = 0; i < count; i++)
        l[i].ran = test_info(l[i].dom).cpu_ns - l[i].before;
    return hv_now() - start;
}

/* `is` within `percent` of what is due; printed either way. */
static inline void load_expect(const char *what, uint64_t is, uint64_t due, uint64_t percent)
{
    int64_t off = ((int64_t)is - (int64_t)due) * 10000 / (int64_t)due;

    hv_printf("%s: %lu us, due %lu us, off by %ld / 10,000\n", what, is / 1000, due / 1000, off);
    if (off > (int64_t)percent * 100 || off < -(int64_t)percent * 100)
        test_failure("%s: %lu ns, not %lu", what, is, due);
}

/* ---- a child ---- */

struct load_self {
    uint64_t run, sleep;
    enum load_then then;
    volatile bool told;
};

static inline void load_tell(uint32_t port, void *arg)
{
    (void)port;
    *(volatile bool *)arg = true;
}

static inline uint64_t load_ran(void)
{
    struct hv_runstate r;

    hv_run_state(&r);
    return r.time[HV_RUN_RUNNING] + hv_now() - r.since;
}

static inline void load_compute(uint64_t ns)
{
    uint64_t end = load_ran() + ns;

    while (load_ran() < end)
        load_step();
}

/* Until `told`, which an event sets; how long after `*since` it went on is noted. */
static inline void load_wait(volatile uint64_t *line, volatile bool *told,
                             const volatile uint64_t *since)
{
    uint64_t late;

    while (!*told)
        hv_wait();
    *told = false;
    late = hv_now() - *since;
    line[LOAD_WAKES] = line[LOAD_WAKES] + 1;
    if (late > line[LOAD_LATE])
        line[LOAD_LATE] = late;
}

static inline void load_be(void *arg)
{
    static struct load_self all[LOAD_VCPUS];
    uint32_t n = hv_vcpu_number();
    volatile uint64_t *shared = test_shared(TEST_PARENT),
                      *line = shared + LOAD_FIRST + n * LOAD_LINE;
    struct load_self *me = &all[n];
    uint64_t due;

    (void)arg;
    me->run = test_argument("run", 0);
    me->sleep = test_argument("sleep", 0);
    me->then = (enum load_then)test_argument("then", 0);
    hv_mask();
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, n, load_tell, (void *)(uintptr_t)&me->told));
    if (me->then == LOAD_WAITS)
        NEED(hv_event_handler(test_port(TEST_PARENT), load_tell, (void *)(uintptr_t)&me->told));
    line[LOAD_UP] = 1;
    while (me->run == 0)
        load_step();
    while (shared[LOAD_STOP] == 0) {
        load_compute(me->run);
        if (me->then == LOAD_YIELDS)
            hv_yield();
        due = hv_now() + me->sleep;
        if (me->then == LOAD_PHASE)
            due -= due % me->sleep;
        if (me->then == LOAD_SLEEPS || me->then == LOAD_PHASE) {
            NEED(hv_set_timer(due));
            load_wait(line, &me->told, &due);
        } else if (me->then == LOAD_WAITS) {
            load_wait(line, &me->told, &shared[LOAD_SENT]);
        }
        line[LOAD_RAN] = load_ran();
    }
}

/* For test_main: true when this was a child of load_start's. */
static inline bool load_main(void)
{
    static char stacks[LOAD_VCPUS][16384] __attribute__((aligned(4096)));

    if (!test_is("load"))
        return false;
    for (uint32_t n = 1; n < hv_vcpu_limit(); n++)
        NEED(hv_vcpu_start(n, load_be, NULL, stacks[n], sizeof stacks[n]));
    load_be(NULL);
    return true;
}

#endif
