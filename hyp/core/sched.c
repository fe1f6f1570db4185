/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's mechanism: run queues, run-states, wake-ups across pCPUs. What is decided by them
 * is sched_policy.h's.
 *
 * vcpu.cpu names the queue that a vCPU belongs to. It changes under the locks of the queue that it
 * leaves and of the one that it joins, while the vCPU is neither queued nor runs. A vCPU is in one
 * of three places: in the queue, its current, or waiting for something (wait != 0); who has found
 * it in none of them puts it into the queue, or sees that another does.
 *
 * No wake-up is lost between a pCPU that becomes idle and one that queues a vCPU: the first sets
 * its bit of idle_mask, then looks at the queues of the others; the second queues, then reads
 * idle_mask. Each does so with a full barrier between, so that one of them sees the other.
 *
 * vcpu.loaded_on is the pCPU whose registers hold the vCPU's state. One that was put back can be
 * taken by another pCPU at once, which waits in arch_switch until it is saved; each saves what it
 * has before it waits, so that no two wait for each other.
 *
 * The clock is read under the lock of the queue that it is used for: no charge is negative.
 * Locking: run_queue.lock guards the queue, and the sched.c fields of the vCPUs whose cpu it is.
 * vcpu.wait is changed under it, or set by the running vCPU itself; always atomically.
 */
#include "sched.h"
#include "arch/irq.h"
#include "bug.h"
#include "clock.h"
#include "cpu.h"
#include "domain.h"
#include "epoch.h"
#include "frame.h"
#include "lock.h"
#include "runstate.h"
#include "trace.h"
#include "vcpu.h"

struct run_queue {
    struct spinlock lock;
    uint32_t balance_at, looks; /* the pCPU that it looked at last; how often, and when: */
    uint64_t looked;
    struct cpu *cpu;
    struct sched_queue s;
};

static struct run_queue queues[CPU_MAX];
static uint64_t idle_mask; /* bit n: pCPU n has nothing to run, and nothing was sent to it */

static struct vcpu *vcpu_of(struct sched_entity *e) {
    return (struct vcpu *)(void *)((char *)e - offsetof(struct vcpu, sched));
}

void sched_init(void) {
    for (uint32_t i = 0; i < cpu_count; i++) {
        queues[i] = (struct run_queue){ .cpu = cpus[i], .s.least = POLICY_LAG_NS };
        tree_init(&queues[i].s.waiting, arch_counter() + i);
        spin_lock_init(&queues[i].lock, LOCK_SCHED);
        cpus[i]->queue = &queues[i];
        cpus[i]->slice_end = &queues[i].s.slice_end;
    }
    idle_mask = 0;
}

/* Locks the queue that a vCPU belongs to. */
static inline __attribute__((always_inline)) struct run_queue *queue_lock(const struct vcpu *v) {
    for (;;) {
        const struct cpu *c = READ_ONCE(v->cpu);
        struct run_queue *q = c->queue;

        spin_lock(&q->lock);
        if (__builtin_expect(READ_ONCE(v->cpu) == c, 1)) return q;
        spin_unlock(&q->lock);
    }
}

/* ---- pCPUs telling each other ---- */

