/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of domain control. Question 1 is the same in each: may the caller act on the domain?
 * domain_for_control answers it, and a domain that does not exist looks like one that is not the
 * caller's. Calls that make no sense on oneself ask for a descendant.
 */
#include "arch/page.h"
#include "grant.h"
#include "guestmem.h"
#include "hc.h"
#include "resource.h"

#define COPY_MAX 65536u

/* A descendant of the caller, or NULL. */
static struct domain *descendant(struct domain *caller, uint64_t dom) {
    struct domain *d = domain_for_control(caller, dom);

    return d != caller ? d : NULL;
}

static bool create_ok(const struct hv_domain_create *c) {
    return c->quota > 0 && c->ram_pages > 0 && c->ram_pages <= HV_MAX_RAM_PAGES &&
           c->window_pages <= HV_MAX_WINDOW_PAGES && c->vcpus - 1 < HV_MAX_VCPUS &&
           (c->flags & ~HV_CREATE_MAY_CREATE) == 0 && c->weight > 0 && c->weight <= HC_WEIGHT_MAX &&
           c->cap <= HC_CAP_MAX && (c->flags != 0 || c->domains == 0) && c->rsvd0 == 0 &&
           c->rsvd1 == 0;
}

int64_t hc_domain_create(uint64_t gpa) {
    struct domain *caller = hc_caller();
    struct hv_domain_create c;
    int64_t r;

    /* 1. May the caller create, and pass on the right to? What it has itself it may pass on. */
    if (!(caller->flags & HV_CREATE_MAY_CREATE)) return HC_FAIL(-HV_EPERM, "may not create");
    /* 2. Is the structure in its memory? */
    r = guest_copy_in(caller, &c, (gpa_t){ gpa }, sizeof(c));
    if (r < 0) return HC_FAIL(r, "struct hv_domain_create");
    /* 3. Is every field in range, and what is reserved zero? */
    if (!create_ok(&c)) return HC_FAIL(-HV_EINVAL, "a field of struct hv_domain_create");
    /* 4. Has the caller the weight, the quota and the numbers? domain_create asks. */
    r = HC_AGAIN(domain_create(caller, &c));
    return r < 0 ? HC_FAIL(r, "weight, quota, or no domain number left") : r;
}

/* 1. Is it a descendant? 2. Is it in the right state? The function of the call asks. */
#define ON_DESCENDANT(hc_name, function)                                                           \
    int64_t hc_name(uint64_t dom) { return HC_TREE(HC_ON_BY(descendant, dom, function(d))); }
ON_DESCENDANT(hc_domain_start, domain_start)
ON_DESCENDANT(hc_domain_pause, domain_pause)
ON_DESCENDANT(hc_domain_unpause, domain_unpause)
ON_DESCENDANT(hc_devices_reset, domain_reset_devices)

/* A step ends one grant at most. */
int64_t hc_domain_destroy(uint64_t dom) {
    return grant_tell(HC_TREE(HC_ON_BY(descendant, dom, domain_destroy_step(d))));
}

int64_t hc_domain_info(uint64_t dom, uint64_t gpa) {
    struct hv_domain_info info;
    /* 1. May the caller ask about this domain, dead or alive? 2. Can the answer be written? */
    int64_t r =
        WITH_LOCK(&memory_lock, HC_ON_BY(domain_for_control, dom, (domain_info(d, &info), 0)));

    return r < 0 ? r : guest_copy_out(hc_caller(), (gpa_t){ gpa }, &info, sizeof(info));
}

/* One step of a copy: as far as both sides stay in their pages. Bytes. The descendant pays: whoever
 * asks, it is for it. */
static int64_t copy_step(struct domain *d, uint64_t remote, uint64_t local, uint64_t bytes,
                         bool write) {
    uint64_t remote_left = HV_PAGE_SIZE - remote % HV_PAGE_SIZE;
    uint64_t local_left = HV_PAGE_SIZE - local % HV_PAGE_SIZE, n = bytes;
    void *there, *here;

    n = n < remote_left ? n : remote_left;
    n = n < local_left ? n : local_left;
    there = guest_page_locked(d, (gpa_t){ remote }, n, write);
    here = guest_page_locked(hc_caller(), (gpa_t){ local }, n, !write);
    if (there == NULL || here == NULL) return HC_FAIL(-HV_EFAULT, "a page of either side");
    /* The two may be one page, by a window: where they overlap, the words are copied in order. */
    bytes_copy(write ? there : here, write ? here : there, n);
    d->vcpu[0]->counters.bytes_copied += n;
    return (int64_t)n;
}

int64_t hc_domain_copy(uint64_t dom, uint64_t remote, uint64_t local, uint64_t bytes,
                       uint64_t write) {
    uint64_t done = 0;

    /* 1. Is the length in range and the direction one of the two? Does no address wrap? */
    if (bytes == 0 || bytes > COPY_MAX || write > 1 || remote + bytes < remote ||
        local + bytes < local)
        return HC_FAIL(-HV_EINVAL, "length, direction or address");
    /* 2. Is it a living descendant? 3. Is each page of both sides there, and writable where
     * written? Asked page by page, so that nobody waits for the lock for more than a page. */
    while (done < bytes) {
        int64_t n = WITH_LOCK(
            &memory_lock,
            HC_ON_DESCENDANT(dom, copy_step(d, remote + done, local + done, bytes - done, write)));

        if (n < 0) return done > 0 ? (int64_t)done : n;
        done += (uint64_t)n;
    }
    return (int64_t)done;
}

int64_t hc_assign(uint64_t dom, uint64_t kind, uint64_t a, uint64_t b) {
    /* 2. Does the caller hold it itself, and can the descendant? resource_assign asks. */
    return HC_MEMORY(HC_ON_DESCENDANT(dom, resource_assign(hc_caller(), d, kind, a, b)));
}
