/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Timers of vCPUs and the end of the slice, over one hardware timer a pCPU.
 *
 * A vCPU has a timer of each kind: the guest's one-shot, the end of its poll, and the next token of
 * its domain's throttled ports. Each pCPU has a heap of vCPUs by the earliest of these: the root is
 * due first, a vCPU knows its place (timer_slot, from 1; 0: no timer). The hardware is armed for
 * the earlier of the root and the slice's end, or for something that came before these and was put
 * off or called off since: what goes on changing is then not worth a write to the hardware each
 * time, but one interrupt, for which nothing is due, and which arms it again. So it fires early at
 * most, never late; who is not due stays.
 *
 * Locking: heap.lock guards the heap, and the timer.c fields of the vCPUs whose cpu it is.
 */
#include "arch/irq.h"
#include "bug.h"
#include "clock.h"
#include "cpu.h"
#include "domain.h"
#include "event.h"
#include "heap.h"
#include "lock.h"
#include "sched.h"
#include "trace.h"

/* One vCPU a domain in this version. */
#define HEAP_MAX HV_MAX_DOMAINS
#define NEVER    UINT64_MAX

struct timer_heap {
    struct spinlock lock;
    uint32_t used;
    uint64_t armed;                /* what the hardware will fire for; NEVER: for nothing */
    struct vcpu *at[HEAP_MAX + 1]; /* from 1: children of n are 2n and 2n + 1 */
};

static struct timer_heap heaps[CPU_MAX];

static uint64_t slot_key(void *h, uint32_t slot) {
    return ((struct timer_heap *)h)->at[slot]->deadline;
}

static void slot_swap(void *h, uint32_t a, uint32_t b) {
    struct vcpu **at = ((struct timer_heap *)h)->at, *v = at[a];

    at[a] = at[b];
    at[b] = v;
    at[a]->timer_slot = a;
    v->timer_slot = b;
}

/* Puts a vCPU where the earliest of its timers belongs: into the heap, elsewhere in it, or out. */
static void place(struct timer_heap *h, struct vcpu *v) {
    uint64_t before = NEVER; /* the instant before the deadline: 0, for off, becomes the last */

    for (uint32_t i = 0; i < TIMER_KINDS; i++)
        if (v->due[i] - 1 < before) before = v->due[i] - 1;
    v->deadline = before + 1;
    if (before != NEVER) {
        if (v->timer_slot == 0) {
            BUG_ON(h->used == HEAP_MAX);
            v->timer_slot = ++h->used;
            h->at[h->used] = v;
        }
        if (h->used > 1) heap_settle(h, h->used, v->timer_slot, slot_key, slot_swap);
    } else if (v->timer_slot != 0) {
        heap_remove(h, &h->used, v->timer_slot, slot_key, slot_swap);
        v->timer_slot = 0;
    }
}

/* Arms the hardware for what comes first, unless it fires before that anyway. */
static inline void arm(struct timer_heap *h, uint64_t slice) {
    uint64_t first = h->used > 0 ? h->at[1]->deadline : NEVER;

    if (slice - 1 < first - 1) first = slice; /* 0 is none */
    if (first < h->armed) {
        h->armed = first;
        arch_timer_set(first);
    }
}

void timer_set(struct vcpu *v, enum timer_kind kind, uint64_t deadline_ns) {
    const struct cpu *c = v->cpu;
    struct timer_heap *h = c->timers;

    spin_lock(&h->lock);
    v->due[kind] = deadline_ns;
    place(h, v);
    if (deadline_ns != 0) arm(h, READ_ONCE(*c->slice_end));
    spin_unlock(&h->lock);
}

void timer_stop(struct vcpu *v) {
    for (enum timer_kind kind = 0; kind < TIMER_KINDS; kind++) timer_set(v, kind, 0);
}

/* Takes the timers of the first vCPU that are due: bits of their kinds. */
static inline uint32_t take(struct timer_heap *h, struct vcpu *v, uint64_t now) {
    uint32_t due = 0;

    if (h->used == 1 && (v->due[TIMER_POLL] | v->due[TIMER_TOKEN]) == 0) {
        /* The only one there is. */
        v->due[TIMER_GUEST] = v->deadline = v->timer_slot = h->used = 0;
        return 1u << TIMER_GUEST;
    }
    for (uint32_t i = 0; i < TIMER_KINDS; i++) {
        if (v->due[i] - 1 >= now) continue;
        v->due[i] = 0;
        due |= 1u << i;
    }
    place(h, v);
    return due;
}

static void timer_handler(void *arg) {
    struct cpu *c = this_cpu();
    struct timer_heap *h = c->timers;
    uint64_t now = clock_now_ns();
    uint32_t due;

    (void)arg;
    trace(HV_TRACE_timer, h->armed, h->used, 0);
    if (READ_ONCE(*c->slice_end) - 1 < now) sched_tick(c); /* 0, nobody waits, is never over */
    /* Once for each vCPU: what it is armed for again is later than now. */
    do {
        struct vcpu *v;

        spin_lock(&h->lock);
        v = h->at[1];
        due = h->used > 0 && v->deadline <= now ? take(h, v, now) : 0;
        h->armed = NEVER;
        arm(h, READ_ONCE(*c->slice_end));
        spin_unlock(&h->lock);
        /* What they are for, without the lock. */
        if (due & 1u << TIMER_GUEST) event_raise_timer(v);
        if ((due & ~(1u << TIMER_GUEST)) == 0) continue;
        if (due & 1u << TIMER_POLL) sched_wake(v, VCPU_POLLING);
        if (due & 1u << TIMER_TOKEN) event_release(v->domain, now);
    } while (h->armed <= now);
}

void timer_program(struct cpu *c) {
    struct timer_heap *h = c->timers;

    spin_lock(&h->lock);
    arm(h, READ_ONCE(*c->slice_end));
    spin_unlock(&h->lock);
}

void timer_init(void) {
    for (uint32_t i = 0; i < cpu_count; i++) {
        cpus[i]->timers = &heaps[i];
        spin_lock_init(&heaps[i].lock, LOCK_SCHED);
        heaps[i].armed = NEVER;
    }
    arch_timer_init(timer_handler);
}
