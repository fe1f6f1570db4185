/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants: objects that hyp owns; the owner lends frames to a named peer, which maps them into
 * windows. The grant knows the peer's window, each window page knows its one leaf: what is lent can
 * be taken back without a search.
 */
#pragma once

#include "hv_grant.h"
#include "types.h"

struct domain;
struct window;

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
    uint64_t rsvd[2];
};
_Static_assert(sizeof(struct grant) == 64, "64 of them fill a frame");

int grant_init_domain(struct domain *d);
/* Revokes all grants of a dying domain whose spaces are gone, frees the table; true while work is
 * left. */
bool grant_destroy_step(struct domain *d);
/* Releases all windows of a dying domain whose spaces are gone; pinned ones stay until
 * dma_reset_step. True while work is left. */
bool grant_windows_destroy_step(struct domain *d);

int64_t grant_create(struct domain *d, uint64_t peer, gfn_t g, uint64_t count, uint64_t rights);
int grant_end(struct domain *d, uint64_t ref, bool force);
int64_t grant_map(struct domain *d, const struct hv_grant_map *m); /* pages of the window */
int64_t grant_unmap(struct domain *d, gfn_t window);               /* pages of the window */
int grant_copy(struct domain *d, const struct hv_grant_copy *c);

/* The live grant of `owner` behind a reference, or NULL. */
struct grant *grant_find(const struct domain *owner, uint64_t ref);
