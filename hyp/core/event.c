/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels.
 *
 * Owns the ports of every domain and the table of bound interrupt lines. 64 ports are one record
 * frame, charged when the first of them is used; frame n holds the ports of pending word n. Port 0
 * is never given out: it means "none".
 *
 * Invariants: two PEER ports always name each other (port.other); a port in another state than PEER
 * has no other end; a line or vector is bound to at most one port, which is alive.
 *
 * Locking: port_table.lock guards state changes of a domain's ports, taken in pairs where two
 * domains are concerned. A send takes no lock. It reads its own port's `other`, which is either
 * NULL or a record that stays memory until this pCPU has left the hypervisor: record frames are
 * freed when all ports in them are closed, and a frame is not reused while a pCPU that was inside
 * at that moment is still inside (frame.h). A send that races with a close sets at worst one
 * pending bit of a port that is just closing, of the domain that had it. The raise itself is atomic
 * ORs on words that the guest may write too.
 */
#include "event.h"
#include "arch/bitmap.h"
#include "arch/irq.h"
#include "arch/speculation.h"
#include "domain.h"
#include "frame.h"
#include "resource.h"
#include "sched.h"
#include "trace.h"

#define PORTS_PER_FRAME 64u
#define PORT_FRAMES     (HV_MAX_PORTS / PORTS_PER_FRAME)
#define LINES_MAX       256u

/* Interrupt vectors that a domain other than root may have: the machine has some 170, and one
 * domain with a device must not leave the others without. */
#define VECTORS_MAX 16u

STATIC_ASSERT(sizeof(struct port) * PORTS_PER_FRAME == HV_PAGE_SIZE);

struct port_table {
    struct spinlock lock; /* state of all ports of the domain, frame[], free_from */
    uint32_t free_from;   /* no free port is below */
    uint32_t closed_to;   /* destroy: frames below are gone */
    uint32_t vectors;     /* that its ports have */
    struct port *frame[PORT_FRAMES];
};
STATIC_ASSERT(sizeof(struct port_table) <= HV_PAGE_SIZE);

/* Bound interrupt lines; claimed with compare-and-swap, given up by the port that holds one. */
static struct port *line_port[LINES_MAX];

int event_init_domain(struct domain *d) {
    d->ports = frame_meta(d);
    if (d->ports == NULL) return -HV_ENOMEM;
    spin_lock_init(&d->ports->lock, LOCK_EVENT);
    d->ports->free_from = 1;
    return 0;
}

/* The record of a port, or NULL when its frame was never needed. A number that a guest chose is
 * masked behind the comparison, so that no misprediction reads beyond the table. */
static inline struct port *port_record(const struct domain *d, uint64_t n) {
    struct port *frame;

    if (__builtin_expect(n >= HV_MAX_PORTS, 0)) return NULL;
    n = index_mask(n, HV_MAX_PORTS);
    frame = d->ports->frame[n / PORTS_PER_FRAME];
    return frame != NULL ? &frame[n % PORTS_PER_FRAME] : NULL;
}

/* A port in use, or NULL. */
static struct port *port_used(const struct domain *d, uint64_t n) {
    struct port *p = port_record(d, n);

    return p != NULL && p->state != HV_PORT_FREE ? p : NULL;
}

/* ---- raising ---- */

/*
 * Marks a port pending and sees to it that its vCPU learns of it. The locked set of the word's bit
 * is the full barrier that the guest's side of the handshake needs: when the selector bit is found
 * set, the guest has not yet fetched it and will find the word's bit behind it.
 */
static inline void port_raise(const struct port *p) {
    struct vcpu *v = p->vcpu;
    struct hv_vcpu_page *page = v->page;

    (void)bitmap_test_and_set(page->pending[p->priority], p->index);
    if (bitmap_test_and_set(&page->pending_sel[p->priority], p->index / 64)) return;
    if (__builtin_expect(v->wait & VCPU_BLOCKED, 0)) {
        sched_wake(v, VCPU_BLOCKED);
    } else if (READ_ONCE(page->masked) == 0) {
        /* A vCPU that is not loaded looks at its pending words when it is (sched_pick). */
        struct cpu *c = v->cpu;

        if (c != NULL && c->vcpu == v) cpu_raise_work(c, CPU_WORK_UPCALL);
    }
}

