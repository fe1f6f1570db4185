/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces. hyp owns every page table. A space is a user half; the kernel half is the
 * domain's. Two L4 tables a space share all lower ones: user view (user half) and kernel view (user
 * half NX at the top, and kernel half).
 */
#ifndef SPACE_H
#define SPACE_H

#include "hv_memory.h"
#include "types.h"

struct domain;
struct vcpu;

struct space {
    struct domain *domain;
    uint32_t id;
    uint32_t dying;
    uint32_t loaded; /* vCPUs whose space it is */
    uint32_t rsvd;
    uint64_t destroy_at;
    mfn_t l4_kernel, l4_user;
    mfn_t mfn; /* the frame this struct lies in, or MFN_NONE */
};

int space_init_domain(struct domain *d); /* kernel half L3s and space 0 */
int64_t space_create(struct domain *d);
int space_destroy_step(struct domain *d, struct space *s);
struct space *space_find(struct domain *d, uint64_t id); /* alive, or NULL */

/* A run. Pages done (>= 1) or -HV_E… when not even the first page was done. `budget` pages at most.
 */
int64_t space_map(struct space *s, const struct hv_map_run *run, uint64_t budget);
int64_t space_unmap(struct space *s, const struct hv_map_run *run, uint64_t budget);
int64_t space_protect(struct space *s, const struct hv_map_run *run, uint64_t budget);
/* After a batch: no vCPU of the domain can still use an old right when this returns. */
void space_flush(struct space *s);

/* Removes the one leaf at `address` that names window or RAM frame `m` (revoke). Flushes. */
void space_zap(struct space *s, uint64_t address, mfn_t m);

/* Makes `s` the space of `v`; loads CR3 when `v` is the current vCPU. */
void space_load(struct vcpu *v, struct space *s);

/* Software walk for the emulation module: the frame behind a guest virtual address in v's current
 * space and mode. */
int space_walk(struct vcpu *v, uint64_t va, bool write, mfn_t *m);

#endif
