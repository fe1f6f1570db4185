/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of vCPUs and the end of the slice, over one hardware timer a pCPU.
 *
 * A vCPU has a timer of each kind: the guest's one-shot, the end of its poll, the next token of its
 * domain's throttled ports, and the end of the period of its cap. Each pCPU has a tree of vCPUs by
 * the earliest of these; a vCPU's timers are all with the pCPU where one of them was set last. The
 * hardware is armed for the earlier of the first and the slice's end, or for something that came
 * before these and was put off or called off since: what goes on changing is then not worth a write
 * to the hardware each time, but one interrupt, for which nothing is due, and which arms it again.
 * So it fires early at most, never late; who is not due stays.
 *
 * Locking: timers.lock guards the tree, and the timer.c fields of the vCPUs that name it. Only the
 * pCPU itself arms its hardware, with what it is armed for in cpu.timer_armed.
 */
#include "arch/irq.h"
#include "clock.h"
#include "cpu.h"
#include "domain.h"
#include "event.h"
#include "lock.h"
#include "sched.h"
#include "trace.h"

#define NEVER UINT64_MAX

struct timers {
    struct spinlock lock;
    struct tree tree; /* vcpu.timer, by when the first of the vCPU's timers is due */
};

static struct timers all_timers[CPU_MAX];

/* Is at most the guest's own timer set? */
static inline bool guest_alone(const struct vcpu *v) {
    return (v->due[TIMER_POLL] | v->due[TIMER_TOKEN] | v->due[TIMER_CAP]) == 0;
}

/* Puts a vCPU where the earliest of its timers belongs: into the tree, elsewhere in it, or out. */
static inline void place(struct timers *t, struct vcpu *v) {
    uint64_t before =
        v->due[TIMER_GUEST] - 1; /* the instant before: 0, for off, becomes the last */

    for (uint32_t i = TIMER_POLL; !guest_alone(v) && i < TIMER_KINDS; i++)
        if (v->due[i] - 1 < before) before = v->due[i] - 1;
    if (tree_has(&v->timer)) {
        if (before != NEVER && t->tree.count == 1) {
            v->timer.key = before + 1;
            return;
        }
        tree_remove(&t->tree, &v->timer);
    }
    v->timer.key = before + 1;
    if (before != NEVER) tree_insert(&t->tree, &v->timer);
}

/* Arms the hardware of `c`, which runs this, for what comes first, unless it fires before that
 * anyway. */
static inline void arm(struct cpu *c, const struct timers *t) {
    uint64_t first = t->tree.first != NULL ? t->tree.first->key : NEVER;
    uint64_t slice = READ_ONCE(*c->slice_end);

    if (slice - 1 < first - 1) first = slice; /* 0 is none */
    if (first < c->timer_armed) {
        c->timer_armed = first;
        arch_timer_set(first);
    }
}

/* Moves a vCPU's timers to this pCPU. */
static __attribute__((noinline)) void follow(struct vcpu *v, struct timers *here) {
    struct timers *t = READ_ONCE(v->timers);

    spin_lock_pair(&t->lock, &here->lock);
    if (v->timers == t) {
        __atomic_store_n(&v->timers, here, __ATOMIC_RELAXED);
        if (tree_has(&v->timer)) {
            tree_remove(&t->tree, &v->timer);
            tree_insert(&here->tree, &v->timer);
        }
    }
    spin_unlock_pair(&t->lock, &here->lock);
}

void timer_set(struct vcpu *v, enum timer_kind kind, uint64_t deadline_ns) {
    struct cpu *c = this_cpu();
    struct timers *t = c->timers;

    spin_lock(&t->lock);
    while (v->timers != t) {
        spin_unlock(&t->lock);
        follow(v, t);
        spin_lock(&t->lock);
    }
    v->due[kind] = deadline_ns;
    place(t, v);
    arm(c, t);
    spin_unlock(&t->lock);
}

void timer_stop(struct vcpu *v) {
    struct timers *t;

    /* They may move meanwhile. */
    for (; t = READ_ONCE(v->timers), spin_lock(&t->lock), t != v->timers;) spin_unlock(&t->lock);
    for (uint32_t i = 0; i < TIMER_KINDS; i++) v->due[i] = 0;
    place(t, v);
    spin_unlock(&t->lock);
}

/* Takes those timers of the first vCPU that are due: bits of their kinds. */
static inline uint32_t take(struct timers *t, struct vcpu *v, uint64_t now) {
    uint32_t due = 0;

    if (t->tree.count == 1 && guest_alone(v)) {
        /* The only one there is. */
        v->due[TIMER_GUEST] = 0;
        t->tree.first = NULL;
        t->tree.count = 0;
        v->timer.order = 0;
        return 1u << TIMER_GUEST;
    }
    for (uint32_t i = 0; i < TIMER_KINDS; i++) {
        if (v->due[i] - 1 >= now) continue;
        v->due[i] = 0;
        due |= 1u << i;
    }
    place(t, v);
    return due;
}

/* What they are for. */
static void expire(struct vcpu *v, uint32_t due, uint64_t now) {
    if (due & 1u << TIMER_GUEST) event_raise_timer(v);
    if (due == 1u << TIMER_GUEST) return;
    if (due & 1u << TIMER_POLL) sched_wake(v, VCPU_POLLING);
    if (due & 1u << TIMER_TOKEN) event_release(v->domain, now);
    if (due & 1u << TIMER_CAP) sched_refill(v, now);
}

static void timer_handler(void *arg) {
    struct cpu *c = this_cpu();
    struct timers *t = c->timers;
    uint64_t now = clock_now_ns();
    uint32_t due;

    (void)arg;
    trace(HV_TRACE_timer, c->timer_armed, t->tree.count, 0);
    /* Once for each vCPU: what it is armed for again is later than now. */
    do {
        struct vcpu *v = NULL;

        /* 0, nobody waits, is never over. Another pCPU may have made it shorter just now. */
        if (READ_ONCE(*c->slice_end) - 1 < now) sched_tick(c);
        spin_lock(&t->lock);
        due = 0;
        if (t->tree.first != NULL && t->tree.first->key <= now) {
            v = (struct vcpu *)(void *)((char *)t->tree.first - offsetof(struct vcpu, timer));
            due = take(t, v, now);
        }
        c->timer_armed = NEVER;
        arm(c, t);
        spin_unlock(&t->lock);
        if (due != 0) expire(v, due, now);
    } while (c->timer_armed <= now);
}

void timer_add(struct vcpu *v) { v->timers = this_cpu()->timers; }

void timer_slice(struct cpu *c) {
    uint64_t slice = READ_ONCE(*c->slice_end);

    if (slice - 1 >= c->timer_armed - 1) return;
    c->timer_armed = slice;
    arch_timer_set(slice);
}

void timer_init(void) {
    for (uint32_t i = 0; i < cpu_count; i++) {
        tree_init(&all_timers[i].tree, arch_counter() + i);
        cpus[i]->timers = &all_timers[i];
        cpus[i]->timer_armed = NEVER;
        spin_lock_init(&all_timers[i].lock, LOCK_SCHED);
    }
    arch_timer_init(timer_handler);
}
