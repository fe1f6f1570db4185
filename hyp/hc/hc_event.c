/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of the event family. Those that may need a frame for port records hold memory_lock,
 * whose rank is below that of the ports.
 */
#include "event.h"
#include "guestmem.h"
#include "hc.h"

int64_t hc_event_alloc(uint64_t dom, uint64_t peer) {
    struct domain *d = hc_target(hc_caller(), dom);
    int64_t r;

    /* 1. May the caller act on this domain, and does it live? */
    if (d == NULL) return HC_FAIL(-HV_EPERM, "no right over the domain");
    spin_lock(&memory_lock);
    /* 2. Is the peer a domain, and is there a port left? event_alloc asks. */
    r = unlock_with(&memory_lock, event_alloc(d, peer));
    return r < 0 ? HC_FAIL(r, "peer, or no port left") : r;
}

/* The source of a port. */
static int64_t bind(struct domain *d, uint64_t kind, uint64_t a, uint64_t b, struct hv_msi *msi) {
    switch (kind) {
    case HV_BIND_PEER:
        return event_bind_peer(d, a, b);
    case HV_BIND_VIRQ:
        return event_bind_virq(d, a, b);
    case HV_BIND_IRQ:
        return event_bind_irq(d, a, b);
    case HV_BIND_MSI:
        return event_bind_msi(d, a, msi);
    default:
        return -HV_EINVAL;
    }
}

int64_t hc_event_bind(uint64_t dom, uint64_t kind, uint64_t a, uint64_t b, uint64_t gpa) {
    struct domain *caller = hc_caller();
    struct domain *d = hc_target(caller, dom);
    struct hv_msi msi;
    int64_t port;

    /* 1. May the caller act on this domain, and does it live? */
    if (d == NULL) return HC_FAIL(-HV_EPERM, "no right over the domain");
    /* 2. With an answer to write, can it be written? Asked first: nothing is to be undone. */
    if (kind == HV_BIND_MSI && guest_page(caller, (gpa_t){ gpa }, sizeof(msi), true) == NULL)
        return HC_FAIL(-HV_EFAULT, "struct hv_msi");
    /* 3. Is the source free, and the domain's to bind? The functions of the kinds ask. */
    spin_lock(&memory_lock);
    port = unlock_with(&memory_lock, bind(d, kind, a, b, &msi));
    if (port < 0) return HC_FAIL(port, "source, or no port left");
    if (kind == HV_BIND_MSI) (void)guest_copy_out(caller, (gpa_t){ gpa }, &msi, sizeof(msi));
    return port;
}

int64_t hc_event_send(uint64_t port) {
    /* 1. Is it a port of the caller that has another end? event_send asks; nothing is printed: this
     *    is the one call that a peer's death can make fail at any rate. */
    return event_send(this_cpu()->vcpu, port);
}

int64_t hc_event_close(uint64_t dom, uint64_t port) {
    struct domain *d = hc_target(hc_caller(), dom);

    /* 1. May the caller act on this domain, and does it live? */
    if (d == NULL) return HC_FAIL(-HV_EPERM, "no right over the domain");
    /* 2. Is the port one in use? event_close asks. */
    return event_close(d, port);
}

int64_t hc_event_status(uint64_t dom, uint64_t port, uint64_t gpa) {
    struct domain *caller = hc_caller();
    struct domain *d = hc_target(caller, dom);
    struct hv_event_status s;
    int r;

    /* 1. May the caller act on this domain, and does it live? */
    if (d == NULL) return HC_FAIL(-HV_EPERM, "no right over the domain");
    /* 2. Is it a port's number? */
    r = event_status(d, port, &s);
    if (r < 0) return HC_FAIL(r, "no such port");
    /* 3. Can the answer be written? */
    return guest_copy_out(caller, (gpa_t){ gpa }, &s, sizeof(s));
}

int64_t hc_event_unmask(uint64_t port) {
    /* 1. Is it a port of the caller that is bound to a line? */
    return event_unmask(hc_caller(), port);
}

int64_t hc_event_set_vcpu(uint64_t dom, uint64_t port, uint64_t vcpu) {
    struct domain *d = hc_target(hc_caller(), dom);

    /* 1. May the caller act on this domain, and does it live? */
    if (d == NULL) return HC_FAIL(-HV_EPERM, "no right over the domain");
    /* 2. Are port and vCPU in use, and may this kind of port move? */
    return event_set_vcpu(d, port, vcpu);
}

int64_t hc_event_set_priority(uint64_t dom, uint64_t port, uint64_t priority) {
    struct domain *d = hc_target(hc_caller(), dom);

    /* 1. May the caller act on this domain, and does it live? */
    if (d == NULL) return HC_FAIL(-HV_EPERM, "no right over the domain");
    /* 2. Is the port in use, and is it one of the priorities? */
    return event_set_priority(d, port, priority);
}