int event_send(struct vcpu *v, uint64_t port) {
    struct port *p = port_record(v->domain, port);
    struct port *other;

    if (p == NULL || p->state != HV_PORT_PEER)
        return p != NULL && p->state == HV_PORT_CLOSED ? -HV_EDEAD : -HV_EINVAL;
    other = __atomic_load_n(&p->other, __ATOMIC_RELAXED);
    if (other == NULL) return -HV_EDEAD;
    v->counters.events_sent++;
    port_raise(other);
    return 0;
}

void event_raise(struct domain *d, uint32_t port) {
    /* A domain without a table is past that step of its end. */
    struct port *p = port != 0 && d->ports != NULL ? port_used(d, port) : NULL;

    if (p != NULL) port_raise(p);
}

void event_raise_virq(struct domain *d, uint32_t virq) { event_raise(d, d->virq_port[virq]); }

void event_raise_timer(struct vcpu *v) { event_raise(v->domain, v->timer_port); }

bool event_port_usable(struct domain *d, uint64_t port) { return port_used(d, port) != NULL; }

bool event_pending(const struct vcpu *v) {
    return (READ_ONCE(v->page->pending_sel[0]) | READ_ONCE(v->page->pending_sel[1])) != 0;
}

bool event_upcall_due(const struct vcpu *v) {
    /* With `busy` alone the save area is still in use: entry.S waits for it too. */
    return READ_ONCE(v->page->masked) == 0 && READ_ONCE(v->page->busy) == 0 && event_pending(v);
}

/* ---- allocation ---- */

/* A free port of `d`, its record filled in but for what the kind needs. The table is locked. */
static int64_t port_new(struct domain *d, uint32_t state, struct port **out) {
    struct port_table *t = d->ports;

    for (uint32_t n = t->free_from; n < HV_MAX_PORTS; n++) {
        struct port **frame = &t->frame[n / PORTS_PER_FRAME];
        struct port *p;

        if (*frame == NULL && (*frame = frame_meta(d)) == NULL) return -HV_ENOMEM;
        p = &(*frame)[n % PORTS_PER_FRAME];
        if (p->state == HV_PORT_FREE) {
            *p = (struct port){ .state = (uint8_t)state, .index = (uint16_t)n, .vcpu = d->vcpu[0] };
            p->vector = -1;
            t->free_from = n + 1;
            trace(HV_TRACE_port, d->id, n, state);
            *out = p;
            return n;
        }
    }
    return -HV_ENOSPC;
}

/* Forgets a port; what was pending goes with it, so that its next user starts clean. */
static void port_forget(struct domain *d, struct port *p) {
    struct hv_vcpu_page *page = p->vcpu->page;
    uint64_t bit = (uint64_t)1 << (p->index % 64);

    /* Of both priorities: it may have changed since. */
    for (unsigned int i = 0; i < ARRAY_LEN(page->pending); i++)
        __atomic_fetch_and(&page->pending[i][p->index / 64], ~bit, __ATOMIC_SEQ_CST);
    p->state = HV_PORT_FREE;
    trace(HV_TRACE_port, d->id, p->index, HV_PORT_FREE);
    if (p->index < d->ports->free_from) d->ports->free_from = p->index;
}

/* The two ends name each other. The far port has to wait for this very domain. */
static int connect_peer(struct domain *d, struct port *p, struct domain *far, uint64_t port) {
    struct port *other = port_used(far, port);

    if (other == NULL || other->state != HV_PORT_UNBOUND || other->peer != d->id) return -HV_EINVAL;
    p->source = other->index;
    p->other = other;
    other->source = p->index;
    other->other = p;
    other->state = HV_PORT_PEER;
    return 0;
}

/* Where the port number of a virtual IRQ is kept; NULL: no such one. */
static uint32_t *virq_slot(struct domain *d, uint64_t virq, uint64_t vcpu) {
    if (virq == HV_VIRQ_TIMER) return vcpu < d->nr_vcpus ? &d->vcpu[vcpu]->timer_port : NULL;
    return virq < HV_VIRQ_LIMIT && vcpu == 0 ? &d->virq_port[virq] : NULL;
}

