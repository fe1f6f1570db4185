/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants: objects that hyp owns; the owner lends frames to a named peer, which maps them into
 * windows. The grant knows the peer's window, each window page knows its one leaf: what is lent can
 * be taken back without a search.
 */
#pragma once

#include "frame.h"
#include "hv_grant.h"
#include "p2m.h"

#define GRANT_SLOT_MASK      (((uint64_t)1 << HV_GRANT_SLOT_BITS) - 1)
#define GRANT_GENERATION_MAX (((uint64_t)1 << (64 - HV_GRANT_SLOT_BITS)) - 1)

/* A slot. */
struct grant {
    uint32_t next;         /* free slots: see struct slots */
    uint32_t count;        /* pages; 0: a slot that is free or retired */
    uint64_t generation;   /* of the slot's present or last grant */
    uint64_t peer;         /* domain number */
    uint64_t gfn;          /* first GFN, RAM of the owner */
    struct domain *holder; /* the peer while it has mapped the grant, else NULL */
    uint32_t window;       /* then: index of its first window page */
    uint32_t rights;       /* HV_MAP_… */
    mfn_t first;           /* the frame behind its first GFN */
    uint64_t rsvd;
};
_Static_assert(sizeof(struct grant) == 64, "64 of them fill a frame");

/* Revokes all grants of a dying domain whose spaces are gone, frees the table; true while work is
 * left. */
bool grant_destroy_step(struct domain *d);
/* Releases all windows of a dying domain whose spaces are gone; pinned ones stay until
 * dma_reset_step. True while work is left. */
bool grant_windows_destroy_step(struct domain *d);

int64_t grant_create(struct domain *d, uint64_t peer, gfn_t g, uint64_t count, uint64_t rights);
int grant_end(struct domain *d, uint64_t ref, bool force);
/* Behind that, when its lock is given up and all pCPUs have passed: the peer's event. One that
 * comes before would be served with the window still in a TLB. */
int64_t grant_tell(int64_t result);
/* Batches: entries done, or the error of the first. A guest may write to the entries of map and
 * unmap: each word is read once; those of copy are the caller's own. */
int64_t grant_map(struct domain *d, const struct hv_grant_map *entries, uint64_t count);
int64_t grant_unmap(struct domain *d, const uint64_t *entries, uint64_t count);
int64_t grant_copy(struct domain *d, const struct hv_grant_copy *entries, uint64_t count);

/* The live grant of `owner` behind a reference, or NULL. */
static inline struct grant *grant_find(const struct domain *owner, uint64_t ref) {
    uint64_t slot = ref & GRANT_SLOT_MASK;
    struct grant *g;

    if (slot >= owner->grants->ever) return NULL;
    g = slot_at(owner->grants, slot, sizeof(*g));
    return g->count != 0 && g->generation == ref >> HV_GRANT_SLOT_BITS ? g : NULL;
}
