/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way to guest memory, see guestmem.h. Nothing here is kept: an address in the direct map is
 * valid until the call returns to the guest, because this pCPU, being inside the hypervisor, has
 * not passed the flush epoch, and frames change hands only behind it.
 */
#include "guestmem.h"

/* A byte of a window page that may be used so, or NULL. */
void *guest_window_locked(struct domain *d, gpa_t at, bool write) {
    const struct window *w = p2m_window(d, (gfn_t){ at.a >> PAGE_SHIFT });

    if (w == NULL || w->grant == NULL) return NULL;
    if (write && (w->rights & HV_MAP_WRITE) == 0) return NULL;
    return (uint8_t *)frame_va(w->mfn) + (at.a & PAGE_MASK);
}

/* A window may be given to another grant meanwhile. */
void *guest_window(struct domain *d, gpa_t at, bool write) {
    void *p;

    spin_lock(&memory_lock);
    p = guest_window_locked(d, at, write);
    spin_unlock(&memory_lock);
    return p;
}

int guest_copy_in(struct domain *d, void *dst, gpa_t src, size_t bytes) {
    const void *from = guest_page(d, src, bytes, false);

    if (from == NULL) return -HV_EFAULT;
    guest_copy(dst, from, bytes);
    /* What the caller checks from here on is its own copy; the guest's is not looked at again. */
    compiler_barrier();
    return 0;
}

int guest_copy_out(struct domain *d, gpa_t dst, const void *src, size_t bytes) {
    void *to = guest_page(d, dst, bytes, true);

    if (to == NULL) return -HV_EFAULT;
    guest_copy(to, src, bytes);
    return 0;
}
