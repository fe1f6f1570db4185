/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual CPUs of a domain: made out of its quota, up and down at run time.
 *
 * A vCPU that was made stays until its domain is taken apart; down, it is VCPU_OFFLINE and keeps
 * all that it has: registers, space, timer, what is pending. A domain's weight is shared equally by
 * those that are up, so that nobody gets more of the CPU by having many of them.
 *
 * Locking: tree_lock, see domain.c; memory_lock inside it for what takes frames or loads a space.
 */
#include "domain.h"
#include "frame.h"
#include "space.h"
#include "vcpu.h"

void domain_share(const struct domain *d) {
    uint32_t parts = d->vcpus_up > 0 ? d->vcpus_up : 1;
    struct vcpu *v;

    FOR_EACH_VCPU(v, i, d) {
        sched_set_weight(v, d->weight * SCHED_WEIGHT_SCALE / parts);
        if ((d->cap | v->cap) != 0) sched_set_cap(v, d->cap, parts);
    }
}

int vcpu_make(struct domain *d, uint32_t n) {
    struct vcpu *v = vcpu_create(d, n);

    if (v == NULL) return -HV_ENOMEM;
    space_load(v, d->spaces[0]);
    sched_add(v);
    if (d->state == HV_DOMAIN_PAUSED) sched_sleep(v, VCPU_PAUSED);
    /* Whoever finds it finds it whole. */
    store_release(&d->vcpu[n], v);
    return 0;
}

void vcpu_bring_up(struct domain *d, struct vcpu *v) {
    d->vcpus_up++;
    domain_share(d);
    sched_level(v, d->ahead);
    if (d->parent != NULL && d->parent != domain_root) sched_level(v, d->parent->ahead);
    sched_wake(v, VCPU_OFFLINE);
}

int domain_vcpu_create(struct domain *d, uint64_t n) {
    if (n >= d->nr_vcpus) return -HV_EINVAL;
    if (domain_ended(d)) return -HV_EDEAD;
    return domain_vcpu(d, n) != NULL ? -HV_EBUSY : vcpu_make(d, (uint32_t)n);
}

/* Does it run, or are its registers still a processor's? Put back, it is saved a little later. */
static bool vcpu_loaded(const struct vcpu *v) {
    const struct cpu *c = READ_ONCE(v->loaded_on);

    return !sched_stopped(v) || (c != NULL && load_acquire(&c->vcpu) == v);
}

int domain_vcpu_context(struct domain *d, uint64_t n, const struct hv_vcpu_context *c) {
    struct vcpu *v = domain_vcpu(d, n);
    int e;

    if (v == NULL) return -HV_EINVAL;
    if (domain_ended(d)) return -HV_EDEAD; /* its registers are what its end is told by */
    if ((v->wait & VCPU_OFFLINE) == 0 || vcpu_loaded(v) || v->io_pending) return -HV_EBUSY;
    e = vcpu_set_context(v, c);
    if (e < 0) return e;
    /* Whatever it waited for before, it starts. */
    sched_wake(v, VCPU_BLOCKED | VCPU_POLLING | VCPU_TRACED);
    timer_set(v, TIMER_POLL, 0);
    return 0;
}

/* A vCPU that may go up or down, or why not. */
static int find_vcpu(const struct domain *d, uint64_t n, struct vcpu **v) {
    *v = domain_vcpu(d, n);
    if (*v == NULL || d->state == HV_DOMAIN_BUILDING) return -HV_EINVAL;
    return domain_ended(d) ? -HV_EDEAD : 0;
}

int domain_vcpu_up(struct domain *d, uint64_t n) {
    struct vcpu *v;
    int e = find_vcpu(d, n, &v);

    if (e < 0) return e;
    if (v->regs.rip == 0) return -HV_EINVAL;
    if ((v->wait & VCPU_OFFLINE) == 0) return -HV_EBUSY;
    vcpu_bring_up(d, v);
    return 0;
}

int domain_vcpu_down(struct domain *d, uint64_t n) {
    struct vcpu *v;
    int e = find_vcpu(d, n, &v);

    if (e < 0) return e;
    if ((v->wait & VCPU_OFFLINE) == 0) {
        d->vcpus_up--;
        sched_sleep(v, VCPU_OFFLINE);
        domain_share(d);
    }
    return v != this_cpu()->vcpu && vcpu_loaded(v);
}
