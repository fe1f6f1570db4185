/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one way to guest memory: bounded copies between a local of ours and a guest physical buffer
 * of a domain, through the P2M and the direct map. One fetch: what was copied in is not read again.
 * Never a guest virtual address.
 */
#pragma once

#include "arch/page.h"
#include "frame.h"
#include "p2m.h"

/* 0, or -HV_EFAULT: not RAM or window, crosses a page, revoked, or (out) read-only. bytes 0..4096.
 */
int guest_copy_in(struct domain *d, void *dst, gpa_t src, size_t bytes);
int guest_copy_out(struct domain *d, gpa_t dst, const void *src, size_t bytes);
/* Copies, and counts it for the guest that runs. */
static inline void guest_copy(void *to, const void *from, size_t bytes) {
    struct vcpu *v = this_cpu()->vcpu;

    bytes_copy(to, from, bytes);
    if (v != NULL) v->counters.bytes_copied += bytes;
}

/* A byte of a window page of the domain that may be used so, or NULL. */
void *guest_window(struct domain *d, gpa_t at, bool write);

/*
 * For long outputs and inputs inside one page: its address in the direct map, valid until the call
 * returns to the guest. NULL (-HV_EFAULT): 1. not inside one page? 2. neither RAM of the domain nor
 * a window? 3. the window revoked, or not writable and written? Shared pages and MMIO are no
 * buffers. Without memory_lock `d` is the caller itself, whose arrays stay while it calls.
 */
static inline void *guest_ram(const struct domain *d, gpa_t at) {
    uint64_t g = at.a >> PAGE_SHIFT, m = g < d->ram_pages ? p2m_ram_word(d, g) : 0;

    return m == 0 ? NULL : frame_direct + (m << PAGE_SHIFT) + (at.a & PAGE_MASK);
}

static inline bool guest_in_page(gpa_t at, size_t bytes) {
    return bytes <= PAGE_SIZE - (at.a & PAGE_MASK);
}

static inline void *guest_page_locked(struct domain *d, gpa_t at, size_t bytes, bool write) {
    void *p = guest_ram(d, at);

    if (!guest_in_page(at, bytes)) return NULL;
    return p != NULL ? p : guest_window(d, at, write);
}

/* The same for who does not hold memory_lock. */
void *guest_page(struct domain *d, gpa_t at, size_t bytes, bool write);
