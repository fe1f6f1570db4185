/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: weighted fair sharing by virtual time.
 *
 * Each pCPU has a run queue: a list of runnable vCPUs sorted by virtual time, which is the CPU time
 * that a vCPU has had, in nanoseconds, divided by its weight (256 counts at par). The one with the
 * least runs. A queue holds at most one entry a vCPU, so that an insertion is bounded by the number
 * of domains.
 *
 *   rq.head -> [vruntime 10] -> [12] -> [40]          rq.current runs and is not in the list
 *
 * rq.least only grows: it is where the queue stands. A vCPU that slept comes back at most LAG_NS
 * behind it: sleeping saves up nothing beyond that, however long it lasted, and whoever ran is
 * charged to the nanosecond, so nothing is gained by sleeping at chosen moments either. Because a
 * sleeper comes back behind the others it preempts: its wake-up latency is bounded by RUN_NS, which
 * everybody has once it runs, and WAKE_NS of the running one's virtual time, or by a slice when it
 * had used up its share.
 *
 * Locking: rq.lock guards the queue, and the sched.c fields of the vCPUs whose cpu it is.
 */
#include "sched.h"
#include "arch/irq.h"
#include "bug.h"
#include "clock.h"
#include "cpu.h"
#include "domain.h"
#include "frame.h"
#include "lock.h"
#include "trace.h"
#include "vcpu.h"

#define SLICE_NS   5000000u
#define LAG_NS     3000000u
#define WAKE_NS    500000u
#define RUN_NS     50000u
#define WEIGHT_PAR 256u

struct run_queue {
    struct spinlock lock;
    struct vcpu *head;
    struct vcpu *current; /* charged since current->started; NULL: idle */
    uint64_t least;
    uint64_t slice_end; /* ns, 0: nobody waits */
};

static struct run_queue queues[CPU_MAX];

static struct run_queue *queue_of(const struct cpu *c) { return c->queue; }

void sched_init(void) {
    for (uint32_t i = 0; i < cpu_count; i++) {
        queues[i] = (struct run_queue){ .head = NULL };
        spin_lock_init(&queues[i].lock, LOCK_SCHED);
        cpus[i]->queue = &queues[i];
        cpus[i]->slice_end = &queues[i].slice_end;
    }
}

/* ---- run-state ---- */

/*
 * Enters a run-state, with the record in the shared page: readers see an odd version while it is
 * being written. Nothing is read back from the page, which its guest may write.
 */
