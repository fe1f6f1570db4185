/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a port says of itself, what is pending for a vCPU, and polling: the ports that a vCPU waits
 * for are marked in their records, so that a raise looks no further. A mark belongs to the vCPU
 * that the port is delivered to; a port that is closed or moves to another vCPU loses it, and the
 * poll is over. The lock of the port table guards the marks.
 */
#include "event.h"
#include "lock.h"

int event_status(struct domain *d, uint64_t port, struct hv_event_status *s) {
    const struct port *p = event_port(d, port);

    if (port == 0 || port >= HV_MAX_PORTS) return -HV_EINVAL;
    *s = (struct hv_event_status){ .state = HV_PORT_FREE };
    if (p != NULL)
        *s = (struct hv_event_status){ p->state, p->vcpu->id, p->priority,  p->source, p->peer,
                                       p->rate,  p->burst,    p->throttled, 0 };
    return 0;
}

int event_set_priority(struct domain *d, uint64_t port, uint64_t priority) {
    struct port *p = event_port(d, port);

    if (p == NULL || priority > HV_PRIORITY_URGENT) return -HV_EINVAL;
    p->priority = (uint8_t)priority; /* who raises it reads it once */
    return 0;
}

/* A port that v may poll: one in use, and delivered to it. */
static struct port *port_of(const struct vcpu *v, uint32_t n) {
    struct port *p = event_port(v->domain, n);

    return p != NULL && p->vcpu == v ? p : NULL;
}

bool event_poll(struct vcpu *v, const uint32_t *ports, uint32_t count) {
    struct spinlock *lock = event_lock(v->domain);
    struct port *found[HV_MAX_POLL_PORTS], *p;

    spin_lock(lock);
    for (uint32_t i = 0; i < count; i++)
        if ((found[i] = port_of(v, ports[i])) == NULL) return unlock_with(lock, false);
    /* Those of its last poll, but for what another vCPU may have marked since. */
    for (uint32_t i = 0; i < v->polled_count; i++)
        if ((p = port_of(v, v->polled[i])) != NULL) p->polled = 0;
    for (uint32_t i = 0; i < count; i++) {
        v->polled[i] = (uint16_t)ports[i];
        found[i]->polled = 1;
    }
    v->polled_count = count;
    v->poll_over = 0;
    return unlock_with(lock, true);
}

bool event_polled(const struct vcpu *v) {
    const uint64_t(*pending)[HV_MAX_PORTS / 64] = v->page->pending;

    for (uint32_t i = 0; i < v->polled_count; i++) {
        uint32_t n = v->polled[i];

        if ((READ_ONCE(pending[0][n / 64]) | READ_ONCE(pending[1][n / 64])) >> n % 64 & 1)
            return true;
    }
    return READ_ONCE(v->poll_over) != 0;
}
