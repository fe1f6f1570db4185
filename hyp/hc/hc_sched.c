/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of scheduling and time. A call that waits only marks the vCPU: it leaves at the exit
 * from the hypervisor, and no stack frame of ours survives the switch.
 */
#include "barrier.h"
#include "clock.h"
#include "event.h"
#include "guestmem.h"
#include "hc.h"
#include "sched.h"

#define REASON_MAX 15u

int64_t hc_yield(void) {
    sched_pass(this_cpu()->vcpu);
    return 0;
}

/* It need not wait after all. */
static __attribute__((noinline)) int64_t stay(struct vcpu *v, uint32_t why) {
    sched_wake(v, why);
    cpu_raise_work(this_cpu(), CPU_WORK_UPCALL);
    return 0;
}

int64_t hc_sched_yield_to(uint64_t vcpu) {
    struct vcpu *v = this_cpu()->vcpu, *to = domain_vcpu(v->domain, vcpu);

    /* 1. Is it another vCPU of the caller's domain? */
    if (to == NULL || to == v) return HC_FAIL(-HV_EINVAL, "vCPU");
    sched_yield_to(v, to);
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
    sched_wait(c, v, VCPU_BLOCKED);
    return event_pending(v) ? stay(v, VCPU_BLOCKED) : 0;
}

int64_t hc_set_timer(uint64_t deadline) {
    timer_set(this_cpu()->vcpu, TIMER_GUEST, deadline);
    return 0;
}

int64_t hc_poll(uint64_t gpa, uint64_t count, uint64_t deadline) {
    struct cpu *c = this_cpu();
    struct vcpu *v = c->vcpu;
    uint32_t ports[HV_MAX_POLL_PORTS];

    /* 1. Is the number of ports in range? */
    if (count == 0 || count > HV_MAX_POLL_PORTS) return HC_FAIL(-HV_EINVAL, "count");
    /* 2. Can they be read? */
    if (guest_copy_in(v->domain, ports, (gpa_t){ gpa }, count * sizeof(*ports)) < 0)
        return HC_FAIL(-HV_EFAULT, "ports");
    /* 3. Is each one in use, and delivered to this vCPU? From here on they wake it. */
    if (!event_poll(v, ports, (uint32_t)count)) return HC_FAIL(-HV_EINVAL, "port");
    /* As in hc_block: wait, then look. */
    sched_wait(c, v, VCPU_POLLING);
    if (event_polled(v) || event_upcall_due(v) || deadline <= clock_now_ns())
        return stay(v, VCPU_POLLING);
    timer_set(v, TIMER_POLL, deadline == HV_POLL_FOREVER ? 0 : deadline);
    return 0;
}

int64_t hc_shutdown(uint64_t reason) {
    /* 1. Is it a reason? */
    if (reason > REASON_MAX) return HC_FAIL(-HV_EINVAL, "reason");
    domain_shutdown(hc_caller(), (uint32_t)reason);
    return 0;
}
