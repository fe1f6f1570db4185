/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of scheduling and time. A call that waits only marks the vCPU: it leaves at the exit
 * from the hypervisor, and no stack frame of ours survives the switch.
 */
#include "barrier.h"
#include "event.h"
#include "hc.h"
#include "sched.h"

#define REASON_MAX 15u

int64_t hc_yield(void) {
    sched_pass(this_cpu()->vcpu);
    return 0;
}

int64_t hc_block(void) {
    struct cpu *c = this_cpu();
    struct vcpu *v = c->vcpu;

    /*
     * Unmask and wait, atomically: the sender sets pending and then looks whether we wait; we wait
     * and then look at pending. One of both sees the other.
     */
    WRITE_ONCE(v->page->masked, 0);
    sched_sleep(v, VCPU_BLOCKED);
    full_barrier();
    if (event_pending(v)) {
        sched_wake(v, VCPU_BLOCKED);
        cpu_raise_work(c, CPU_WORK_UPCALL);
    }
    return 0;
}

int64_t hc_set_timer(uint64_t deadline) {
    timer_set(this_cpu()->vcpu, deadline);
    return 0;
}

int64_t hc_shutdown(uint64_t reason) {
    /* 1. Is it a reason? */
    if (reason > REASON_MAX) return HC_FAIL(-HV_EINVAL, "reason");
    domain_shutdown(hc_caller(), (uint32_t)reason);
    return 0;
}
