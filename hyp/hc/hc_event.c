/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls of the event family. Those that may need a frame for port records hold memory_lock,
 * whose rank is below that of the ports.
 */
#include "epoch.h"
#include "event.h"
#include "guestmem.h"
#include "hc.h"

/* Each kind of source leads to a state of its own. */
STATIC_ASSERT(HV_BIND_PEER + 1 == HV_PORT_PEER && HV_BIND_VIRQ + 1 == HV_PORT_VIRQ);
STATIC_ASSERT(HV_BIND_IRQ + 1 == HV_PORT_IRQ && HV_BIND_MSI + 1 == HV_PORT_MSI);
STATIC_ASSERT(HV_BIND_IPI + 1 == HV_PORT_CLOSED); /* but for this one */

/* A new port. Where nothing else is said, the numbered questions of the calls below are asked by
 * the function of core. */
static int64_t open_locked(uint64_t dom, uint64_t state, uint64_t a, uint64_t b, uint64_t gpa) {
    struct domain *caller = hc_caller(), *d = hc_target(caller, dom);
    struct hv_msi msi;
    void *out = NULL;
    int64_t port;

    /* 1. May the caller act on this domain, and does it live? */
    if (d == NULL) return HC_FAIL(-HV_EPERM, "no right over the domain");
    /* 2. With an answer to write, can it be written? Asked first: nothing is to be undone. */
    if (state == HV_PORT_MSI &&
        (out = guest_page_locked(caller, (gpa_t){ gpa }, sizeof(msi), true)) == NULL)
        return HC_FAIL(-HV_EFAULT, "struct hv_msi");
    /* 3. Does the source exist, is it free and the domain's to bind, and is there a port left? */
    port = event_open(d, state, a, b, &msi);
    if (port < 0) return HC_FAIL(port, "peer, source, or no port left");
    if (out != NULL) guest_copy(out, &msi, sizeof(msi));
    return port;
}

int64_t hc_event_alloc(uint64_t dom, uint64_t peer) {
    return HC_MEMORY(open_locked(dom, HV_PORT_UNBOUND, peer, 0, 0));
}

int64_t hc_event_bind(uint64_t dom, uint64_t kind, uint64_t a, uint64_t b, uint64_t gpa) {
    uint64_t state = kind == HV_BIND_IPI ? HV_PORT_IPI : kind + 1;

    /* Kind 0 would be event_alloc, and those above the last no kind. */
    if (kind == 0 || kind > HV_BIND_IPI) state = HV_PORT_FREE;
    return HC_MEMORY(open_locked(dom, state, a, b, gpa));
}

int64_t hc_event_send(uint64_t port) {
    /* 1. Is it a port of the caller that has another end? event_send asks; nothing is printed: this
     *    is the one call that a peer's death can make fail at any rate. */
    return event_send(this_cpu()->vcpu, port);
}

/* memory_lock keeps the domain from being taken apart meanwhile. */
#define HC_ON_PORT(dom, result) WITH_LOCK(&memory_lock, HC_ON(dom, result))

/* Another pCPU may have found the port as it was, and be about to raise it. */
static int64_t settle(uint64_t dom, uint64_t port, bool closed, int64_t result) {
    if (cpu_count == 1 || result < 0) return result;
    epoch_wait(EPOCH_ALL);
    (void)HC_ON_PORT(dom, event_settle(d, port, closed)); /* unless the domain ends */
    return result;
}

int64_t hc_event_close(uint64_t dom, uint64_t port) {
    /* 2. Is the port in use? */
    return settle(dom, port, true, HC_ON_PORT(dom, event_close(d, port)));
}

int64_t hc_event_status(uint64_t dom, uint64_t port, uint64_t gpa) {
    struct hv_event_status s;
    /* 2. Is it a port's number? */
    int64_t r = HC_ON_PORT(dom, event_status(d, port, &s));

    /* 3. Can the answer be written? */
    return r < 0 ? r : guest_copy_out(hc_caller(), (gpa_t){ gpa }, &s, sizeof(s));
}

int64_t hc_event_unmask(uint64_t port) {
    /* 1. Is it a port of the caller that is bound to a line? */
    return WITH_LOCK(event_lock(hc_caller()), event_unmask(hc_caller(), port));
}

int64_t hc_event_set_vcpu(uint64_t dom, uint64_t port, uint64_t vcpu) {
    /* 2. Are port and vCPU in use, and may this kind of port move? */
    return settle(dom, port, false, HC_ON_PORT(dom, event_set_vcpu(d, port, vcpu)));
}

int64_t hc_event_set_priority(uint64_t dom, uint64_t port, uint64_t priority) {
    /* 2. Is the port in use, and is it one of the priorities? */
    return HC_ON_PORT(dom, event_set_priority(d, port, priority));
}

int64_t hc_event_set_rate(uint64_t dom, uint64_t port, uint64_t rate, uint64_t burst) {
    /* 2. Has the port a limit, and are both numbers in range? */
    return HC_ON_PORT(dom, event_set_rate(d, port, rate, burst));
}