static int connect_virq(struct domain *d, struct port *p, uint64_t virq, uint64_t vcpu) {
    uint32_t *slot = virq_slot(d, virq, vcpu);

    if (slot == NULL) return -HV_EINVAL;
    if (virq == HV_VIRQ_CONSOLE && d != domain_root) return -HV_EPERM;
    if (*slot != 0) return -HV_EBUSY;
    *slot = p->index;
    p->source = (uint32_t)virq;
    p->vcpu = d->vcpu[vcpu];
    return 0;
}

/* ---- interrupts ---- */

/* A line came in: it stays masked until the domain has served it and says so. */
static void line_handler(void *arg) {
    struct port *p = arg;

    irq_line_mask(p->source);
    trace(HV_TRACE_line, p->source, p->vcpu->domain->id, p->index);
    port_raise(p);
}

static void msi_handler(void *arg) { port_raise(arg); }

/* A vector for a port; false: none is left, or `d` has enough. */
static bool vector_get(struct domain *d, struct port *p, irq_handler_t *handler) {
    if (d == domain_root || d->ports->vectors < VECTORS_MAX)
        p->vector = (int16_t)irq_vector_alloc(handler, p);
    if (p->vector >= 0) d->ports->vectors++;
    return p->vector >= 0;
}

static void vector_put(struct domain *d, const struct port *p) {
    irq_vector_free(p->vector);
    d->ports->vectors--;
}

/* The line starts unmasked. The platform's tables, not the caller, say how it is triggered: flags
 * are a hint that has to be well-formed. */
