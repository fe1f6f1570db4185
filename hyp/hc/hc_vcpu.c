/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of virtual CPUs: how many a domain has, which of them are up, where and how much they
 * may run. A domain does the first for itself, or an ancestor for it; the rest is its ancestors'.
 */
#include "guestmem.h"
#include "hc.h"

/* 1. May the caller act on this domain, and does it live? 2. Has it a vCPU of this number, and in
 * the right state? The function of the call asks. */
#define ON_VCPU(hc_name, function)                                                                 \
    int64_t hc_name(uint64_t dom, uint64_t vcpu) { return HC_TREE(HC_ON(dom, function(d, vcpu))); }
ON_VCPU(hc_vcpu_create, domain_vcpu_create)
ON_VCPU(hc_vcpu_up, domain_vcpu_up)
ON_VCPU(hc_vcpu_down, domain_vcpu_down)

int64_t hc_vcpu_set_context(uint64_t dom, uint64_t vcpu, uint64_t gpa) {
    struct hv_vcpu_context c;
    int r = guest_copy_in(hc_caller(), &c, (gpa_t){ gpa }, sizeof(c));

    /* 2. Is the structure in the caller's memory? 3. Is it one of its vCPUs, and down? 4. Are the
     * addresses a guest's? Core asks the last two. */
    return HC_TREE(HC_ON(dom, r < 0 ? r : domain_vcpu_context(d, vcpu, &c)));
}

/* 1. Is it a living descendant? Root has nobody else to ask. */
static struct domain *governed(struct domain *caller, uint64_t dom) {
    struct domain *d = hc_target(caller, dom);

    return d != caller || d == domain_root ? d : NULL;
}

int64_t hc_vcpu_set_affinity(uint64_t dom, uint64_t vcpu, uint64_t mask) {
    /* 2. Is it one of its vCPUs? 3. Is there a processor for it? The scheduler asks. */
    return HC_MEMORY(HC_ON_BY(governed, dom, sched_set_affinity(domain_vcpu(d, vcpu), mask)));
}

int64_t hc_vcpu_info(uint64_t dom, uint64_t vcpu, uint64_t gpa) {
    struct hv_vcpu_info info;
    /* 2. Is it one of its vCPUs? */
    int64_t r = HC_MEMORY(HC_ON_BY(governed, dom, sched_info(domain_vcpu(d, vcpu), &info)));

    /* 3. Can the answer be written? */
    return r < 0 ? r : guest_copy_out(hc_caller(), (gpa_t){ gpa }, &info, sizeof(info));
}

int64_t hc_sched_set(uint64_t dom, uint64_t weight, uint64_t cap) {
    bool ok = weight - 1 < HC_WEIGHT_MAX && cap <= HC_CAP_MAX;

    /* 2. Are both numbers in range? 3. Has its parent so much to give? Core asks. */
    return HC_TREE(HC_ON_DESCENDANT(dom, ok ? domain_set_share(d, (uint32_t)weight, (uint32_t)cap)
                                            : -HV_EINVAL));
}
