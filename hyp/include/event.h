/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: ports, what they are bound to, and raising them.
 */
#pragma once

#include "barrier.h"
#include "domain.h"
#include "hv_event.h"

/* One end of a channel. `other` is written under both tables' locks and read without by senders. */
struct port {
    uint8_t state; /* HV_PORT_… */
    uint8_t priority;
    uint16_t index;     /* its own number */
    uint32_t source;    /* peer's port, virtual IRQ, line or device */
    struct vcpu *vcpu;  /* who is told */
    struct port *other; /* PEER: the other end */
    uint64_t peer;      /* domain: UNBOUND who may bind, PEER and CLOSED who did */
    int16_t vector;     /* IRQ, MSI; else -1 */
    uint16_t polled;    /* its vCPU may wait for it in poll: under the table's lock */
    uint16_t waiting;   /* its place in the heap of throttled ports, from 1; 0: not in it */
    uint16_t heap;      /* which port is in the heap's place with this one's number */
    uint32_t rate, burst, period; /* of sends to it; period: ns a token, 0: no limit */
    uint32_t throttled;           /* sends that found no token */
    uint64_t full_at;             /* ns: when its bucket is full; PORT_WAITING: not without lock */
};

int event_init_domain(struct domain *d);
bool event_destroy_step(
    struct domain *d); /* closes ports and tells peers; true while work is left */

/* A new port in `state`, UNBOUND to MSI; a, b and msi as in the calls event_alloc and event_bind.
 */
int64_t event_open(struct domain *d, uint64_t state, uint64_t a, uint64_t b, struct hv_msi *msi);
int64_t event_send(struct vcpu *v, uint64_t port); /* through a port of v's domain */
int event_close(struct domain *d, uint64_t port);
/* The rest of event_close, `closed`, or event_set_vcpu, when no pCPU is inside that was so before.
 */
int event_settle(struct domain *d, uint64_t port, bool closed);
int event_status(struct domain *d, uint64_t port, struct hv_event_status *s);
int event_unmask(struct domain *d, uint64_t port);
int event_set_vcpu(struct domain *d, uint64_t port, uint64_t vcpu);
int event_set_priority(struct domain *d, uint64_t port, uint64_t priority);
int event_set_rate(struct domain *d, uint64_t port, uint64_t rate, uint64_t burst);
/* poll.c: makes these ports the ones that end v's poll; false: one is not in use, or another
 * vCPU's.
 */
bool event_poll(struct vcpu *v, const uint32_t *ports, uint32_t count);
/* Is one of them pending, or v's no longer? */
bool event_polled(const struct vcpu *v);
/* Raises throttled ports of `d` whose tokens are due, 64 at most, and sets the timer for the rest.
 */
void event_release(struct domain *d, uint64_t now);

/* Marks a port of `d` pending and wakes its vCPU; no-op for port 0 or a free one. Constant time. */
void event_raise(struct domain *d, uint32_t port);
void event_raise_port(const struct port *p); /* or NULL */
void event_raise_virq(struct domain *d, uint32_t virq);
/* A vCPU's one-shot timer has expired. */
void event_raise_timer(struct vcpu *v);
/* Is anything pending, masked or not? Reads the shared page once. */
static inline bool event_pending(const struct vcpu *v) {
    return (READ_ONCE(v->page->pending_sel[0]) | READ_ONCE(v->page->pending_sel[1])) != 0;
}
/* A port of `d` in use, or NULL; and the lock of its port table, which `d` has. */
struct port *event_port(const struct domain *d, uint64_t port);
struct spinlock *event_lock(const struct domain *d);
/* Is an upcall due: neither masked nor busy, something pending? Reads each word once, the
 * first two as one. With `busy` alone the save area is still in use: entry.S waits for it too. */
static inline bool event_upcall_due(const struct vcpu *v) {
    return READ_ONCE(*(const uint64_t *)(const void *)&v->page->masked) == 0 && event_pending(v);
}
