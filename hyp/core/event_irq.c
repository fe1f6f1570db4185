/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports that are bound to interrupts: lines, and messages of devices.
 *
 * Owns the table of bound lines. Invariant: a line or vector is bound to at most one port, which is
 * alive.
 *
 * Locking: the lock of the port's table; lines are claimed by compare-and-swap.
 */
#include "event_irq.h"
#include "arch/irq.h"
#include "domain.h"
#include "event.h"
#include "resource.h"
#include "trace.h"

#define LINES_MAX 256u

/* Interrupt vectors of a child of root's and those below it: the machine has some 170 for all. */
#define VECTORS_MAX 16u

/* Bound interrupt lines; claimed with compare-and-swap, given up by the port that holds one. */
static struct port *line_port[LINES_MAX];

/* A line came in: it stays masked until the domain has served it and says so. Meanwhile the line
 * may be another port's; who binds it after the look here unmasks it later than this masks it. */
static void line_handler(void *arg) {
    uint32_t gsi = (uint32_t)((struct port **)arg - line_port);
    const struct port *p;

    irq_line_mask(gsi);
    p = load_acquire(&line_port[gsi]);
    trace(HV_TRACE_line, gsi, p != NULL ? p->vcpu->domain->id : HV_SELF, p != NULL ? p->index : 0);
    event_raise_port(p);
}

static void msi_handler(void *arg) { event_raise_port(arg); }

/* A vector for a port; false: none is left, or `d` has enough. */
static bool vector_get(struct domain *d, struct port *p, irq_handler_t *handler, void *arg) {
    uint32_t *count = &domain_account(d)->vectors;

    if (__atomic_add_fetch(count, 1, __ATOMIC_RELAXED) <= VECTORS_MAX || d == domain_root)
        p->vector = (int16_t)irq_vector_alloc(handler, arg);
    if (p->vector < 0) __atomic_sub_fetch(count, 1, __ATOMIC_RELAXED);
    return p->vector >= 0;
}

static void vector_put(struct domain *d, const struct port *p) {
    irq_vector_free(p->vector);
    __atomic_sub_fetch(&domain_account(d)->vectors, 1, __ATOMIC_RELAXED);
}

/* The line starts unmasked. The platform's tables, not the caller, say how it is triggered: flags
 * are a hint that has to be well-formed. */
int line_connect(struct domain *d, struct port *p, uint64_t gsi, uint64_t flags) {
    struct port *none = NULL;

    if (gsi >= LINES_MAX || gsi >= irq_line_count() || (flags & ~(HV_IRQ_LEVEL | HV_IRQ_LOW)))
        return -HV_EINVAL;
    if (!resource_holds_irq(d, gsi)) return -HV_EPERM;
    if (!__atomic_compare_exchange_n(&line_port[gsi], &none, p, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return -HV_EBUSY;
    p->source = (uint32_t)gsi;
    if (vector_get(d, p, line_handler, &line_port[gsi]) &&
        irq_line_route(p->source, p->vector, 0)) {
        irq_line_unmask(p->source);
        return 0;
    }
    store_release(&line_port[gsi], NULL);
    if (p->vector < 0) return -HV_ENOSPC;
    vector_put(d, p);
    return -HV_EINVAL;
}

int message_connect(struct domain *d, struct port *p, uint64_t device, struct hv_msi *msi) {
    if (!resource_holds_device(d, device)) return -HV_EPERM;
    if (!vector_get(d, p, msi_handler, p)) return -HV_ENOSPC;
    p->source = (uint32_t)device;
    *msi = irq_msi_message(p->vector, 0);
    return 0;
}

void interrupt_disconnect(struct domain *d, struct port *p) {
    if (p->state == HV_PORT_IRQ) {
        irq_line_mask(p->source);
        store_release(&line_port[p->source], NULL);
    }
    vector_put(d, p);
}
