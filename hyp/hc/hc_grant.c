/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grant hypercalls: copy in once, ask, act. See hypercalls.def for each contract; what is asked
 * of a single entry is asked in core/grant.c. memory_lock is held around each call's work.
 */
#include "grant.h"
#include "guestmem.h"
#include "hc.h"

#define MAX_MAP_PAGES   1024u
#define MAX_UNMAP_COUNT 512u
#define MAX_UNMAP_PAGES 1024u
#define UNMAP_CHUNK     64u

int64_t hc_grant_create(uint64_t dom, uint64_t peer, uint64_t gfn, uint64_t count,
                        uint64_t rights) {
    struct domain *d = hc_target(hc_caller(), dom);

    if (d == NULL) return HC_FAIL(-HV_EPERM, "grant_create: no such domain");
    spin_lock(&memory_lock);
    return unlock_with(&memory_lock, grant_create(d, peer, (gfn_t){ gfn }, count, rights));
}

int64_t hc_grant_end(uint64_t dom, uint64_t ref, uint64_t force) {
    struct domain *d = hc_target(hc_caller(), dom);

    if (d == NULL) return HC_FAIL(-HV_EPERM, "grant_end: no such domain");
    if (force > 1) return HC_FAIL(-HV_EINVAL, "grant_end: force is 0 or 1");
    spin_lock(&memory_lock);
    return unlock_with(&memory_lock, grant_end(d, ref, force == 1));
}

/* Entries until one fails or the bound on pages is reached: a grant has at most 512. */
static int64_t map_entries(struct domain *d, const struct hv_grant_map *m, uint64_t count) {
    int64_t pages = 0;

    for (uint64_t i = 0; i < count; i++) {
        int64_t done = pages <= MAX_MAP_PAGES - HV_MAX_GRANT_PAGES ? grant_map(d, &m[i]) : 0;

        if (done <= 0) return i != 0 ? (int64_t)i : done;
        pages += done;
    }
    return (int64_t)count;
}

/* 1. A domain of the caller's? 2. 1..HV_MAX_GRANT_BATCH entries? 3. Readable? */
int64_t hc_grant_map(uint64_t dom, uint64_t gpa, uint64_t count) {
    struct domain *caller = hc_caller();
    struct domain *d = hc_target(caller, dom);
    struct hv_grant_map m[HV_MAX_GRANT_BATCH];

    if (d == NULL) return HC_FAIL(-HV_EPERM, "grant_map: no such domain");
    if (count == 0 || count > HV_MAX_GRANT_BATCH)
        return HC_FAIL(-HV_EINVAL, "grant_map: entry count");
    if (guest_copy_in(caller, m, (gpa_t){ gpa }, count * sizeof(m[0])) != 0)
        return HC_FAIL(-HV_EFAULT, "grant_map: entries cannot be read");
    spin_lock(&memory_lock);
    return unlock_with(&memory_lock, map_entries(d, m, count));
}

static int64_t unmap_entries(struct domain *d, const uint64_t *window, uint64_t count,
                             int64_t *pages) {
    for (uint64_t i = 0; i < count; i++) {
        int64_t done = *pages <= MAX_UNMAP_PAGES - HV_MAX_GRANT_PAGES
                           ? grant_unmap(d, (gfn_t){ window[i] })
                           : 0;

        if (done <= 0) return i != 0 ? (int64_t)i : done;
        *pages += done;
    }
    return (int64_t)count;
}

/* In chunks, each copied in once: a whole page of GFNs would be much of the stack. */
static int64_t unmap_all(struct domain *caller, struct domain *d, uint64_t gpa, uint64_t count) {
    uint64_t window[UNMAP_CHUNK], all = 0;
    int64_t pages = 0;

    while (all < count) {
        uint64_t n = count - all < UNMAP_CHUNK ? count - all : UNMAP_CHUNK;
        int64_t done = guest_copy_in(caller, window, (gpa_t){ gpa + all * 8 }, n * 8);

        if (done == 0) done = unmap_entries(d, window, n, &pages);
        if (done < 0) return all != 0 ? (int64_t)all : done;
        all += (uint64_t)done;
        if ((uint64_t)done < n) break;
    }
    return (int64_t)all;
}

/* 1. A domain of the caller's? 2. 1..512 entries? 3. All readable? */
int64_t hc_grant_unmap(uint64_t dom, uint64_t gpa, uint64_t count) {
    struct domain *caller = hc_caller();
    struct domain *d = hc_target(caller, dom);

    if (d == NULL) return HC_FAIL(-HV_EPERM, "grant_unmap: no such domain");
    if (count == 0 || count > MAX_UNMAP_COUNT)
        return HC_FAIL(-HV_EINVAL, "grant_unmap: entry count");
    if (guest_page(caller, (gpa_t){ gpa }, count * sizeof(uint64_t), false) == NULL)
        return HC_FAIL(-HV_EFAULT, "grant_unmap: entries cannot be read");
    spin_lock(&memory_lock);
    return unlock_with(&memory_lock, unmap_all(caller, d, gpa, count));
}

/* 1. 1..HV_MAX_GRANT_BATCH entries? 2. Readable? */
int64_t hc_grant_copy(uint64_t gpa, uint64_t count) {
    struct domain *d = hc_caller();
    struct hv_grant_copy c[HV_MAX_GRANT_BATCH];
    int64_t done = 0, error = 0;

    if (count == 0 || count > HV_MAX_GRANT_BATCH)
        return HC_FAIL(-HV_EINVAL, "grant_copy: entry count");
    if (guest_copy_in(d, c, (gpa_t){ gpa }, count * sizeof(c[0])) != 0)
        return HC_FAIL(-HV_EFAULT, "grant_copy: entries cannot be read");
    spin_lock(&memory_lock);
    while ((uint64_t)done < count && error == 0) {
        error = grant_copy(d, &c[done]);
        done += error == 0;
    }
    return unlock_with(&memory_lock, done != 0 ? done : error);
}
