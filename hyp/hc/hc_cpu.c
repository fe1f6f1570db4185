/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of the cpu family. return_to_user is served by entry.S.
 */
#include "guestmem.h"
#include "hc.h"
#include "vcpu.h"

/* entry.S serves this number before it comes to the table, which must have no hole. */
int64_t hc_return_to_user(void) { return 0; }

int64_t hc_set_entry(uint64_t gpa) {
    struct vcpu *v = this_cpu()->vcpu;
    struct hv_entry e;
    int r = guest_copy_in(v->domain, &e, (gpa_t){ gpa }, sizeof(e));

    /* 1. Is the structure in the caller's memory? */
    if (r < 0) return HC_FAIL(r, "struct hv_entry");
    /* 2. Are the addresses in it ones that a guest may have? vcpu_set_entry asks, all or nothing.
     */
    r = vcpu_set_entry(v, &e);
    return r < 0 ? HC_FAIL(r, "entry point, GS base or stack") : 0;
}
