/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GFN to machine frame. RAM is a three-step array whose lower levels are allocated when the domain
 * is created and charged; windows are a flat array of records, each with the exact reverse record
 * of the one leaf that may map it.
 */
#ifndef P2M_H
#define P2M_H

#include "hv_memory.h"
#include "types.h"

struct domain;
struct space;

/* A window page. */
struct window {
    mfn_t mfn;           /* the granted frame; MFN_NONE: free or revoked */
    uint64_t owner, ref; /* the grant; owner ~0: free */
    uint32_t rights;     /* HV_MAP_… */
    uint32_t port;       /* the mapper's */
    struct space *space; /* the one space that maps it, or NULL */
    uint64_t address;    /* where */
    uint32_t first;      /* index of the first page of this window */
    uint32_t pages;      /* pages of the window, in its first page */
    uint32_t revoked;
    uint32_t pins;
};

/* What a GFN names. */
struct p2m_target {
    mfn_t mfn;
    uint32_t rights;       /* HV_MAP_… that the frame carries */
    struct window *window; /* or NULL */
    bool mmio, shared;
};

int p2m_create(struct domain *d, uint64_t ram_pages, uint64_t window_pages);
bool p2m_destroy_step(struct domain *d);        /* true while work is left */
mfn_t p2m_ram(const struct domain *d, gfn_t g); /* MFN_NONE: empty or no RAM GFN */
void p2m_set_ram(struct domain *d, gfn_t g, mfn_t m);
struct window *p2m_window(const struct domain *d, gfn_t g); /* NULL: no window GFN of d */
/* 0, -HV_EINVAL (names nothing), -HV_EPERM (MMIO not held), -HV_EFAULT (revoked window). */
int p2m_resolve(struct domain *d, gfn_t g, struct p2m_target *t);

int64_t p2m_populate(struct domain *d, gfn_t g, uint64_t count); /* pages done or -HV_E… */
int64_t p2m_give_back(struct domain *d, gfn_t g, uint64_t count);

#endif
