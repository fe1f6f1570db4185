/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory hypercalls: copy in once, ask, act, copy out. See hypercalls.def for each contract.
 * memory_lock is held around each call's work.
 */
#include "arch/page.h"
#include "barrier.h"
#include "frame.h"
#include "guestmem.h"
#include "hc.h"
#include "p2m.h"
#include "resource.h"
#include "space.h"
#include "vcpu.h"

/* The domain that a call is about: may the caller act on it, and does it live? NULL: -HV_EPERM. */
static inline struct domain *target(struct domain *caller, uint64_t dom)
{
    struct domain *d = dom == HV_SELF ? caller : domain_for_control(caller, dom);

    return d != NULL && domain_alive(d) ? d : NULL;
}

static int64_t locked(int64_t result)
{
    spin_unlock(&memory_lock);
    return result;
}

/* ---- spaces ---- */

int64_t hc_space_create(uint64_t dom)
{
    struct domain *d = target(hc_caller(), dom);

    if (d == NULL) {
        return HC_FAIL(-HV_EPERM, "space_create: no such domain");
    }
    spin_lock(&memory_lock);
    return locked(space_create(d));
}

/* 1. A domain of the caller's? 2. A space of it, not space 0? 3. Not loaded (core asks)? */
int64_t hc_space_destroy(uint64_t dom, uint64_t space)
{
    struct domain *d = target(hc_caller(), dom);
    struct space *s = d != NULL ? space_find_any(d, space) : NULL;

    if (d == NULL) {
        return HC_FAIL(-HV_EPERM, "space_destroy: no such domain");
    }
    if (s == NULL || space == 0) {
        return HC_FAIL(-HV_EINVAL, "space_destroy: no such space");
    }
    spin_lock(&memory_lock);
    return locked(space_destroy_step(d, s));
}

/* ---- map, unmap, protect ---- */

/* A batch: which verb it is is known where this is inlined. */
enum verb { MAP, UNMAP, PROTECT };

/* 4. Does the run lie in the half that the space may map? 5. Are the fields of other verbs zero? */
static inline int64_t do_run(enum verb verb, struct space *s, const struct hv_map_run *run,
                             uint64_t budget)
{
    if (!space_range_ok(s, run->address, run->count)) {
        return -HV_EINVAL;
    }
    switch (verb) {
    case MAP:
        return space_map(s, run, budget);
    case UNMAP:
        return run->gfn == 0 && run->rights == 0 ? space_unmap(s, run, budget) : -HV_EINVAL;
    default:
        return run->gfn == 0 ? space_protect(s, run, budget) : -HV_EINVAL;
    }
}

/* Runs until one stops early, fails, or the bound is reached. One fetch: each run is copied into a
 * local before it is looked at. */
static inline int64_t do_runs(enum verb verb, struct space *s, const struct hv_map_run *runs,
                              uint64_t count)
{
    uint64_t pages = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct hv_map_run run;
        int64_t done;

        __builtin_memcpy(&run, &runs[i], sizeof(run));
        compiler_barrier();
        done = do_run(verb, s, &run, HV_MAX_MAP_PAGES - pages);
        if (done < 0) {
            return pages != 0 ? (int64_t)pages : done;
        }
        pages += (uint64_t)done;
        if ((uint64_t)done < run.count || pages == HV_MAX_MAP_PAGES) {
            break;
        }
    }
    return (int64_t)pages;
}

/* 1. A domain of the caller's? 2. A live space of it? 3. 1..HV_MAX_MAP_RUNS runs, readable? */
static inline int64_t batch(enum verb verb, uint64_t dom, uint64_t space, uint64_t gpa,
                            uint64_t count)
{
    struct domain *caller = hc_caller();
    struct domain *d = target(caller, dom);
    struct space *s = d != NULL ? space_find(d, space) : NULL;
    const struct hv_map_run *runs;
    int64_t done;

    if (d == NULL) {
        return HC_FAIL(-HV_EPERM, "map: no such domain");
    }
    if (s == NULL || count == 0 || count > HV_MAX_MAP_RUNS) {
        return HC_FAIL(-HV_EINVAL, "map: no such space, or too many runs");
    }
    runs = guest_page(caller, (gpa_t){ gpa }, count * sizeof(*runs), false);
    if (runs == NULL) {
        return HC_FAIL(-HV_EFAULT, "map: runs cannot be read");
    }
    spin_lock(&memory_lock);
    done = do_runs(verb, s, runs, count);
    space_flush(s);
    return locked(done);
}

int64_t hc_map(uint64_t dom, uint64_t space, uint64_t gpa, uint64_t count)
{
    return batch(MAP, dom, space, gpa, count);
}

int64_t hc_unmap(uint64_t dom, uint64_t space, uint64_t gpa, uint64_t count)
{
    return batch(UNMAP, dom, space, gpa, count);
}

int64_t hc_protect(uint64_t dom, uint64_t space, uint64_t gpa, uint64_t count)
{
    return batch(PROTECT, dom, space, gpa, count);
}

int64_t hc_switch(uint64_t space, uint64_t kernel_stack)
{
    struct vcpu *v = this_cpu()->vcpu;

    return vcpu_switch(v, space, kernel_stack);
}

/* ---- populate and give back ---- */

int64_t hc_populate(uint64_t dom, uint64_t gfn, uint64_t count)
{
    struct domain *d = target(hc_caller(), dom);

    if (d == NULL) {
        return HC_FAIL(-HV_EPERM, "populate: no such domain");
    }
    spin_lock(&memory_lock);
    return locked(p2m_populate(d, (gfn_t){ gfn }, count));
}

int64_t hc_give_back(uint64_t dom, uint64_t gfn, uint64_t count)
{
    struct domain *d = target(hc_caller(), dom);

    if (d == NULL) {
        return HC_FAIL(-HV_EPERM, "give_back: no such domain");
    }
    spin_lock(&memory_lock);
    return locked(p2m_give_back(d, (gfn_t){ gfn }, count));
}

/* ---- DMA ---- */

/* 1. The caller's device? 2. 1..HV_MAX_DMA_PAGES pages? 3. Room for as many runs, writable? Asked
 * before anything is pinned, so that the answer always reaches the caller. */
int64_t hc_dma_map(uint64_t device, uint64_t gfn, uint64_t count, uint64_t gpa)
{
    struct domain *d = hc_caller();
    struct hv_dma_run runs[HV_MAX_DMA_PAGES];
    int64_t used;

    if (!resource_holds_device(d, device)) {
        return HC_FAIL(-HV_EPERM, "dma_map: not a device of the caller");
    }
    if (count == 0 || count > HV_MAX_DMA_PAGES) {
        return HC_FAIL(-HV_EINVAL, "dma_map: page count");
    }
    if (guest_page(d, (gpa_t){ gpa }, count * sizeof(runs[0]), true) == NULL) {
        return HC_FAIL(-HV_EFAULT, "dma_map: runs cannot be written");
    }
    spin_lock(&memory_lock);
    used = dma_map(d, device, (gfn_t){ gfn }, count, runs, HV_MAX_DMA_PAGES);
    if (used > 0) {
        guest_copy_out(d, (gpa_t){ gpa }, runs, (size_t)used * sizeof(runs[0]));
    }
    return locked(used);
}

int64_t hc_dma_unmap(uint64_t device, uint64_t address, uint64_t count)
{
    struct domain *d = hc_caller();

    if (!resource_holds_device(d, device)) {
        return HC_FAIL(-HV_EPERM, "dma_unmap: not a device of the caller");
    }
    spin_lock(&memory_lock);
    return locked(dma_unmap(d, device, address, count));
}
