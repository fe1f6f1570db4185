/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grant hypercalls: copy in once, ask, act. See hypercalls.def for each contract; what is asked
 * of a single entry is asked in core/grant.c. memory_lock is held around each call's work.
 */
#include "grant.h"
#include "guestmem.h"
#include "hc.h"

int64_t hc_grant_create(uint64_t dom, uint64_t peer, uint64_t gfn, uint64_t count,
                        uint64_t rights) {
    return HC_ON_MEMORY(dom, grant_create(d, peer, (gfn_t){ gfn }, count, rights));
}

int64_t hc_grant_end(uint64_t dom, uint64_t ref, uint64_t force) {
    /* 2. Is `force` 0 or 1? */
    return grant_tell(HC_ON_MEMORY(dom, force > 1 ? -HV_EINVAL : grant_end(d, ref, force == 1)));
}

/* 1. A domain of the caller's? 2. 1..HV_MAX_GRANT_BATCH entries? 3. Readable? Then *entries lies in
 * memory that the guest may write to. */
static inline int64_t batch(uint64_t dom, uint64_t gpa, uint64_t count, size_t size,
                            struct domain **d, const void **entries) {
    struct domain *caller = hc_caller();

    *d = hc_target(caller, dom);
    if (*d == NULL) return HC_FAIL(-HV_EPERM, "grants: no such domain");
    if (count - 1 >= HV_MAX_GRANT_BATCH) return HC_FAIL(-HV_EINVAL, "grants: entry count");
    *entries = guest_page_locked(caller, (gpa_t){ gpa }, count * size, false);
    return *entries != NULL ? 0 : HC_FAIL(-HV_EFAULT, "grants: entries cannot be read");
}

#define ON_BATCH(function, type)                                                                   \
    ({                                                                                             \
        struct domain *d;                                                                          \
        const void *entries;                                                                       \
        int64_t error = batch(dom, gpa, count, sizeof(type), &d, &entries);                        \
                                                                                                   \
        error != 0 ? error : function(d, entries, count);                                          \
    })

int64_t hc_grant_map(uint64_t dom, uint64_t gpa, uint64_t count) {
    return HC_MEMORY(ON_BATCH(grant_map, struct hv_grant_map));
}

int64_t hc_grant_unmap(uint64_t dom, uint64_t gpa, uint64_t count) {
    spin_lock(&memory_lock);
    return memory_unlock(ON_BATCH(grant_unmap, uint64_t));
}

/* The entries are copied before the first is looked at: one of them may write over the others. */
static inline int64_t copy(uint64_t gpa, uint64_t count) {
    struct hv_grant_copy c[HV_MAX_GRANT_BATCH];
    struct domain *d;
    const void *entries;
    int64_t error = batch(HV_SELF, gpa, count, sizeof(c[0]), &d, &entries);

    if (error != 0) return error;
    guest_copy(c, entries, count * sizeof(c[0]));
    compiler_barrier();
    return grant_copy(d, c, count);
}

int64_t hc_grant_copy(uint64_t gpa, uint64_t count) {
    return WITH_LOCK(&memory_lock, copy(gpa, count));
}
