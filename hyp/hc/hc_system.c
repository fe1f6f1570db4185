/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of the system family: version, console, counters.
 */
#include "console.h"
#include "guestmem.h"
#include "hc.h"

int64_t hc_version(void) { return HV_ABI_VERSION; }

int64_t hc_console_write(uint64_t gpa, uint64_t bytes) {
    struct domain *d = hc_caller();
    const char *text;

    /* 1. Is the length one that fits into a page? */
    if (bytes == 0 || bytes > HV_PAGE_SIZE) return HC_FAIL(-HV_EINVAL, "length");
    /* 2. Is the text in the caller's memory? It is read once, where it is. */
    text = guest_page(d, (gpa_t){ gpa }, bytes, false);
    if (text == NULL) return HC_FAIL(-HV_EFAULT, "text");
    return console_domain_write(d, text, bytes);
}

int64_t hc_console_read(uint64_t gpa, uint64_t bytes) {
    struct domain *d = hc_caller();
    char *to;

    /* 1. Does the caller hold the console? */
    if (d != domain_root) return HC_FAIL(-HV_EPERM, "not the console's holder");
    /* 2. Is the length one that fits into a page? */
    if (bytes == 0 || bytes > HV_PAGE_SIZE) return HC_FAIL(-HV_EINVAL, "length");
    /* 3. Is the buffer in the caller's memory? Asked before input is taken, so that none is lost.
     */
    to = guest_page(d, (gpa_t){ gpa }, bytes, true);
    if (to == NULL) return HC_FAIL(-HV_EFAULT, "buffer");
    return (int64_t)console_read(to, bytes);
}

int64_t hc_counters(uint64_t dom, uint64_t gpa) {
    struct hv_counters sum;
    /* 1. May the caller ask about this domain? 2. Can the answer be written? */
    int64_t r = HC_ON_BY(domain_for_control, dom, (counters_read(d, &sum), 0));

    return r < 0 ? r : guest_copy_out(hc_caller(), (gpa_t){ gpa }, &sum, sizeof(sum));
}
