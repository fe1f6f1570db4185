/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way to guest memory, see guestmem.h. Nothing here is kept: an address in the direct map is
 * valid until the call returns to the guest, because this pCPU, being inside the hypervisor, has
 * not passed the flush epoch, and frames change hands only behind it.
 */
#include "guestmem.h"

void *guest_window(struct domain *d, gpa_t at, bool write) {
    const struct window *w = p2m_window(d, (gfn_t){ at.a >> PAGE_SHIFT });

    if (w == NULL || w->grant == NULL) return NULL;
    if (write && (w->rights & HV_MAP_WRITE) == 0) return NULL;
    return (uint8_t *)frame_va(w->mfn) + (at.a & PAGE_MASK);
}

/* A window may be given to another grant meanwhile. */
void *guest_page(struct domain *d, gpa_t at, size_t bytes, bool write) {
    void *p = guest_in_page(at, bytes) ? guest_ram(d, at) : NULL;

    if (p != NULL) return p;
    spin_lock(&memory_lock);
    p = guest_page_locked(d, at, bytes, write);
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