/* Claims the idle pCPU, which nobody else sends anything to then. */
static bool idle_claim(uint32_t n) {
    uint64_t bit = (uint64_t)1 << n;

    return (__atomic_fetch_and(&idle_mask, ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

/* Somebody waits here, maybe while another pCPU has nothing to do: that may come and take it. The
 * barrier: whoever becomes idle and has not seen what was queued is seen here. */
static __attribute__((noinline)) void call_idle(struct run_queue *q) {
    uint64_t may;

    full_barrier();
    if (READ_ONCE(idle_mask) == 0) return;
    may = (uint64_t)WITH_LOCK(&q->lock, (int64_t)policy_may(&q->s));
    for (uint32_t i = 0; (READ_ONCE(idle_mask) & may) != 0 && i < cpu_count; i++)
        if ((may >> i & 1) && idle_claim(i)) return cpu_kick(cpus[i]);
}

/* Arms the timer of this pCPU for the end of the slice, unless it fires before that anyway. */
static inline void slice_arm(struct cpu *c, const struct sched_queue *s) {
    if (s->slice_end - 1 < c->timer_armed - 1) timer_slice(c);
}

/* The queue of `c` has changed: its timer and, with `resched`, who runs are looked at anew. */
static inline void queue_changed(struct cpu *c, bool resched, bool slice) {
    if (resched) cpu_raise_work(c, CPU_WORK_RESCHED);
    if (c == this_cpu()) {
        if (slice) timer_slice(c);
    } else if (resched || slice) {
        cpu_kick(c);
    }
    /* With `resched` that is looked at when it is chosen. */
    if (!resched && cpu_count > 1) call_idle(c->queue);
}

/* Where that queue stands, in the common time, that is furthest behind. Only those where somebody
 * waits count: who has a pCPU for itself is charged only now and then. */
static int64_t least_of_all(int64_t none) {
    int64_t least = INT64_MAX;

    for (uint32_t i = 0; i < cpu_count; i++) {
        int64_t at = (int64_t)READ_ONCE(queues[i].s.behind) + READ_ONCE(queues[i].s.shift);

        if (READ_ONCE(queues[i].s.waiting.first) != NULL && at < least) least = at;
    }
    return least == INT64_MAX ? none : least;
}

/* Queues a vCPU that is ready, beside `first`; `alone`: blocked, on the only pCPU, and nobody
 * traces. `q` is locked, and unlocked afterwards. */
static inline __attribute__((always_inline)) void
queue_ready(struct run_queue *q, bool alone, struct tree_node *first, struct vcpu *v) {
    struct sched_queue *s = &q->s;
    uint64_t slice = s->slice_end, now = clock_now_ns(), base;
    bool resched;

    v->wakeups++;
    policy_charge(s, first, now);
    base = !alone && cpu_count > 1 ? policy_base(s, least_of_all(INT64_MAX), now) : s->least;
    if (v->sched.node.key + POLICY_LAG_NS < base) policy_slept(&v->sched, base - POLICY_LAG_NS);
    tree_insert_at(&s->waiting, first, &v->sched.node);
    run_state_change(v, alone ? HV_RUN_BLOCKED : v->run_state, HV_RUN_RUNNABLE, now);
    if (!alone && trace_on(HV_TRACE_state)) trace_state(v);
    policy_slice(s, now);
    resched = s->current == NULL || policy_preempts(s, vcpu_of(s->current)->run_since, now);
    slice = s->slice_end != slice;
    spin_unlock(&q->lock);
    if (!alone) return queue_changed(q->cpu, resched, slice);
    if (resched) cpu_raise_work(q->cpu, CPU_WORK_RESCHED);
    slice_arm(q->cpu, s);
}

/* ---- vCPUs ---- */

void sched_add(struct vcpu *v) {
    v->wait = VCPU_OFFLINE;
    v->cpu = cpus[0];
    v->sched.node.key = v->cpu->queue->s.least;
    v->sched.affinity = UINT64_MAX;
    policy_set_weight(&v->sched, v->domain->weight * SCHED_WEIGHT_SCALE);
    v->run_since = clock_now_ns();
    run_state_change(v, HV_RUN_OFFLINE, HV_RUN_OFFLINE, v->run_since);
    share_show(v);
    timer_add(v);
}

/* What its domain has had most of, for those that come up later. */
static void note_ahead(const struct vcpu *v) {
    int64_t total = policy_common(&v->cpu->queue->s, policy_total(&v->sched));

    if (total > v->domain->ahead) v->domain->ahead = total;
}

void sched_set_weight(struct vcpu *v, uint32_t weight) {
    struct run_queue *q = queue_lock(v);

    /* What it ran so far it ran at the old weight. */
    if (q->s.current == &v->sched) (void)policy_ran(&v->sched, clock_now_ns());
    policy_set_weight(&v->sched, weight);
    note_ahead(v);
    share_show(v);
    spin_unlock(&q->lock);
}

void sched_set_cap(struct vcpu *v, uint32_t percent, uint32_t parts) {
    struct run_queue *q = queue_lock(v);
    bool runs = q->s.current == &v->sched;

    if (runs) (void)policy_ran(&v->sched, clock_now_ns());
    policy_set_cap(&v->sched, (int64_t)percent * (POLICY_CAP_PERIOD_NS / 100) / parts);
    v->cap = percent;
    share_show(v);
    spin_unlock(&q->lock);
    /* It is picked again, with a new limit. */
    if (runs) queue_changed(q->cpu, true, false);
}

void sched_level(struct vcpu *v, int64_t ahead) {
    struct run_queue *q = queue_lock(v);

    policy_level(&q->s, &v->sched, policy_local(&q->s, ahead));
    spin_unlock(&q->lock);
}

bool sched_stopped(const struct vcpu *v) {
    return READ_ONCE(READ_ONCE(v->cpu)->queue->s.current) != &v->sched;
}

void sched_remove(struct vcpu *v) {
    struct domain *d = v->domain;

    if (v->cpu == NULL) return;
    sched_sleep(v, VCPU_OFFLINE);
    timer_stop(v);
    BUG_ON(!sched_stopped(v));
    note_ahead(v);
    if (d->ahead > d->parent->ahead) d->parent->ahead = d->ahead;
}

/* The pCPU whose queue a vCPU of `home` that becomes ready is put into: its own or another that is
 * idle, else its own. */
static struct cpu *place(const struct vcpu *v, struct cpu *home) {
    uint64_t idle = READ_ONCE(idle_mask), may = v->sched.affinity;

    if ((may >> home->id & 1) && ((idle & may) == 0 || (idle >> home->id & 1))) {
        (void)idle_claim(home->id);
        return home;
    }
    for (uint32_t i = 0; i < cpu_count; i++)
        if (idle >> i & may >> i & 1 && idle_claim(i)) return cpus[i];
    for (uint32_t i = home->id; (may >> home->id & 1) == 0; i = (i + 1) % cpu_count)
        if (may >> i & 1) return cpus[i];
    return home;
}

/* Ready, in no queue, and not running? Its queue is locked. */
static bool is_ready(const struct run_queue *q, const struct vcpu *v) {
    return v->wait == 0 && !tree_has(&v->sched.node) && q->s.current != &v->sched;
}

/* From here on a vCPU belongs to that pCPU; its queue is locked, and the one that it leaves. */
static void give(struct vcpu *v, struct cpu *to) {
    v->migrations++;
    trace(HV_TRACE_migrate, v->domain->id, v->id, to->id);
    __atomic_store_n(&v->cpu, to, __ATOMIC_RELAXED);
}

/* Moves a vCPU that is ready to the queue where it is best off; that one, locked, where it still
 * has to be put. NULL: between the lock of one queue and of both another took it, or sent it to
 * sleep. */
static __attribute__((noinline)) struct run_queue *move_ready(struct run_queue *from,
                                                              struct vcpu *v) {
    struct run_queue *to = place(v, from->cpu)->queue;

    if (to == from) return from;
    spin_unlock(&from->lock);
    spin_lock_pair(&from->lock, &to->lock);
    if (v->cpu != from->cpu || !is_ready(from, v)) {
        spin_unlock_pair(&from->lock, &to->lock);
        /* It was claimed for nothing, and says that it is idle again only when it wakes up. */
        cpu_kick(to->cpu);
        return NULL;
    }
    policy_charge(&from->s, from->s.waiting.first, clock_now_ns());
    policy_resume(&to->s, least_of_all(policy_common(&from->s, from->s.behind)));
    policy_charge(&to->s, to->s.waiting.first, clock_now_ns());
    policy_move(&from->s, &to->s, &v->sched);
    give(v, to->cpu);
    ticket_pass(&from->lock); /* what is held of that rank is the other one */
    /* Its affinity may have changed meanwhile. */
    return v->sched.affinity >> to->cpu->id & 1 ? to : (cpu_kick(to->cpu), move_ready(to, v));
}

/* Queues a vCPU in all cases, if it is ready; else shows what it waits for. Unlocks `q`. */
static __attribute__((noinline)) void wake_any(struct run_queue *q, struct vcpu *v) {
    if (is_ready(q, v)) {
        if (cpu_count > 1 && (q = move_ready(q, v)) == NULL) return;
        return queue_ready(q, false, q->s.waiting.first, v);
    }
    if (v->wait != 0 && v->run_state != waiting_state(v) && q->s.current != &v->sched)
        run_state_set(v, waiting_state(v), clock_now_ns()), trace_state(v);
    spin_unlock(&q->lock);
}

/* The usual case calls nothing: one that waited for an event, and was neither queued nor on a pCPU,
 * into a queue that is empty. */
void sched_wake(struct vcpu *v, uint32_t why) {
    struct run_queue *q = queue_lock(v);

    __atomic_fetch_and(&v->wait, ~why, __ATOMIC_SEQ_CST);
    if (cpu_count > 1 || q->s.waiting.first != NULL || v->wait != 0 ||
        v->run_state != HV_RUN_BLOCKED || trace_on(HV_TRACE_state))
        return wake_any(q, v);
    queue_ready(q, true, NULL, v);
}

void sched_sleep(struct vcpu *v, uint32_t why) {
    struct run_queue *q = queue_lock(v);
    bool runs = q->s.current == &v->sched;

    vcpu_wait(v, why);
    if (!runs) {
        if (tree_has(&v->sched.node)) {
            tree_remove(&q->s.waiting, &v->sched.node);
            policy_slice(&q->s, 0);
        }
        run_state_set(v, waiting_state(v), clock_now_ns());
        trace_state(v);
    }
    spin_unlock(&q->lock);
    /* It leaves at its next exit, which sets its state. */
    if (runs) queue_changed(q->cpu, true, false);
}

int sched_set_affinity(struct vcpu *v, uint64_t mask) {
    uint64_t there = cpu_count < CPU_MAX ? ((uint64_t)1 << cpu_count) - 1 : UINT64_MAX;
    struct run_queue *q;
    bool runs, queued;

    if (v == NULL || (mask & there) == 0) return -HV_EINVAL;
    q = queue_lock(v);
    v->sched.affinity = mask;
    runs = q->s.current == &v->sched;
    if (runs) v->sched.flags |= POLICY_LEAVES;
    queued = tree_has(&v->sched.node);
    if (queued) tree_remove(&q->s.waiting, &v->sched.node);
    spin_unlock(&q->lock);
    /* It looks for its place again: now, or at its next exit. */
    if (queued) sched_wake(v, 0);
    if (runs) queue_changed(q->cpu, true, false);
    return 0;
}

void sched_pass(struct vcpu *v) {
    struct cpu *c = v->cpu; /* where it runs */

    if (READ_ONCE(c->queue->s.waiting.first) == NULL) return;
    /* Without the lock that others change the rest under. */
    __atomic_fetch_or(&v->sched.flags, POLICY_PASSES, __ATOMIC_RELAXED);
    cpu_raise_work(c, CPU_WORK_RESCHED);
}

void sched_charge(struct vcpu *v, uint64_t ns) {
    struct run_queue *q = queue_lock(v);

    policy_add(&q->s, &v->sched, ns);
    spin_unlock(&q->lock);
}

/* ---- between queues ---- */

/* Takes a waiting vCPU from one queue to another; both are locked. */
static void migrate(struct run_queue *from, struct run_queue *to, struct sched_entity *e,
                    uint64_t now) {
    tree_remove(&from->s.waiting, &e->node);
    policy_slice(&from->s, now);
    give(vcpu_of(e), to->cpu);
    policy_move(&from->s, &to->s, e);
    tree_insert(&to->s.waiting, &e->node);
    policy_slice(&to->s, now);
}

/* An idle pCPU looks for one that waits elsewhere; not where nobody runs: that pCPU is on its way
 * to take it, for which nobody else need come. */
static __attribute__((noinline)) bool steal(struct run_queue *q) {
    int64_t least = least_of_all(0);

    for (uint32_t i = 1; i < cpu_count && READ_ONCE(q->s.waiting.first) == NULL; i++) {
        struct run_queue *from = &queues[(q->cpu->id + i) % cpu_count];
        struct sched_entity *e;

        if (READ_ONCE(from->s.waiting.first) == NULL || READ_ONCE(from->s.current) == NULL)
            continue;
        spin_lock_pair(&q->lock, &from->lock);
        policy_resume(&q->s, least);
        e = policy_steal(&from->s, q->cpu->id);
        if (e != NULL) migrate(from, q, e, clock_now_ns());
        spin_unlock_pair(&q->lock, &from->lock);
    }
    return READ_ONCE(q->s.waiting.first) != NULL;
}

/* Before a choice: the first that waits goes where it is further behind, if it is so at the one
 * other pCPU that is looked at, of those where any of them may go. The queue is locked. */
static void balance(struct run_queue *q) {
    uint64_t may = policy_may(&q->s), now;
    struct run_queue *to = q;
    struct sched_entity *e;
    bool resched;

    /* Two that wait by turns and may go to different ones would share the turn so that neither
     * comes to all of its own: it passes one over when they do not expect it. */
    q->balance_at += ++q->looks % POLICY_TURNS == 0;
    for (uint32_t i = 0; i < cpu_count && to == q; i++) {
        q->balance_at = (q->balance_at + 1) % cpu_count;
        if (may >> q->balance_at & 1) to = &queues[q->balance_at];
    }
    if (to == q) return;
    spin_unlock(&q->lock);
    spin_lock_pair(&q->lock, &to->lock);
    q->looked = now = clock_now_ns();
    policy_charge(&q->s, q->s.waiting.first, now);
    policy_charge(&to->s, to->s.waiting.first, now);
    e = policy_balance(&q->s, &to->s, to->cpu->id);
    if (e != NULL) migrate(q, to, e, now);
    resched = e != NULL && policy_preempts(&to->s, vcpu_of(to->s.current)->run_since, now);
    spin_unlock_pair(&q->lock, &to->lock);
    if (e != NULL) queue_changed(to->cpu, resched, true);
    spin_lock(&q->lock);
}

void sched_yield_to(struct vcpu *v, struct vcpu *to) {
    struct run_queue *q = v->cpu->queue, *far = READ_ONCE(to->cpu)->queue;

    spin_lock_pair(&q->lock, &far->lock);
    if (to != v && to->cpu == far->cpu && tree_has(&to->sched.node)) {
        uint64_t now = clock_now_ns();

        policy_charge(&q->s, q->s.waiting.first, now);
        if (far != q && to->sched.affinity >> q->cpu->id & 1) migrate(far, q, &to->sched, now);
        if (to->cpu == q->cpu) policy_give(&q->s, &to->sched);
    }
    spin_unlock_pair(&q->lock, &far->lock);
    sched_pass(v);
}

/* ---- choosing ---- */

/* What is special about the vCPU that ran; true: it waits, or may not run here any more. */
static __attribute__((noinline)) bool special(const struct run_queue *q, struct vcpu *v) {
    struct sched_entity *e = &v->sched;

    if (policy_spent(e)) vcpu_wait(v, VCPU_CAPPED);
    e->flags &= ~POLICY_LEAVES;
    return v->wait != 0 || (e->affinity >> q->cpu->id & 1) == 0;
}

/* What is left to do for it, without the lock. */
static __attribute__((noinline)) void special_done(struct vcpu *v) {
    if (v->wait & VCPU_CAPPED)
        timer_set(v, TIMER_CAP, v->sched.cap_end | 1); /* 0: its first period; at once */
    else if (v->wait == 0)
        sched_wake(v, 0);
}

/* Lets somebody run, if there is anybody: `was` ran up to now, `stays` is that one if it may go on.
 * `more`: those that wait are more than one. */
static inline __attribute__((always_inline)) struct sched_entity *
let_run(struct run_queue *q, bool more, struct sched_entity *was, struct sched_entity *stays,
        uint64_t now) {
    struct sched_entity *next = policy_pick(&q->s, more, stays, now);

    if (next != was) {
        if (was != NULL)
            run_state_change(vcpu_of(was), HV_RUN_RUNNING, waiting_state(vcpu_of(was)), now);
        if (next != NULL) run_state_change(vcpu_of(next), HV_RUN_RUNNABLE, HV_RUN_RUNNING, now);
    }
    return next;
}

/* Takes the first of a queue that is locked, if there is one, in all cases. */
static __attribute__((noinline)) struct sched_entity *take_any(struct cpu *c, struct run_queue *q) {
    struct sched_entity *was = q->s.current, *stays = was, *next;
    bool is_special = false;
    uint64_t now = clock_now_ns();

    policy_charge(&q->s, q->s.waiting.first, now);
    if (was != NULL) {
        if (vcpu_of(was)->wait != 0) stays = NULL;
        if (was->flags & POLICY_PASSES) policy_pass(&q->s, was);
        if (was->flags != 0 && special(q, vcpu_of(was))) stays = NULL, is_special = true;
    }
    next = let_run(q, q->s.waiting.count > 1, was, stays, now);
    if (next != was && was != NULL) trace_state(vcpu_of(was));
    if (next != was && next != NULL) trace_state(vcpu_of(next));
    spin_unlock(&q->lock);
    slice_arm(c, &q->s);
    if (is_special) special_done(vcpu_of(was));
    if (cpu_count > 1 && q->s.waiting.first != NULL) call_idle(q);
    return next;
}

void sched_refill(struct vcpu *v, uint64_t now) {
    struct run_queue *q = queue_lock(v);
    uint64_t end = now + POLICY_CAP_PERIOD_NS;

    policy_refill(&v->sched, end);
    if (unlock_with(&q->lock, policy_spent(&v->sched) && (v->wait & VCPU_OFFLINE) == 0))
        timer_set(v, TIMER_CAP, end);
    else
        sched_wake(v, VCPU_CAPPED);
}

/* It was called. If it has found work of its own meanwhile, those that called call another. */
static void call_others(const struct run_queue *q) {
    if (READ_ONCE(q->s.waiting.first) == NULL) return;
    for (uint32_t i = 0; READ_ONCE(idle_mask) != 0 && i < cpu_count; i++)
        if (&queues[i] != q && READ_ONCE(queues[i].s.waiting.first) != NULL) call_idle(&queues[i]);
}

/* Was it called? The interrupt itself may be over, amid the clearing of frames. */
#define is_called(c) (cpu_count > 1 && (READ_ONCE(idle_mask) >> (c)->id & 1) == 0)
/* Nobody to run, till an interrupt brings somebody. Frames are cleared meanwhile, by pieces. */
static __attribute__((noinline)) void idle(struct cpu *c, struct run_queue *q) {
    if (cpu_count > 1) {
        __atomic_fetch_or(&idle_mask, (uint64_t)1 << c->id, __ATOMIC_SEQ_CST);
        if (steal(q)) return idle_claim(c->id) ? (void)0 : call_others(q);
        /* With one pCPU nobody else can want what it has loaded. */
        if (c->vcpu != NULL) arch_unload(c);
    }
    while (q->s.waiting.first == NULL && !is_called(c) && frame_clear_step()) arch_poll();
    if (READ_ONCE(q->s.waiting.first) == NULL && !is_called(c)) epoch_idle(c);
    if (cpu_count > 1 && !idle_claim(c->id)) call_others(q);
    __atomic_fetch_and(&c->work, ~CPU_WORK_RESCHED, __ATOMIC_RELAXED);
}

static inline struct vcpu *picked(const struct cpu *c, struct sched_entity *e) {
    struct vcpu *v = vcpu_of(e);

    if (v != c->vcpu && trace_mask & (uint64_t)1 << HV_TRACE_switch)
        trace_write(c, HV_TRACE_switch, v->domain->id, v->id, 0);
    return v;
}

static __attribute__((noinline)) struct vcpu *arm_for(struct cpu *c, struct vcpu *v) {
    timer_slice(c);
    return v;
}

/* The queue is locked. */
static __attribute__((noinline)) struct vcpu *pick_any(struct cpu *c, struct run_queue *q) {
    struct sched_entity *next = q->s.current;

    if (cpu_count > 1 && next != NULL && (vcpu_of(next)->wait == 0 || q->s.waiting.count > 1) &&
        clock_now_ns() - q->looked >= POLICY_SLICE_NS - POLICY_WAKE_NS)
        balance(q);
    while ((next = take_any(c, q)) == NULL) {
        idle(c, q);
        spin_lock(&q->lock);
    }
    return picked(c, next);
}

/* On the only pCPU, with somebody waiting, nothing special about the one that ran, and no trace. */
static inline __attribute__((always_inline)) struct vcpu *
pick_usual(struct cpu *c, struct run_queue *q, bool more) {
    struct sched_queue *s = &q->s;
    struct sched_entity *was = s->current;
    uint64_t now = clock_now_ns();
    struct vcpu *v;

    (void)policy_ran(was, now);
    if (was->flags != 0) policy_pass(s, was);
    was = let_run(q, more, was, vcpu_of(was)->wait != 0 ? NULL : was, now);
    spin_unlock(&q->lock);
    v = picked(c, was);
    return s->slice_end - 1 < c->timer_armed - 1 ? arm_for(c, v) : v;
}

static __attribute__((noinline)) struct vcpu *pick_of_many(struct cpu *c, struct run_queue *q) {
    return pick_usual(c, q, true);
}

/* The usual case calls nothing: one of two gives way to the other. */
struct vcpu *sched_pick(struct cpu *c) {
    struct run_queue *q = c->queue;
    const struct sched_queue *s = &q->s;

    spin_lock(&q->lock);
    if (s->current == NULL || cpu_count > 1 || (s->current->flags & ~POLICY_PASSES) != 0 ||
        trace_on(HV_TRACE_state))
        return pick_any(c, q);
    if (s->waiting.count != 1) return s->waiting.count > 1 ? pick_of_many(c, q) : pick_any(c, q);
    return pick_usual(c, q, false);
}

void sched_tick(struct cpu *c) {
    struct run_queue *q = c->queue;

    spin_lock(&q->lock);
    policy_tick(&q->s);
    spin_unlock(&q->lock);
    cpu_raise_work(c, CPU_WORK_RESCHED);
}

int sched_info(const struct vcpu *v, struct hv_vcpu_info *info) {
    struct run_queue *q;

    if (v == NULL) return -HV_EINVAL;
    q = queue_lock(v);
    *info = (struct hv_vcpu_info){ .state = v->run_state,
                                   .wait = v->wait,
                                   .cpu = q->cpu->id,
                                   .weight = v->domain->weight,
                                   .cap = v->cap,
                                   .affinity = v->sched.affinity,
                                   .since = v->run_since,
                                   .wakeups = v->wakeups,
                                   .migrations = v->migrations };
    for (uint32_t i = 0; i < 4; i++) info->time[i] = v->run_time[i];
    info->time[v->run_state] += clock_now_ns() - v->run_since;
    spin_unlock(&q->lock);
    return 0;
}
