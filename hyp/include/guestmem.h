/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one way to guest memory: bounded copies between a local of ours and a guest physical buffer
 * of a domain, through the P2M and the direct map. One fetch: what was copied in is not read again.
 * Never a guest virtual address.
 */
#pragma once

#include "frame.h"
#include "p2m.h"

/* 0, or -HV_EFAULT: not RAM or window, crosses a page, revoked, or (out) read-only. bytes 0..4096.
 */
int guest_copy_in(struct domain *d, void *dst, gpa_t src, size_t bytes);
int guest_copy_out(struct domain *d, gpa_t dst, const void *src, size_t bytes);
/* Counts what was copied for the guest that runs. */
static inline void guest_count_copied(size_t bytes) {
    struct vcpu *v = this_cpu()->vcpu;

    if (v != NULL) v->counters.bytes_copied += bytes;
}

/* A page that is not RAM of the domain: a window that may be used so, or NULL. */
void *guest_window(struct domain *d, gpa_t at, bool write);

/*
 * For long outputs and inputs inside one page: its address in the direct map, valid until the call
 * returns to the guest. NULL (-HV_EFAULT): 1. not inside one page? 2. neither RAM of the domain nor
 * a window? 3. the window revoked, or not writable and written? Shared pages and MMIO are no
 * buffers.
 */
static inline void *guest_page(struct domain *d, gpa_t at, size_t bytes, bool write) {
    uint64_t offset = at.a & PAGE_MASK, g = at.a >> PAGE_SHIFT;
    uint64_t m = g < d->ram_pages ? p2m_ram_word(d, g) : 0;

    if (bytes > PAGE_SIZE - offset) return NULL;
    return m == 0 ? guest_window(d, at, write) : frame_direct + (m << PAGE_SHIFT) + offset;
}
