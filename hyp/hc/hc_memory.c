/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory hypercalls: copy in once, ask, act, copy out. See hypercalls.def for each contract.
 * memory_lock is held around each call's work, finding what it is about included. Question 1 is
 * HC_ON's: may the caller act on the domain, and does it live?
 */
#include "guestmem.h"
#include "hc.h"
#include "resource.h"
#include "space.h"
#include "vcpu.h"

/* ---- spaces ---- */

int64_t hc_space_create(uint64_t dom) { return HC_ON_MEMORY(dom, space_create(d)); }

/* 2. A space of it, not space 0? 3. Not loaded (core asks)? */
static int64_t destroy(struct domain *d, uint64_t space) {
    struct space *s = space_find_any(d, space);

    if (s == NULL || space == 0) return HC_FAIL(-HV_EINVAL, "space_destroy: no such space");
    return space_destroy_step(d, s);
}

int64_t hc_space_destroy(uint64_t dom, uint64_t space) {
    return HC_ON_MEMORY(dom, destroy(d, space));
}

/* ---- map, unmap, protect; all static functions with memory_lock held ---- */

/* 2. A live space of it? 3. 1..HV_MAX_MAP_RUNS runs? 4. Readable? Then *runs lies in memory that
 * the guest may write to. NULL: *error says which was answered with no. */
static inline struct space *batch(struct domain *d, uint64_t space, uint64_t gpa, uint64_t count,
                                  const struct hv_map_run **runs, int64_t *error) {
    struct space *s = space_find(d, space);

    *error = -HV_EINVAL;
    if (s == NULL || count - 1 >= HV_MAX_MAP_RUNS) return NULL;
    *error = -HV_EFAULT;
    *runs = guest_page_locked(hc_caller(), (gpa_t){ gpa }, count * sizeof(**runs), false);
    return *runs != NULL ? s : NULL;
}

static int64_t map(struct domain *d, uint64_t space, uint64_t gpa, uint64_t count) {
    const struct hv_map_run *runs = NULL;
    int64_t error;
    struct space *s = batch(d, space, gpa, count, &runs, &error);

    return s == NULL ? HC_FAIL(error, "map: space, runs") : space_map_runs(s, runs, count);
}

static __attribute__((noinline)) int64_t map_general(uint64_t dom, uint64_t space, uint64_t gpa,
                                                     uint64_t count) {
    return HC_ON_MEMORY(dom, map(d, space, gpa, count));
}

/* The same questions for the common case: the caller itself (who lives, since it calls), runs in
 * its RAM, and no other pCPU: then nobody can want the lock, which is not taken. Whatever is not
 * that is asked again, and answered, the general way. */
int64_t hc_map(uint64_t dom, uint64_t space, uint64_t gpa, uint64_t count) {
    struct domain *d = hc_caller();
    uint64_t offset = gpa & PAGE_MASK, m;
    struct space *s;

    if (dom == HV_SELF && count - 1 < HV_MAX_MAP_RUNS && gpa >> PAGE_SHIFT < d->ram_pages &&
        count * sizeof(struct hv_map_run) <= PAGE_SIZE - offset) {
        s = space_find(d, space);
        m = p2m_ram_word(d, gpa >> PAGE_SHIFT);
        if (s != NULL && m != 0 && __builtin_expect(cpu_count == 1, 1))
            return space_map_runs(s, (void *)(frame_direct + (m << PAGE_SHIFT) + offset), count);
    }
    return map_general(dom, space, gpa, count);
}

/* 5. Does the run lie in the half that the space may map? 6. Are the fields of map zero? */
static bool run_ok(const struct space *s, const struct hv_map_run *run) {
    return space_range_ok(s, run->address, run->count) && run->gfn == 0;
}

static int64_t unmap(struct space *s, const struct hv_map_run *run, uint64_t budget) {
    return run_ok(s, run) && run->rights == 0 ? space_unmap(s, run, budget) : -HV_EINVAL;
}

static int64_t protect(struct space *s, const struct hv_map_run *run, uint64_t budget) {
    return run_ok(s, run) ? space_protect(s, run, budget) : -HV_EINVAL;
}

static int64_t each_run(space_run_t *act, struct domain *d, uint64_t space, uint64_t gpa,
                        uint64_t count) {
    const struct hv_map_run *runs = NULL;
    int64_t done;
    struct space *s = batch(d, space, gpa, count, &runs, &done);

    if (s == NULL) return HC_FAIL(done, "unmap, protect: space, runs");
    done = space_runs(s, act, runs, 0, count, space_run_read(runs));
    space_flush(s);
    return done;
}

int64_t hc_unmap(uint64_t dom, uint64_t space, uint64_t gpa, uint64_t count) {
    return HC_ON_MEMORY(dom, each_run(unmap, d, space, gpa, count));
}

