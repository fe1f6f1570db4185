/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame table: one record a machine frame, with owner, state and counts. It owns every frame
 * that the boot code left over; what a domain uses is charged to the domain. Frames come zeroed. A
 * frame whose count of leaves was ever above zero goes back to the free list only behind a flush
 * epoch (frame_free arranges it): that is the one rule of reuse, and it lives here.
 */
#ifndef FRAME_H
#define FRAME_H

#include "boot.h"
#include "types.h"

struct domain;

enum frame_state {
    FRAME_RESERVED, /* not memory, or used by the hypervisor from boot on */
    FRAME_FREE,
    FRAME_RAM,        /* a domain's RAM */
    FRAME_TABLE,      /* a page table */
    FRAME_META,       /* the hypervisor's records, charged to a domain */
    FRAME_SHARED,     /* a vCPU's shared page */
    FRAME_LIMBO,      /* freed, waits for the epoch */
    FRAME_QUARANTINE, /* freed, a device may still write to it */
};

struct frame {
    uint16_t owner; /* slot of the owning domain + 1; 0: the hypervisor */
    uint8_t state;  /* enum frame_state */
    uint8_t flags;
    uint16_t live;   /* FRAME_TABLE: present entries */
    uint16_t pins;   /* DMA */
    uint32_t maps;   /* leaves that name it, in any space of any domain; request pages count too */
    uint32_t grants; /* grants of its owner that cover it */
    uint32_t next;   /* list of free or limbo frames */
    uint32_t epoch;  /* FRAME_LIMBO: may be reused when every pCPU has passed it */
};

void frame_init(const struct boot_info *boot);
struct frame *frame_of(mfn_t m);    /* BUG for frames beyond the table */
bool frame_valid(uint64_t mfn);     /* inside the table */
void *frame_va(mfn_t m);            /* in the direct map */
mfn_t frame_mfn_of(const void *va); /* inverse */

/* A zeroed frame for `d` (NULL: the hypervisor), charged. MFN_NONE: quota or memory used up. */
mfn_t frame_alloc(struct domain *d, enum frame_state state);
/* Gives a frame of `d` back and uncharges it. No leaf may name it any more. */
void frame_free(struct domain *d, mfn_t m);
uint64_t frame_free_count(void);
uint64_t frame_total_count(void);

static inline void frame_map_get(struct frame *f)
{
    f->maps++;
}
void frame_map_put(
    struct frame *f); /* BUG below zero; marks the flush that reuse has to wait for */

#endif
