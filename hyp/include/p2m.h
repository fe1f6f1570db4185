/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GFN to machine frame. RAM is a three-step array, charged to the domain: 0 is an empty GFN (frame
 * 0 is never RAM of a domain), and all leaves in which nothing is are one. Windows are an array of
 * records, each with the exact reverse record of the one leaf that may map it.
 *
 *   domain.p2m_ram[gfn >> 18] -> frame of 512 pointers [(gfn >> 9) & 511] -> frame of 512 MFNs
 *   domain.windows -> frame of pointers [n >> 15] -> frame of pointers [(n >> 6) & 511]
 *                                                 -> frame of 64 struct window
 */
#pragma once

#include "domain.h"

/* A window page. Free: grant, space, rights, pages and pin are 0, the rest means nothing. */
struct window {
    mfn_t mfn;           /* the granted frame; meaningless when revoked */
    struct grant *grant; /* NULL: revoked, or free */
    struct space *space; /* the one space that maps it, or NULL */
    uint64_t address;    /* where */
    uint32_t rights;     /* HV_MAP_…; 0: free */
    uint32_t port;       /* the mapper's */
    uint16_t pages;      /* pages of the window, in its first page; else 0 */
    uint16_t pin;        /* first of the pins made through it, in dma.c's table; 0: none */
    uint32_t rsvd[5];
};
_Static_assert(sizeof(struct window) == 64, "64 of them fill a frame");

/* What a GFN names. */
struct p2m_target {
    mfn_t mfn;
    uint32_t rights;       /* HV_MAP_… that the frame carries */
    struct window *window; /* or NULL */
    bool mmio, shared;
};

/* The leaf of GFNs of which none was ever populated, of all domains: nobody writes to it. */
extern const uint64_t p2m_no_ram[512];

/* Allocates both arrays, but for the leaves of the RAM's, which come when they are first used;
 * charged to d: 0 or -HV_ENOMEM (what was allocated stays for p2m_destroy_step). */
int p2m_create(struct domain *d, uint64_t ram_pages, uint64_t window_pages);
/* Frees RAM frames, then the arrays; pinned frames go to quarantine. True while work is left. Not
 * before spaces, grants and windows are gone. */
bool p2m_destroy_step(struct domain *d);

/* The word of a GFN below d->ram_pages: its MFN, 0: empty. */
static inline uint64_t p2m_ram_word(const struct domain *d, uint64_t g) {
    return d->p2m_ram[(g >> 18) & 31][(g >> 9) & 511][g & 511];
}

/* The words of a run of RAM GFNs from g on, and at most *count of them, which becomes as many as
 * there are behind each other; 0: g is no RAM GFN. Words beyond the end are empty. */
static inline const uint64_t *p2m_ram_run(const struct domain *d, uint64_t g, uint64_t *count) {
    uint64_t most = g < d->ram_pages ? 512 - (g & 511) : 0;

    if (*count > most) *count = most;
    return most != 0 ? &d->p2m_ram[(g >> 18) & 31][(g >> 9) & 511][g & 511] : NULL;
}

/* MFN_NONE: empty or no RAM GFN. */
static inline mfn_t p2m_ram(const struct domain *d, gfn_t g) {
    uint64_t m = g.n < d->ram_pages ? p2m_ram_word(d, g.n) : 0;

    return m != 0 ? (mfn_t){ m } : MFN_NONE;
}

/* MFN_NONE: empty. 0 or -HV_ENOMEM: no memory for a leaf, where there was none. */
int p2m_set_ram(struct domain *d, gfn_t g, mfn_t m);

/* Window record n of d, which must be in range. */
static inline struct window *p2m_window_at(const struct domain *d, uint64_t n) {
    return &d->windows[(n >> 15) & 511][(n >> 6) & 511][n & 63];
}

/* For p2m_window: looks up, and remembers the frame. */
struct window *p2m_window_find(struct domain *d, uint64_t n);

/* NULL: no window GFN of d. Neighbours are used together: their frame is remembered. */
static inline struct window *p2m_window(struct domain *d, gfn_t g) {
    uint64_t n = g.n - HV_GFN_WINDOW, near = n - d->window_first;

    if (__builtin_expect(near >= d->window_near, 0)) return p2m_window_find(d, n);
    return &d->window_frame[near & 63];
}

/* 0, -HV_EINVAL (names nothing), -HV_EPERM (MMIO not held), -HV_EFAULT (revoked window). */
int p2m_resolve(struct domain *d, gfn_t g, struct p2m_target *t);

/* At most HV_MAX_POPULATE_PAGES; pages done, or -HV_E… when not even the first was done. */
int64_t p2m_populate(struct domain *d, gfn_t g, uint64_t count);
int64_t p2m_give_back(struct domain *d, gfn_t g, uint64_t count);
