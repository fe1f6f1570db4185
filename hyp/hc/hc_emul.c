/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of the emulation family; see ioemul.c.
 */
#include "hc.h"
#include "ioemul.h"

int64_t hc_io_route(uint64_t dom, uint64_t first, uint64_t count, uint64_t port, uint64_t gfn) {
    /* 1. Is it a descendant, alive? Nobody can be its own model: it would wait for itself. 2. Are
     * the ports in range and routed nowhere yet, the event port and the request page and data pages
     * the caller's? io_route asks. */
    return HC_MEMORY(
        HC_ON_DESCENDANT(dom, io_route(d, hc_caller(), first, count, port, (gfn_t){ gfn })));
}

int64_t hc_io_complete(uint64_t dom, uint64_t vcpu, uint64_t value, uint64_t gpa) {
    /* 2. Is a request of this vCPU pending, with the caller as its model? Are the elements no more
     *    than asked for, and in the caller's memory? io_complete asks. */
    return WITH_LOCK(&memory_lock, HC_ON_DESCENDANT(dom, io_complete(hc_caller(), d, vcpu, value,
                                                                     (gpa_t){ gpa })));
}