static void run_state_set(struct vcpu *v, uint32_t state, uint64_t now) {
    struct hv_runstate *r = &v->page->run;

    v->run_time[v->run_state] += now - v->run_since;
    v->run_state = state;
    v->run_since = now;
    WRITE_ONCE(r->version, v->run_version + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    for (uint32_t i = 0; i < ARRAY_LEN(v->run_time); i++) WRITE_ONCE(r->time[i], v->run_time[i]);
    WRITE_ONCE(r->state, state);
    WRITE_ONCE(r->since, now);
    WRITE_ONCE(r->weight, v->weight);
    WRITE_ONCE(r->cap, 0);
    v->run_version += 2;
    store_release(&r->version, v->run_version);
}

/* What the wait bits mean for the record. */
static uint32_t waiting_state(const struct vcpu *v) {
    return v->wait & (VCPU_PAUSED | VCPU_OFFLINE) ? HV_RUN_OFFLINE : HV_RUN_BLOCKED;
}

/* ---- the queue; all with its lock held ---- */

static void queue_insert(struct run_queue *q, struct vcpu *v) {
    struct vcpu **at = &q->head;

    /* Behind its equals: who waited longer goes first. */
    while (*at != NULL && (*at)->vruntime <= v->vruntime) at = &(*at)->rq_next;
    v->rq_next = *at;
    *at = v;
    v->queued = 1;
}

static void queue_remove(struct run_queue *q, struct vcpu *v) {
    struct vcpu **at = &q->head;

    while (*at != v) at = &(*at)->rq_next;
    *at = v->rq_next;
    v->queued = 0;
}

/* Charges the running vCPU up to now, and moves the queue's standing. */
static void queue_charge(struct run_queue *q, uint64_t now) {
    struct vcpu *v = q->current;
    uint64_t least = q->head != NULL ? q->head->vruntime : UINT64_MAX;

    if (v != NULL) {
        uint64_t ran = now - v->started;

        v->cpu_ns += ran;
        v->vruntime += ran * WEIGHT_PAR / v->weight;
        v->started = now;
        if (v->vruntime < least) least = v->vruntime;
    }
    if (least != UINT64_MAX && least > q->least) q->least = least;
}

/* With somebody waiting the running vCPU has a slice; alone it runs without a tick. */
static void slice_update(struct run_queue *q, uint64_t now) {
    if (q->head == NULL || q->current == NULL)
        q->slice_end = 0;
    else if (q->slice_end == 0)
        q->slice_end = now + SLICE_NS;
}

/* Is the head so far behind that it is to run at once? */
static bool should_preempt(const struct run_queue *q) {
    return q->current != NULL && q->head != NULL &&
           q->head->vruntime + WAKE_NS < q->current->vruntime;
}

/*
 * The running vCPU gives way, once it has run for RUN_NS. Being taken off and put back is charged
 * to it: without that time of its own, others that sleep for less than a switch takes would leave
 * it nothing but the cost of theirs.
 */
static void preempt(struct cpu *c, struct run_queue *q, uint64_t now) {
    uint64_t until = q->current->run_since + RUN_NS;

    if (now >= until)
        cpu_raise_work(c, CPU_WORK_RESCHED);
    else if (q->slice_end > until)
        q->slice_end = until;
}

/* ---- vCPUs ---- */

void sched_add(struct vcpu *v) {
    v->wait |= VCPU_OFFLINE;
    v->weight = v->domain->weight;
    v->cpu = cpus[0];
    v->vruntime = queue_of(v->cpu)->least;
    v->run_state = HV_RUN_OFFLINE;
    v->run_since = clock_now_ns();
    run_state_set(v, HV_RUN_OFFLINE, v->run_since);
}

void sched_set_weight(struct vcpu *v, uint32_t weight) {
    struct run_queue *q = queue_of(v->cpu);

    spin_lock(&q->lock);
    /* What it ran so far it ran at the old weight. */
    if (q->current == v) queue_charge(q, clock_now_ns());
    v->weight = weight;
    spin_unlock(&q->lock);
}

void sched_remove(struct vcpu *v) {
    if (v->cpu == NULL) return;
    sched_sleep(v, VCPU_OFFLINE);
    timer_stop(v);
    BUG_ON(queue_of(v->cpu)->current == v);
}

void sched_wake(struct vcpu *v, uint32_t why) {
    struct cpu *c = v->cpu;
    struct run_queue *q = queue_of(c);
    uint64_t now = clock_now_ns();

    spin_lock(&q->lock);
    v->wait &= ~why;
    if (v->wait == 0 && !v->queued && q->current != v) {
        queue_charge(q, now);
        if (v->vruntime + LAG_NS < q->least) v->vruntime = q->least - LAG_NS;
        queue_insert(q, v);
        run_state_set(v, HV_RUN_RUNNABLE, now);
        slice_update(q, now);
        if (should_preempt(q)) preempt(c, q, now);
    } else if (v->wait != 0 && v->run_state != waiting_state(v) && q->current != v) {
        run_state_set(v, waiting_state(v), now);
    }
    spin_unlock(&q->lock);
    timer_program(c);
}

void sched_sleep(struct vcpu *v, uint32_t why) {
    struct cpu *c = v->cpu;
    struct run_queue *q = queue_of(c);

    spin_lock(&q->lock);
    v->wait |= why;
    if (q->current == v) {
        /* It leaves at its next exit, which sets its state. */
        cpu_raise_work(c, CPU_WORK_RESCHED);
    } else {
        if (v->queued) {
            queue_remove(q, v);
            if (q->head == NULL) q->slice_end = 0;
        }
        run_state_set(v, waiting_state(v), clock_now_ns());
    }
    spin_unlock(&q->lock);
}

void sched_pass(struct vcpu *v) {
    struct run_queue *q = queue_of(v->cpu);

    spin_lock(&q->lock);
    if (q->head != NULL) {
        /* Behind the first that waits; what it gives up is not given back. */
        queue_charge(q, clock_now_ns());
        if (v->vruntime < q->head->vruntime) v->vruntime = q->head->vruntime;
        cpu_raise_work(v->cpu, CPU_WORK_RESCHED);
    }
    spin_unlock(&q->lock);
}

void sched_charge(struct vcpu *v, uint64_t ns) {
    struct run_queue *q = queue_of(v->cpu);

    spin_lock(&q->lock);
    v->vruntime += ns * WEIGHT_PAR / v->weight;
    spin_unlock(&q->lock);
}

/* Puts the vCPU that ran where it belongs now. */
static void put_previous(struct run_queue *q, uint64_t now) {
    struct vcpu *v = q->current;

    queue_charge(q, now);
    q->current = NULL;
    if (v == NULL) return;
    if (v->wait == 0) queue_insert(q, v);
    run_state_set(v, v->wait == 0 ? HV_RUN_RUNNABLE : waiting_state(v), now);
}

/* Takes the head, if there is one, and lets it run. */
static struct vcpu *take_next(struct cpu *c, struct run_queue *q) {
    struct vcpu *v;
    uint64_t now = clock_now_ns();

    spin_lock(&q->lock);
    put_previous(q, now);
    v = q->head;
    if (v != NULL) {
        queue_remove(q, v);
        q->current = v;
        q->slice_end = 0;
        v->started = now;
        run_state_set(v, HV_RUN_RUNNING, now);
        slice_update(q, now);
    }
    spin_unlock(&q->lock);
    timer_program(c);
    return v;
}

struct vcpu *sched_pick(struct cpu *c) {
    struct run_queue *q = queue_of(c);
    struct vcpu *previous = q->current, *v;

    while ((v = take_next(c, q)) == NULL) {
        /* Nobody to run: interrupts alone can wake somebody. Until then frames are cleared, by
         * pieces, on nobody's account. */
        arch_unload(c);
        while (q->head == NULL && frame_clear_step()) arch_poll();
        if (q->head == NULL) epoch_idle();
    }
    __atomic_fetch_and(&c->work, ~CPU_WORK_RESCHED, __ATOMIC_RELAXED);
    if (v != previous) {
        trace(HV_TRACE_switch, v->domain->id, v->id, 0);
        /* What was raised while it was not loaded. */
        cpu_raise_work(c, CPU_WORK_UPCALL);
    }
    return v;
}

void sched_tick(struct cpu *c) {
    struct run_queue *q = queue_of(c);

    spin_lock(&q->lock);
    q->slice_end = 0;
    cpu_raise_work(c, CPU_WORK_RESCHED);
    spin_unlock(&q->lock);
}

uint64_t sched_cpu_ns(const struct vcpu *v) {
    const struct run_queue *q = queue_of(v->cpu);
    uint64_t ran = q->current == v ? clock_now_ns() - v->started : 0;

    return v->cpu_ns + ran;
}
