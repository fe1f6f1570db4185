/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One-shot timers of vCPUs and the end of the slice, over one hardware timer a pCPU.
 *
 * Each pCPU has a binary heap of vCPUs by deadline: the root is due first, a vCPU knows its place
 * (timer_slot, from 1; 0: no timer), so that setting, changing and stopping one is O(log n). The
 * hardware is armed for the earlier of the root and the slice's end, and not touched when that is
 * what it is armed for already. It may fire early, never late; who is not due stays.
 *
 * Locking: heap.lock guards the heap, and the timer.c fields of the vCPUs whose cpu it is.
 */
#include "arch/irq.h"
#include "bug.h"
#include "clock.h"
#include "cpu.h"
#include "domain.h"
#include "event.h"
#include "lock.h"
#include "sched.h"
#include "trace.h"

/* One vCPU a domain in this version. */
#define HEAP_MAX HV_MAX_DOMAINS
#define NEVER    UINT64_MAX

struct timer_heap {
    struct spinlock lock;
    uint32_t used;
    uint64_t armed;                /* what the hardware will fire for; NEVER: off */
    struct vcpu *at[HEAP_MAX + 1]; /* from 1: children of n are 2n and 2n + 1 */
};

static struct timer_heap heaps[CPU_MAX];

static struct timer_heap *heap_of(const struct cpu *c) { return &heaps[c->id]; }

static void heap_put(struct timer_heap *h, uint32_t slot, struct vcpu *v) {
    h->at[slot] = v;
    v->timer_slot = slot;
}

/* Moves the entry at `slot` up or down to where its deadline belongs. */
static void heap_settle(struct timer_heap *h, uint32_t slot) {
    struct vcpu *v = h->at[slot];
    uint32_t child;

    for (; slot > 1 && v->deadline < h->at[slot / 2]->deadline; slot /= 2)
        heap_put(h, slot, h->at[slot / 2]);
    while ((child = slot * 2) <= h->used) {
        if (child < h->used && h->at[child + 1]->deadline < h->at[child]->deadline) child++;
        if (h->at[child]->deadline >= v->deadline) break;
        heap_put(h, slot, h->at[child]);
        slot = child;
    }
    heap_put(h, slot, v);
}

static void heap_remove(struct timer_heap *h, struct vcpu *v) {
    uint32_t slot = v->timer_slot;
    struct vcpu *last = h->at[h->used--];

    v->timer_slot = 0;
    v->deadline = 0;
    if (last != v) {
        heap_put(h, slot, last);
        heap_settle(h, slot);
    }
}

/* Arms the hardware for what comes first. */
static void arm(struct timer_heap *h, const struct cpu *c) {
    uint64_t slice = sched_slice_end(c);
    uint64_t first = h->used > 0 ? h->at[1]->deadline : NEVER;

    if (slice != 0 && slice < first) first = slice;
    if (first != h->armed) {
        h->armed = first;
        arch_timer_set(first);
    }
}

void timer_set(struct vcpu *v, uint64_t deadline_ns) {
    struct timer_heap *h = heap_of(v->cpu);

    spin_lock(&h->lock);
    if (deadline_ns == 0) {
        if (v->timer_slot != 0) heap_remove(h, v);
    } else {
        v->deadline = deadline_ns;
        if (v->timer_slot == 0) {
            BUG_ON(h->used == HEAP_MAX);
            heap_put(h, ++h->used, v);
        }
        heap_settle(h, v->timer_slot);
        arm(h, v->cpu);
    }
    spin_unlock(&h->lock);
}

/* A vCPU whose time has come, taken off the heap; NULL: none. */
static struct vcpu *heap_due(struct timer_heap *h, uint64_t now) {
    struct vcpu *v = NULL;

    spin_lock(&h->lock);
    if (h->used > 0 && h->at[1]->deadline <= now) {
        v = h->at[1];
        heap_remove(h, v);
    }
    spin_unlock(&h->lock);
    return v;
}

static void timer_handler(void *arg) {
    struct cpu *c = this_cpu();
    struct timer_heap *h = heap_of(c);
    struct vcpu *v;

    (void)arg;
    trace(HV_TRACE_timer, h->armed, h->used, 0);
    h->armed = NEVER;
    while ((v = heap_due(h, clock_now_ns())) != NULL) event_raise_timer(v);
    sched_tick(c);
    timer_program(c);
}

void timer_program(struct cpu *c) {
    struct timer_heap *h = heap_of(c);

    spin_lock(&h->lock);
    arm(h, c);
    spin_unlock(&h->lock);
}

void timer_init(void) {
    for (uint32_t i = 0; i < CPU_MAX; i++) {
        spin_lock_init(&heaps[i].lock, LOCK_SCHED);
        heaps[i].armed = NEVER;
    }
    arch_timer_init(timer_handler);
}
