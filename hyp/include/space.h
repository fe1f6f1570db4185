/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces. hyp owns every page table. A space is a user half; the kernel half is the
 * domain's and is changed through space 0 alone. Two L4 tables a space share all lower ones: user
 * view (user half) and kernel view (user half NX at the top, and kernel half).
 */
#pragma once

#include "domain.h"
#include "epoch.h"

/* In space.loaded: it was nobody's when it began to be taken apart, and is not to be loaded. */
#define SPACE_GONE 0x80000000u

struct space {
    struct domain *domain;
    uint32_t id, dying;
    uint32_t loaded;          /* vCPUs whose space it is, or SPACE_GONE: by atomic operations */
    uint32_t stale;           /* present leaves changed since the last space_flush */
    uint32_t splits;          /* 2 MiB leaves split since then */
    uint64_t stale_at;        /* the address of the last of them */
    uint64_t asked, asked_at; /* pCPUs that may have an old right until they pass this stamp */
    uint64_t leaf_first;      /* the address from which `leaf` maps leaf_pages pages; 0: none */
    uint64_t leaf_pages;
    uint64_t *leaf;       /* the leaf table that was used last, in the direct map */
    const uint64_t *bits; /* leaf bits of each HV_MAP_… combination, 0: refused */
    uint64_t ram_first;   /* the GFN from which `ram` has 512 frames */
    const uint64_t *ram;  /* the P2M's leaf that was used last; never NULL */
    uint64_t destroy_at;  /* page number that the next step of destroy looks at */
    mfn_t l4_kernel, l4_user;
};

int space_init_domain(struct domain *d); /* kernel half L3s and space 0 */
/* Takes all spaces and the kernel half of a dying domain apart; true while work is left. */
bool space_destroy_domain_step(struct domain *d);

int64_t space_create(struct domain *d);
int space_destroy_step(struct domain *d, struct space *s); /* 1 while work is left, 0, -HV_EBUSY */

/* The space with this number, or NULL; dying ones too. */
static inline struct space *space_find_any(const struct domain *d, uint64_t id) {
    return id < HV_MAX_SPACES ? d->spaces[id & (HV_MAX_SPACES - 1)] : NULL;
}

/* The same, but for dying ones. */
static inline struct space *space_find(const struct domain *d, uint64_t id) {
    struct space *s = space_find_any(d, id);

    return s != NULL && !s->dying ? s : NULL;
}

/* Is [address, address + count pages) what this space may map: user half, or kernel half for space
 * 0? */
bool space_range_ok(const struct space *s, uint64_t address, uint64_t count);

/* Maps `count` runs, which lie in memory that a guest may write to: each word is read once. Pages
 * done or -HV_E…, as the hypercall returns it. With one pCPU memory_lock need not be held. */
int64_t space_map_runs(struct space *s, const struct hv_map_run *runs, uint64_t count);

/* A run. Pages done (>= 1) or -HV_E… when not even the first page was done. `budget` pages at most
 * (>= 1). The caller has asked space_range_ok (map does itself), and calls space_flush at the
 * end. */
typedef int64_t space_run_t(struct space *s, const struct hv_map_run *run, uint64_t budget);
space_run_t space_map, space_unmap, space_protect;

/* One fetch: a run is copied before it is looked at. */
static inline struct hv_map_run space_run_read(const struct hv_map_run *run) {
    struct hv_map_run r;

    __builtin_memcpy(&r, run, sizeof(r));
    compiler_barrier();
    return r;
}

/* A batch from runs[i] on, which was read as `run`, until one stops early, fails, or the bound is
 * reached. Pages done, `i` with them. */
int64_t space_runs(struct space *s, space_run_t *act, const struct hv_map_run *runs, uint64_t i,
                   uint64_t count, struct hv_map_run run);

/* Can the TLB of the pCPU that runs `v` hold translations of the space? Those of a space that was
 * loaded before went when the root was written. Space 0's leaves are in the kernel view of every
 * space of the domain. */
static inline bool space_in_tlb(const struct space *s, const struct vcpu *v) {
    return v == NULL || v->space == s || (s->id == 0 && v->domain == s->domain);
}

/* The pages that a batch may still do when it has done so many: a split, which takes about as long
 * as what comes with a page far from all others, counts as 7 pages more. */
static inline uint64_t space_budget(const struct space *s, uint64_t pages) {
    uint64_t work = pages + (uint64_t)7 * s->splits;

    return work < HV_MAX_MAP_PAGES ? HV_MAX_MAP_PAGES - work : 0;
}

/* Makes this pCPU wait for those that may still have an old right of `s`: when `stale`, for the
 * others that have a vCPU loaded whose TLB can have it; and for those that an earlier call asked
 * and that have not passed. Who finds a leaf gone that such a call took away would otherwise be
 * back before that call has waited. */
void space_flush_others(struct space *s, bool stale);

/* After a batch, with memory_lock held: this pCPU cannot use an old right when this returns, and no
 * vCPU of the domain when memory_unlock has returned. One page is flushed without asking whether
 * the TLB can have it: that costs less than the question. With several pCPUs the epoch is not
 * passed here: the call may still hold pointers to frames. */
static inline void space_flush(struct space *s) {
    uint32_t stale = s->stale;

    s->stale = s->splits = 0;
    if (__builtin_expect(cpu_count > 1, 0) && (stale | s->asked) != 0)
        space_flush_others(s, stale != 0);
    if (stale == 1)
        tlb_flush_page(s->stale_at);
    else if (stale != 0 && space_in_tlb(s, this_cpu()->vcpu))
        epoch_flush_inside();
}

/* Copies the leaves of RAM of `count` pages at `address`; with `protect` both sides lose the right
 * to write. Pages done, holes included, or -HV_ENOMEM for the first. The caller has asked
 * space_range_ok, and calls space_flush for both. */
int64_t space_copy(struct space *to, struct space *from, uint64_t address, uint64_t count,
                   bool protect);

/* A byte for each of `count` pages at `address`, HV_MAP_… | HV_QUERY_…, into `out`, which is
 * written alone; with `clear` the accessed and dirty bits go. As for space_unmap. 0, or, with
 * `clear`, -HV_ENOMEM: nothing has happened. */
int space_query(struct space *s, uint64_t address, uint64_t count, uint8_t *out, bool clear);

/* Counts one more vCPU whose space it is; false: it is being taken apart. Without memory_lock: the
 * count alone decides between this and the begin of a destruction. */
static inline bool space_get(struct space *s) {
    return __atomic_fetch_add(&s->loaded, 1, __ATOMIC_SEQ_CST) < SPACE_GONE;
}

/* Makes `s`, which was counted for it, the space of `v`, which is loaded here or nowhere; loads CR3
 * in the first case. */
void space_set(struct vcpu *v, struct space *s);
/* Both, for a space that stays. */
static inline void space_load(struct vcpu *v, struct space *s) {
    (void)space_get(s);
    space_set(v, s);
}

/* Software walk for the emulation module, in the kernel view of v's space: the frame behind a guest
 * virtual address. 0, -HV_EFAULT (not mapped, or no memory), -HV_EPERM (mapped, but not writable).
 */
int space_walk(struct vcpu *v, uint64_t va, bool write, mfn_t *m);