int64_t hc_protect(uint64_t dom, uint64_t space, uint64_t gpa, uint64_t count) {
    return HC_ON_MEMORY(dom, each_run(protect, d, space, gpa, count));
}

/* 2. Two different live spaces of it? 3. Pages of the user half, which space 0 has not? 4. Known
 * flags? */
static int64_t copy(struct domain *d, uint64_t space, uint64_t target, uint64_t start,
                    uint64_t count, uint64_t flags) {
    struct space *from = space_find(d, space), *to = space_find(d, target);
    int64_t done;

    if (from == NULL || to == NULL || space == 0 || target == 0 || space == target ||
        flags > HV_COPY_WRITE_PROTECT || !space_range_ok(from, start, count))
        return HC_FAIL(-HV_EINVAL, "space_copy: spaces, range or flags");
    done = space_copy(to, from, start, count, flags != 0);
    space_flush(from);
    space_flush(to);
    return done;
}

int64_t hc_space_copy(uint64_t dom, uint64_t space, uint64_t target, uint64_t start, uint64_t count,
                      uint64_t flags) {
    return HC_ON_MEMORY(dom, copy(d, space, target, start, count, flags));
}

/* 2. A live space of it? 3. 1..HV_MAX_QUERY_PAGES pages of its half? 4. Known flags? 5. Room for as
 * many bytes, writable? They are written, never read. */
static int64_t query(struct domain *d, uint64_t space, uint64_t start, uint64_t count, uint64_t gpa,
                     uint64_t flags) {
    struct space *s = space_find(d, space);
    int64_t error;
    uint8_t *out;

    if (s == NULL || count > HV_MAX_QUERY_PAGES || flags > HV_QUERY_CLEAR ||
        !space_range_ok(s, start, count))
        return HC_FAIL(-HV_EINVAL, "space_query: space, range or flags");
    out = guest_page_locked(hc_caller(), (gpa_t){ gpa }, count, true);
    if (out == NULL) return -HV_EFAULT;
    error = space_query(s, start, count, out, flags != 0);
    space_flush(s);
    return error;
}

int64_t hc_space_query(uint64_t dom, uint64_t space, uint64_t start, uint64_t count, uint64_t gpa,
                       uint64_t flags) {
    return HC_ON_MEMORY(dom, query(d, space, start, count, gpa, flags));
}

int64_t hc_switch(uint64_t space, uint64_t kernel_stack) {
    return vcpu_switch(this_cpu()->vcpu, space, kernel_stack);
}

/* ---- populate and give back ---- */

int64_t hc_populate(uint64_t dom, uint64_t gfn, uint64_t count) {
    return HC_ON_MEMORY(dom, p2m_populate(d, (gfn_t){ gfn }, count));
}

int64_t hc_give_back(uint64_t dom, uint64_t gfn, uint64_t count) {
    return HC_ON_MEMORY(dom, p2m_give_back(d, (gfn_t){ gfn }, count));
}

/* ---- DMA ---- */

/* 1. The caller's device? 2. 1..HV_MAX_DMA_PAGES pages? 3. Room for as many runs, writable? Asked
 * before anything is pinned, so that the answer always reaches the caller. */
static int64_t pin(struct domain *d, uint64_t device, uint64_t gfn, uint64_t count, uint64_t gpa) {
    struct hv_dma_run runs[HV_MAX_DMA_PAGES];
    int64_t used;
    void *out;

    if (!resource_holds_device(d, device))
        return HC_FAIL(-HV_EPERM, "dma_map: not a device of the caller");
    if (count == 0 || count > HV_MAX_DMA_PAGES) return HC_FAIL(-HV_EINVAL, "dma_map: page count");
    out = guest_page_locked(d, (gpa_t){ gpa }, count * sizeof(runs[0]), true);
    if (out == NULL) return HC_FAIL(-HV_EFAULT, "dma_map: runs cannot be written");
    used = dma_map(d, device, (gfn_t){ gfn }, count, runs);
    if (used > 0) guest_copy(out, runs, (size_t)used * sizeof(runs[0]));
    return used;
}

int64_t hc_dma_map(uint64_t device, uint64_t gfn, uint64_t count, uint64_t gpa) {
    return HC_MEMORY(pin(hc_caller(), device, gfn, count, gpa));
}

static int64_t unpin(struct domain *d, uint64_t device, uint64_t address, uint64_t count) {
    if (!resource_holds_device(d, device))
        return HC_FAIL(-HV_EPERM, "dma_unmap: not a device of the caller");
    return dma_unmap(d, device, address, count);
}

int64_t hc_dma_unmap(uint64_t device, uint64_t address, uint64_t count) {
    return HC_MEMORY(unpin(hc_caller(), device, address, count));
}
