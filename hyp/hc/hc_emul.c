/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of the emulation family; see ioemul.c.
 */
#include "hc.h"
#include "ioemul.h"

int64_t hc_io_route(uint64_t dom, uint64_t first, uint64_t count, uint64_t port, uint64_t gfn) {
    struct domain *caller = hc_caller();
    struct domain *d = hc_descendant(caller, dom);
    int r;

    /* 1. Is it a descendant, alive? Nobody can be its own model: it would wait for itself. */
    if (d == NULL) return HC_FAIL(-HV_EPERM, "no living descendant");
    /* 2. Are the ports in range and routed nowhere yet, the event port and the request page and
     * data pages the caller's? io_route asks. */
    r = io_route(d, caller, first, count, port, (gfn_t){ gfn });
    if (r == -HV_ENOMEM && hc_again() && (d = hc_descendant(caller, dom)) != NULL)
        r = io_route(d, caller, first, count, port, (gfn_t){ gfn });
    return r < 0 ? HC_FAIL(r, "ports, event port or request pages") : 0;
}

int64_t hc_io_complete(uint64_t dom, uint64_t vcpu, uint64_t value, uint64_t gpa) {
    struct domain *caller = hc_caller();
    struct domain *d = hc_descendant(caller, dom);
    int r;

    /* 1. Is it a descendant, alive? */
    if (d == NULL) return HC_FAIL(-HV_EPERM, "no living descendant");
    /* 2. Is a request of this vCPU pending, with the caller as its model? Are the elements no more
     *    than asked for, and in the caller's memory? io_complete asks. */
    r = io_complete(caller, d, vcpu, value, (gpa_t){ gpa });
    return r < 0 ? HC_FAIL(r, "nothing pending, or its data") : 0;
}
