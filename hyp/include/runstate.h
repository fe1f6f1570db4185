/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run-state of a vCPU: what it does and did for how long, as its books say and as the record in
 * the shared page tells its guest. Used with the lock of the queue that it belongs to.
 */
#pragma once

#include "domain.h"
#include "trace.h"
#include "vcpu.h"

/*
 * Enters a run-state, with the record in the shared page: readers see an odd version while it is
 * being written. Nothing is read back from the page, which its guest may write.
 */
static inline __attribute__((always_inline)) void run_state_change(struct vcpu *v, uint32_t was,
                                                                   uint32_t state, uint64_t now) {
    struct hv_runstate *r = &v->page->run;
    uint32_t version = v->run_version;
    uint64_t total = v->run_time[was] + now - v->run_since;

    v->run_time[was] = total;
    v->run_state = state;
    v->run_since = now;
    v->run_version = version + 2;
    WRITE_ONCE(r->version, version + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    WRITE_ONCE(r->time[was], total);
    WRITE_ONCE(r->state, state);
    WRITE_ONCE(r->since, now);
    store_release(&r->version, version + 2);
}

static inline void run_state_set(struct vcpu *v, uint32_t state, uint64_t now) {
    run_state_change(v, v->run_state, state, now);
}

/* Its state has changed. */
static inline void trace_state(const struct vcpu *v) {
    trace(HV_TRACE_state, v->domain->id, v->id, v->run_state | (uint64_t)v->wait << 8);
}

/* The rest of the record, which changes seldom. */
static inline void share_show(struct vcpu *v) {
    struct hv_runstate *r = &v->page->run;

    WRITE_ONCE(r->version, v->run_version + 1);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    WRITE_ONCE(r->weight, v->domain->weight);
    WRITE_ONCE(r->cap, v->cap);
    v->run_version += 2;
    store_release(&r->version, v->run_version);
}

/* What the wait bits mean for the record; without one it wants the CPU. */
static inline uint32_t waiting_state(const struct vcpu *v) {
    uint32_t wait = READ_ONCE(v->wait) & ~VCPU_CAPPED;

    if (__builtin_expect(wait == 0, 0)) return HV_RUN_RUNNABLE;
    return wait & (VCPU_PAUSED | VCPU_OFFLINE) ? HV_RUN_OFFLINE : HV_RUN_BLOCKED;
}
