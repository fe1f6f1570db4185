/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters of a domain: the sum over its vCPUs. Each vCPU counts for itself, on the pCPU that runs
 * it, without atomics: a reader may be a few events behind.
 */
#include "barrier.h"
#include "domain.h"

#define COUNTERS (offsetof(struct hv_counters, rsvd) / sizeof(uint64_t))

void counters_read(const struct domain *d, struct hv_counters *sum) {
    uint64_t *to = (uint64_t *)sum;
    const struct vcpu *v;

    *sum = (struct hv_counters){ 0 };
    FOR_EACH_VCPU(v, i, d) {
        const uint64_t *from = (const uint64_t *)&v->counters;

        for (size_t k = 0; k < COUNTERS; k++) to[k] += READ_ONCE(from[k]);
    }
    /* Every way into the hypervisor has a counter; `transitions` itself counts those without. */
    sum->transitions +=
        sum->hypercalls + sum->syscalls + sum->faults + sum->interrupts + sum->port_traps;
}
