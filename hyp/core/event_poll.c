/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Polls: which ports end the wait of a vCPU. They are marked, so that who raises one looks whether
 * its vCPU waits for it. The marks stay until the next poll: a port that is closed and another's by
 * then costs its vCPU a look.
 */
#include "barrier.h"
#include "domain.h"
#include "event.h"

/* One that has gone to another vCPU meanwhile is that one's to mark. */
static inline void mark(const struct vcpu *v, uint32_t port, uint16_t polled) {
    struct port *p = event_port(v->domain, port);

    if (p != NULL && p->vcpu == v) p->polled = polled;
}

bool event_poll(struct vcpu *v, const uint32_t *ports, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const struct port *p = event_port(v->domain, ports[i]);

        if (p == NULL || p->vcpu != v) return false;
    }
    for (uint32_t i = 0; i < v->polled_count; i++) mark(v, v->polled[i], 0);
    for (uint32_t i = 0; i < count; i++) {
        v->polled[i] = (uint16_t)ports[i];
        mark(v, ports[i], 1);
    }
    v->polled_count = count;
    return true;
}

bool event_polled(const struct vcpu *v) {
    const uint64_t(*pending)[HV_MAX_PORTS / 64] = v->page->pending;

    for (uint32_t i = 0; i < v->polled_count; i++) {
        uint32_t n = v->polled[i];

        if ((READ_ONCE(pending[0][n / 64]) | READ_ONCE(pending[1][n / 64])) >> n % 64 & 1)
            return true;
    }
    return false;
}