static int connect_line(struct domain *d, struct port *p, uint64_t gsi, uint64_t flags) {
    struct port *none = NULL;

    if (gsi >= LINES_MAX || gsi >= irq_line_count() || (flags & ~(HV_IRQ_LEVEL | HV_IRQ_LOW)))
        return -HV_EINVAL;
    if (!resource_holds_irq(d, gsi)) return -HV_EPERM;
    if (!__atomic_compare_exchange_n(&line_port[gsi], &none, p, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return -HV_EBUSY;
    p->source = (uint32_t)gsi;
    if (vector_get(d, p, line_handler) && irq_line_route(p->source, p->vector, 0)) {
        irq_line_unmask(p->source);
        return 0;
    }
    store_release(&line_port[gsi], NULL);
    if (p->vector < 0) return -HV_ENOSPC;
    vector_put(d, p);
    return -HV_EINVAL;
}

static int connect_message(struct domain *d, struct port *p, uint64_t device, struct hv_msi *msi) {
    struct msi_message m;

    if (!resource_holds_device(d, device)) return -HV_EPERM;
    if (!vector_get(d, p, msi_handler)) return -HV_ENOSPC;
    p->source = (uint32_t)device;
    m = irq_msi_message(p->vector, 0);
    *msi = (struct hv_msi){ .address = m.address, .data = m.data };
    return 0;
}

/* ---- opening ---- */

static int connect(struct domain *d, struct port *p, struct domain *far, uint64_t a, uint64_t b,
                   struct hv_msi *msi) {
    switch (p->state) {
    case HV_PORT_UNBOUND:
        return 0;
    case HV_PORT_PEER:
        return connect_peer(d, p, far, b);
    case HV_PORT_VIRQ:
        return connect_virq(d, p, a, b);
    case HV_PORT_IRQ:
        return connect_line(d, p, a, b);
    default:
        return connect_message(d, p, a, msi);
    }
}

int64_t event_open(struct domain *d, uint64_t state, uint64_t a, uint64_t b, struct hv_msi *msi) {
    struct domain *far = d;
    struct port *p;
    int64_t n;
    int e;

    if (state < HV_PORT_UNBOUND || state > HV_PORT_MSI) return -HV_EINVAL;
    if (state <= HV_PORT_PEER && a != HV_SELF) far = domain_find(a);
    if (far == NULL) return state == HV_PORT_PEER ? -HV_EDEAD : -HV_EINVAL;
    spin_lock_pair(&d->ports->lock, &far->ports->lock);
    n = port_new(d, (uint32_t)state, &p);
    if (n >= 0) {
        if (state <= HV_PORT_PEER) p->peer = far->id;
        e = connect(d, p, far, a, b, msi);
        if (e < 0) {
            port_forget(d, p);
            n = e;
        }
    }
    spin_unlock_pair(&d->ports->lock, &far->ports->lock);
    return n;
}

int event_unmask(struct domain *d, uint64_t port) {
    struct port *p = port_used(d, port);

    if (p == NULL || p->state != HV_PORT_IRQ) return -HV_EINVAL;
    irq_line_unmask(p->source);
    return 0;
}

/* ---- closing ---- */

/* Nothing comes from the source any more when this returns. */
static void port_disconnect(struct domain *d, struct port *p) {
    if (p->state == HV_PORT_IRQ) {
        irq_line_mask(p->source);
        store_release(&line_port[p->source], NULL);
    }
    if (p->vector >= 0) vector_put(d, p);
    if (p->state == HV_PORT_VIRQ)
        *virq_slot(d, p->source, p->source == HV_VIRQ_TIMER ? p->vcpu->id : 0) = 0;
}

static void port_close(struct domain *d, struct port *p) {
    struct port *other = __atomic_load_n(&p->other, __ATOMIC_RELAXED);
    struct domain *far = other != NULL ? other->vcpu->domain : d;

    spin_lock_pair(&d->ports->lock, &far->ports->lock);
    /* Closed by the other end meanwhile: then it is CLOSED and has no other end. It cannot have got
     * a new one. */
    other = p->other;
    if (other != NULL) {
        p->other = NULL;
        __atomic_store_n(&other->other, NULL, __ATOMIC_RELAXED);
        other->state = HV_PORT_CLOSED;
        port_raise(other);
    }
    if (p->state != HV_PORT_FREE) {
        port_disconnect(d, p);
        port_forget(d, p);
    }
    spin_unlock_pair(&d->ports->lock, &far->ports->lock);
}

int event_close(struct domain *d, uint64_t port) {
    struct port *p = port_used(d, port);

    if (p == NULL) return -HV_EINVAL;
    port_close(d, p);
    return 0;
}

bool event_destroy_step(struct domain *d) {
    struct port_table *t = d->ports;
    struct port *frame;

    if (t == NULL) return false;
    if (t->closed_to == PORT_FRAMES) {
        frame_free(d, frame_mfn_of(t));
        d->ports = NULL;
        return false;
    }
    frame = t->frame[t->closed_to];
    for (uint32_t i = 0; frame != NULL && i < PORTS_PER_FRAME; i++)
        if (frame[i].state != HV_PORT_FREE) port_close(d, &frame[i]);
    t->frame[t->closed_to++] = NULL;
    if (frame != NULL) frame_free(d, frame_mfn_of(frame));
    return true;
}

/* ---- status ---- */

int event_status(struct domain *d, uint64_t port, struct hv_event_status *s) {
    const struct port *p = port_used(d, port);

    if (port == 0 || port >= HV_MAX_PORTS) return -HV_EINVAL;
    *s = (struct hv_event_status){ .state = HV_PORT_FREE };
    if (p == NULL) return 0;
    s->state = p->state;
    s->vcpu = p->vcpu->id;
    s->priority = p->priority;
    s->source = p->source;
    s->peer = p->peer;
    return 0;
}

int event_set_vcpu(struct domain *d, uint64_t port, uint64_t vcpu) {
    struct port *p = port_used(d, port);

    if (p == NULL || vcpu >= d->nr_vcpus) return -HV_EINVAL;
    if (p->state == HV_PORT_VIRQ && p->source == HV_VIRQ_TIMER) return -HV_EINVAL;
    p->vcpu = d->vcpu[index_mask(vcpu, HV_MAX_VCPUS)];
    return 0;
}

int event_set_priority(struct domain *d, uint64_t port, uint64_t priority) {
    struct port *p = port_used(d, port);

    if (p == NULL || priority > HV_PRIORITY_URGENT) return -HV_EINVAL;
    p->priority = (uint8_t)priority;
    return 0;
}
