/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simulated machine of host_sim.h.
 */
#include "host_sim.h"

#include "arch/irq.h"
#include "clock.h"
#include "cpu.h"
#include "epoch.h"
#include "event.h"
#include "frame.h"
#include "trace.h"
#include "vcpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define NEVER UINT64_MAX
#define STACK ((size_t)256 * 1024)

struct sim_vcpu sim_vcpu[SIM_VCPUS];
uint32_t sim_vcpus;
uint64_t sim_now, sim_idle_beside_work, sim_idle_ns, sim_interrupts;
uint32_t sim_dirty;

static struct machine_cpu {
    struct cpu cpu;
    uint64_t armed, kicked, done; /* when the timer fires, a kick arrives, its guest is done */
    bool idle;
    uint64_t beside_work; /* idle although somebody waits, since; 0: no */
    uint64_t least;       /* of its queue, the last time */
    ucontext_t context;
    char *stack;
} machine[SIM_CPUS];

/* Where the test's own calls come from: no pCPU, so that each one that they concern is kicked. With
 * one pCPU, which then is all that there is, an interrupt of that one. */
static struct machine_cpu outside = { .cpu.id = SIM_CPUS };
static struct machine_cpu *me = &outside;
static ucontext_t loop;
static irq_handler_t *timer_handler;
static uint64_t random_state;

struct cpu *cpus[CPU_MAX];
uint32_t cpu_count;
uint64_t trace_mask; /* nothing is recorded */

/* ---- what core calls ---- */

struct cpu *this_cpu(void)
{
    return &me->cpu;
}

uint64_t clock_now_ns(void)
{
    return sim_now;
}

uint64_t arch_counter(void)
{
    return sim_now;
}

void trace_record(enum hv_trace_event event, uint64_t a, uint64_t b, uint64_t c)
{
    (void)event, (void)a, (void)b, (void)c;
}

void arch_timer_init(irq_handler_t *handler)
{
    timer_handler = handler;
}

void arch_timer_set(uint64_t deadline_ns)
{
    me->armed = deadline_ns;
}

void cpu_kick(const struct cpu *c)
{
    if (machine[c->id].kicked == NEVER)
        machine[c->id].kicked = sim_now + SIM_KICK_NS;
}

void arch_unload(struct cpu *c)
{
    c->vcpu = NULL;
}

_Noreturn void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

static struct sim_vcpu *guest_of(struct vcpu *v)
{
    return (struct sim_vcpu *)(void *)((char *)v - offsetof(struct sim_vcpu, v));
}

void event_raise_timer(struct vcpu *v)
{
    guest_of(v)->woken = sim_now;
    guest_of(v)->slept = true;
    sched_wake(v, VCPU_BLOCKED);
}

void event_release(struct domain *d, uint64_t now)
{
    (void)d, (void)now;
}

/* ---- a pCPU ---- */

static void interrupts(void)
{
    if (me->armed <= sim_now) {
        me->armed = NEVER;
        sim_interrupts++;
        timer_handler(NULL);
    }
    if (me->kicked <= sim_now) {
        me->kicked = NEVER;
        sim_interrupts++;
        timer_slice(&me->cpu);
    }
}

static void give_up_thread(void)
{
    swapcontext(&me->context, &loop);
}

static void be_idle(uint64_t until)
{
    uint64_t since = sim_now;

    me->idle = true;
    me->done = until;
    give_up_thread();
    me->idle = false;
    me->beside_work = 0;
    sim_idle_ns += sim_now - since;
}

void epoch_idle(struct cpu *c)
{
    if (c != &me->cpu)
        panic("idle on another pCPU");
    be_idle(NEVER);
    interrupts();
}

bool frame_clear_step(void)
{
    if (sim_dirty == 0)
        return false;
    sim_dirty--;
    be_idle(sim_now + SIM_CLEAR_NS);
    return true;
}

void arch_poll(void)
{
    interrupts();
}

/* What vcpu_leave does. */
static struct sim_vcpu *leave(void)
{
    struct cpu *c = &me->cpu;

    while ((__atomic_exchange_n(&c->work, 0, __ATOMIC_RELAXED) & CPU_WORK_RESCHED) ||
           c->vcpu == NULL || c->vcpu->wait) {
        struct vcpu *next = sched_pick(c);

        for (uint32_t i = 0; i < cpu_count; i++)
            if (i != c->id && machine[i].cpu.vcpu == next)
                panic("one vCPU on two pCPUs");
        c->vcpu = next;
    }
    return guest_of(c->vcpu);
}

static uint64_t vary(const struct sim_vcpu *g, uint64_t ns)
{
    uint64_t part = ns * g->jitter / 100;

    return part == 0 ? ns : ns - part + sim_random(2 * part + 1);
}

/* Its burst is over. */
static void act(struct sim_vcpu *g)
{
    g->left = vary(g, g->run);
    if (g->yields == g) {
        sched_pass(&g->v);
    } else if (g->yields != NULL) {
        sched_yield_to(&g->v, &g->yields->v);
    } else if (g->sleep != 0) {
        timer_set(&g->v, TIMER_GUEST, sim_now + vary(g, g->sleep));
        sched_wait(&me->cpu, &g->v, VCPU_BLOCKED);
    }
}

static void note_start(struct sim_vcpu *g)
{
    if (g->woken != 0) {
        uint64_t waited = sim_now - g->woken;

        if (waited > g->latency)
            g->latency = waited;
        if (g->slept && waited > g->wake_latency)
            g->wake_latency = waited;
    }
    g->slept = false;
    g->woken = 0;
    g->moves += g->where != me->cpu.id;
    g->where = me->cpu.id;
}

static void pcpu(void)
{
    for (;;) {
        struct sim_vcpu *g = leave();
        uint64_t since = sim_now;

        if (g->woken != 0 || g->where != me->cpu.id)
            note_start(g);
        me->done = g->left == NEVER ? NEVER : sim_now + g->left;
        give_up_thread();
        if (g->left != NEVER)
            g->left -= sim_now - since;
        g->woken = sim_now; /* should it be taken off now */
        interrupts();
        if (g->left == 0)
            act(g);
        if ((me->cpu.work & CPU_WORK_RESCHED) == 0 && g->v.wait == 0)
            g->woken = 0;
    }
}

/* ---- the loop ---- */

static bool is_due(const struct machine_cpu *c)
{
    return c->armed <= sim_now || c->kicked <= sim_now || c->done <= sim_now;
}

/* After all that was due: idle pCPUs beside work, and whether queues only move on. */
static void check(void)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct machine_cpu *c = &machine[i];
        const struct sched_queue *q = (const void *)((const char *)c->cpu.slice_end -
                                                     offsetof(struct sched_queue, slice_end));
        bool beside = false;

        if (q->least < c->least)
            panic("pCPU %u: its queue went back", i);
        c->least = q->least;
        for (uint32_t n = 0; c->idle && n < sim_vcpus && !beside; n++) {
            const struct vcpu *v = &sim_vcpu[n].v;

            beside = v->wait == 0 && v->run_state == HV_RUN_RUNNABLE && v->sched.affinity >> i & 1;
        }
        if (!beside)
            c->beside_work = 0;
        else if (c->beside_work == 0)
            c->beside_work = sim_now;
        else if (sim_now - c->beside_work > sim_idle_beside_work)
            sim_idle_beside_work = sim_now - c->beside_work;
    }
}

/* The next instant at which something happens. */
static uint64_t next_instant(uint64_t until)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        const struct machine_cpu *c = &machine[i];
        uint64_t first = c->armed < c->kicked ? c->armed : c->kicked;

        first = c->done < first ? c->done : first;
        until = first < until ? first : until;
    }
    return until > sim_now ? until : sim_now;
}

void sim_run(uint64_t ns)
{
    uint64_t until = sim_now + ns;

    if (cpu_count == 1 && (machine[0].idle || machine[0].cpu.work != 0))
        machine[0].kicked = sim_now;
    for (;;) {
        bool any = false;

        for (uint32_t i = 0; i < cpu_count; i++) {
            while (is_due(&machine[i])) {
                me = &machine[i];
                swapcontext(&loop, &me->context);
                any = true;
            }
        }
        if (any)
            continue;
        check();
        if (sim_now == until)
            break;
        sim_now = next_instant(until);
    }
    me = cpu_count > 1 ? &outside : &machine[0];
}

static void start_coroutine(struct machine_cpu *c)
{
    getcontext(&c->context);
    c->context.uc_stack.ss_sp = c->stack;
    c->context.uc_stack.ss_size = STACK;
    makecontext(&c->context, pcpu, 0);
}

void sim_start(uint32_t count, uint64_t seed)
{
    random_state = 88172645463325252u + seed * 2654435761u;
    memset(sim_vcpu, 0, sizeof(sim_vcpu));
    sim_vcpus = 0;
    sim_idle_beside_work = sim_idle_ns = sim_interrupts = 0;
    sim_dirty = 0;
    sim_now = 1000;
    cpu_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct machine_cpu *c = &machine[i];

        if (c->stack == NULL)
            c->stack = malloc(STACK);
        memset(&c->cpu, 0, sizeof(c->cpu));
        c->cpu.id = i;
        c->armed = c->done = NEVER;
        c->kicked = sim_now; /* it looks for work */
        c->idle = false;
        c->least = c->beside_work = 0;
        cpus[i] = &c->cpu;
        start_coroutine(c);
    }
    me = cpu_count > 1 ? &outside : &machine[0];
    sched_init();
    timer_init();
}

struct sim_vcpu *sim_add(uint32_t weight, uint64_t run, uint64_t sleep)
{
    struct sim_vcpu *g = &sim_vcpu[sim_vcpus++];

    g->v.domain = &g->d;
    g->v.page = &g->page;
    g->d.weight = weight;
    g->run = run;
    g->sleep = sleep;
    g->left = run != 0 ? run : NEVER;
    g->begun = sim_now;
    me = &machine[0];
    sched_add(&g->v);
    me = cpu_count > 1 ? &outside : &machine[0];
    g->woken = sim_now;
    sched_wake(&g->v, VCPU_OFFLINE);
    return g;
}

uint64_t sim_random(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % below;
}

uint64_t sim_cpu_ns(const struct sim_vcpu *g)
{
    struct hv_vcpu_info info;

    (void)sched_info(&g->v, &info);
    return info.time[HV_RUN_RUNNING];
}
