/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels.
 *
 * Owns the ports of every domain. 64 ports are one record frame, charged when the first of them is
 * used; frame n holds the ports of pending word n. Port 0 is never given out: it means "none".
 *
 * Invariants: two PEER ports always name each other (port.other); a port in another state than PEER
 * has no other end. Interrupts are event_irq.c's.
 *
 * Locking: port_table.lock guards state changes of a domain's ports, taken in pairs where two
 * domains are concerned. A send takes none, unless it finds no token. It reads its own port's
 * `other`, which is either NULL or a record that stays memory until this pCPU has left the
 * hypervisor: record frames are freed when all ports in them are closed, and a frame is not reused
 * while a pCPU that was inside at that moment is still inside (frame.h). So a port that is closed,
 * or moves to another vCPU, may be raised once more as it was by who found it before: the call
 * waits until such a pCPU has left, and takes back what it left behind (event_settle). Only then is
 * the number free. The raise itself is atomic ORs on words that the guest may write too.
 */
#include "event.h"
#include "arch/bitmap.h"
#include "arch/irq.h"
#include "arch/speculation.h"
#include "clock.h"
#include "domain.h"
#include "event_irq.h"
#include "frame.h"
#include "heap.h"
#include "sched.h"
#include "trace.h"

#define PORTS_PER_FRAME 64u
#define PORT_FRAMES     (HV_MAX_PORTS / PORTS_PER_FRAME)

/* Throttled ports that one timer interrupt raises, and the time that each is charged to the sender
 * for: an interrupt, a place in the heap, a wake-up. */
#define RELEASE_MAX 64u
#define RELEASE_NS  2000u

/* Closed, but somebody may still raise it: found by nobody, its number not free yet. */
#define PORT_CLOSING 255u

/* In full_at: the port waits for a token, and its bucket is changed under the lock alone. */
#define PORT_WAITING ((uint64_t)1 << 63)

STATIC_ASSERT(sizeof(struct port) * PORTS_PER_FRAME == HV_PAGE_SIZE);

struct port_table {
    struct spinlock lock; /* state of all ports of the domain, frame[], free_from, the heap */
    uint32_t free_from;   /* no free port is below */
    uint32_t closed;      /* destroy: that many frames are gone, the last ones */
    uint32_t waiting;     /* throttled ports, in the heap */
    struct port *frame[PORT_FRAMES];
};
STATIC_ASSERT(sizeof(struct port_table) <= HV_PAGE_SIZE);

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

struct port *event_port(const struct domain *d, uint64_t n) {
    struct port *p = port_record(d, n);

    return p != NULL && p->state != HV_PORT_FREE && p->state != PORT_CLOSING ? p : NULL;
}

/* ---- raising ---- */

/* A port of the first pending word of a vCPU that waits; with upcalls masked a poll goes on. */
static __attribute__((noinline)) int64_t waiter_raise(struct vcpu *v) {
    if (v->wait & VCPU_BLOCKED || READ_ONCE(v->page->masked) == 0)
        sched_wake(v, VCPU_BLOCKED | VCPU_POLLING);
    return 0;
}

/* The vCPU that is loaded on `c` has something to be told of. */
static inline void upcall(struct cpu *c) {
    cpu_raise_work(c, CPU_WORK_UPCALL);
    if (__builtin_expect(cpu_count > 1, 0) && c != this_cpu()) cpu_kick(c);
}

/* The selector, and an upcall or wake-up when it was clear. */
static inline int64_t word_raise(struct vcpu *v, struct hv_vcpu_page *page, uint32_t priority,
                                 uint32_t word) {
    struct cpu *c;

    if (bitmap_test_and_set(&page->pending_sel[priority], word)) return 0;
    if (__builtin_expect(v->wait & (VCPU_BLOCKED | VCPU_POLLING), 0)) return waiter_raise(v);
    if (READ_ONCE(page->masked) != 0) return 0;
    /* A vCPU that is not loaded looks at its pending words when it is (sched_pick). */
    c = v->cpu;
    if (c != NULL && __atomic_load_n(&c->vcpu, __ATOMIC_RELAXED) == v) upcall(c);
    return 0;
}

static __attribute__((noinline)) int64_t polled_raise(struct vcpu *v, uint32_t priority,
                                                      uint32_t word) {
    if (v->wait & VCPU_POLLING) sched_wake(v, VCPU_POLLING);
    return word_raise(v, v->page, priority, word);
}

/*
 * Marks a port pending and sees to it that its vCPU learns of it. The locked set of the word's bit
 * is the full barrier that the guest's side of the handshake needs: when the selector bit is found
 * set, the guest has not yet fetched it and will find the word's bit behind it. In the same way who
 * polls marks its ports, sleeps, and then looks at their bits. Vcpu and priority, which may change,
 * are read once. Constant time; always 0, so that a send ends here without a stack frame.
 */
static inline int64_t port_raise(const struct port *p) {
    struct vcpu *v = p->vcpu;
    struct hv_vcpu_page *page = v->page;
    uint32_t priority = p->priority, index = p->index;

    (void)bitmap_test_and_set(page->pending[priority], index);
    if (__builtin_expect(p->polled, 0)) return polled_raise(v, priority, index / 64);
    return word_raise(v, page, priority, index / 64);
}

/* ---- tokens: ports between domains ----
 *
 * A bucket is one word, the time at which it is full: a token takes it a period further, and it is
 * never more than `burst` periods ahead. A send that finds no token leaves its port in a heap, by
 * when the next token is due, and the timer raises it then. Whoever sends so pays for that work,
 * which may fall into anybody's time, in advance. Entry n of the heap is kept in the record of port
 * n: the lowest free number is given out first, so that there are as many records as ports in use.
 */

/* A record that is there. */
static struct port *record(const struct port_table *t, uint32_t n) {
    return &t->frame[n / PORTS_PER_FRAME][n % PORTS_PER_FRAME];
}

static struct port *heap_port(const struct port_table *t, uint32_t slot) {
    return record(t, record(t, slot)->heap);
}

static void heap_put(const struct port_table *t, uint32_t slot, struct port *p) {
    record(t, slot)->heap = p->index;
    p->waiting = (uint16_t)slot;
}

static void slot_swap(void *t, uint32_t a, uint32_t b) {
    struct port *p = heap_port(t, a);

    heap_put(t, a, heap_port(t, b));
    heap_put(t, b, p);
}

/* When the next token is there. */
static uint64_t token_due(const struct port *p) {
    uint64_t full = p->full_at & ~PORT_WAITING, room = (uint64_t)(p->burst - 1) * p->period;

    return full > room ? full - room : 0;
}

static uint64_t slot_key(void *t, uint32_t slot) { return token_due(heap_port(t, slot)); }

static bool token_take(struct port *p, uint64_t now) {
    uint64_t full = __atomic_load_n(&p->full_at, __ATOMIC_RELAXED);
    uint64_t room = (uint64_t)(p->burst - 1) * p->period;

    do {
        if (full > now + room) return false; /* always so while it waits */
    } while (!__atomic_compare_exchange_n(&p->full_at, &full, (full > now ? full : now) + p->period,
                                          false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

/* The table of a domain that may be at its end, locked; NULL: it is past that step. */
static struct port_table *table_lock(struct domain *d) {
    struct port_table *t = __atomic_load_n(&d->ports, __ATOMIC_ACQUIRE);

    if (t != NULL) spin_lock(&t->lock);
    return t;
}

/* The timer for the throttled port that is due first; the table is locked. At the end of a domain
 * there is none, whose vCPUs and table go. */
static void token_timer(struct domain *d, uint64_t now) {
    struct port_table *t = d->ports;
    uint64_t due;

    if (domain_ended(d)) return;
    due = t->waiting > 0 ? token_due(heap_port(t, 1)) : 0;
    timer_set(d->vcpu[0], TIMER_TOKEN, t->waiting > 0 && due <= now ? now + 1 : due);
}

/* Out of the heap; the table is locked. False: it is not in it. */
static bool unthrottle(struct domain *d, struct port *p) {
    struct port_table *t = d->ports;

    if (p->waiting == 0) return false;
    heap_remove(t, &t->waiting, p->waiting, slot_key, slot_swap);
    p->waiting = 0;
    p->full_at &= ~PORT_WAITING;
    return true;
}

void event_release(struct domain *d, uint64_t now) {
    struct port_table *t = table_lock(d);

    if (t == NULL) return;
    for (uint32_t n = 0; n < RELEASE_MAX && t->waiting > 0; n++) {
        struct port *p = heap_port(t, 1);

        if (token_due(p) > now) break;
        (void)unthrottle(d, p);
        (void)token_take(p, now);
        port_raise(p);
    }
    token_timer(d, now);
    spin_unlock(&t->lock);
}

/* A send to `p` that has to wait for a token; it is lost when the port is closed meanwhile, or even
 * all of its domain's. */
static __attribute__((noinline)) int64_t send_later(struct vcpu *sender, struct port *p,
                                                    uint64_t now) {
    struct domain *d = p->vcpu->domain;
    struct port_table *t = table_lock(d);

    if (t == NULL) return 0;
    p->throttled++;
    if (p->waiting == 0 && p->state == HV_PORT_PEER) {
        __atomic_fetch_or(&p->full_at, PORT_WAITING, __ATOMIC_RELAXED);
        heap_put(t, ++t->waiting, p);
        heap_settle(t, t->waiting, t->waiting, slot_key, slot_swap);
        if (p->waiting == 1) token_timer(d, now);
        sched_charge(sender, RELEASE_NS);
    }
    spin_unlock(&t->lock);
    return 0;
}

static __attribute__((noinline)) int64_t send_limited(struct vcpu *sender, struct port *p) {
    uint64_t now = clock_now_ns();

    return token_take(p, now) ? port_raise(p) : send_later(sender, p, now);
}

static __attribute__((noinline)) int64_t send_recorded(struct vcpu *sender, struct port *p) {
    trace_record(HV_TRACE_send, p->vcpu->domain->id, p->index, 0);
    return p->period != 0 ? send_limited(sender, p) : port_raise(p);
}

int64_t event_send(struct vcpu *v, uint64_t port) {
    struct port *p = port_record(v->domain, port);
    /* Only a PEER has another end. */
    struct port *other = p != NULL ? __atomic_load_n(&p->other, __ATOMIC_RELAXED) : NULL;

    if (other == NULL)
        return p == NULL || (p->state != HV_PORT_CLOSED && p->state != HV_PORT_PEER) ? -HV_EINVAL
                                                                                     : -HV_EDEAD;
    v->counters.events_sent++;
    if (trace_on(HV_TRACE_send)) return send_recorded(v, other);
    if (other->period != 0) return send_limited(v, other);
    return port_raise(other);
}

void event_raise_port(const struct port *p) {
    if (p != NULL) port_raise(p);
}

void event_raise(struct domain *d, uint32_t port) {
    /* A domain without a table is past that step of its end. */
    event_raise_port(port != 0 && d->ports != NULL ? event_port(d, port) : NULL);
}

void event_raise_virq(struct domain *d, uint32_t virq) { event_raise_port(d->virq_port[virq]); }
void event_raise_timer(struct vcpu *v) { event_raise_port(v->timer_port); }
struct spinlock *event_lock(const struct domain *d) {
    return &d->ports->lock;
}

/* ---- allocation ---- */

/* A free port of `d`, its record filled in but for what the kind needs. The table is locked. */
static int64_t port_new(struct domain *d, uint32_t state, struct port **out) {
    struct port_table *t = d->ports;
    struct vcpu *caller = this_cpu()->vcpu;

    for (uint32_t n = t->free_from; n < HV_MAX_PORTS; n++) {
        struct port **frame = &t->frame[n / PORTS_PER_FRAME], *p;

        if (*frame == NULL && (*frame = frame_meta(d)) == NULL) return -HV_ENOMEM;
        p = &(*frame)[n % PORTS_PER_FRAME];
        if (p->state == HV_PORT_FREE) {
            *p = (struct port){ .state = (uint8_t)state,
                                .index = (uint16_t)n,
                                .vcpu = caller->domain == d ? caller : d->vcpu[0],
                                .vector = -1,
                                .heap = p->heap };
            t->free_from = n + 1;
            trace(HV_TRACE_port, d->id, n, state);
            *out = p;
            return n;
        }
    }
    return -HV_ENOSPC;
}

/* Takes what is pending for a port from a vCPU that does not have it: of both priorities, since
 * that may have changed. Was it pending? */
static bool pending_take(const struct port *p, struct vcpu *v) {
    uint64_t bit = (uint64_t)1 << (p->index % 64), was = 0;

    for (unsigned int i = 0; i < ARRAY_LEN(v->page->pending); i++)
        was |= __atomic_fetch_and(&v->page->pending[i][p->index / 64], ~bit, __ATOMIC_SEQ_CST);
    return (was & bit) != 0;
}

/* The same, and with the port the vCPU's poll ends. */
static bool port_leave(struct port *p, struct vcpu *v) {
    if (p->polled) {
        p->polled = 0;
        __atomic_store_n(&v->poll_over, 1, __ATOMIC_SEQ_CST); /* it may be about to sleep */
        sched_wake(v, VCPU_POLLING);
    }
    return pending_take(p, v);
}

/* Forgets a port; what was pending goes with it, so that its next user starts clean. */
static void port_forget(struct domain *d, struct port *p) {
    p->state = HV_PORT_FREE;
    (void)port_leave(p, p->vcpu);
    if (unthrottle(d, p)) token_timer(d, clock_now_ns());
    trace(HV_TRACE_port, d->id, p->index, HV_PORT_FREE);
    if (p->index < d->ports->free_from) d->ports->free_from = p->index;
}

/* The two ends name each other. The far port has to wait for this very domain. */
static int connect_peer(struct domain *d, struct port *p, struct domain *far, uint64_t port) {
    struct port *other = event_port(far, port);

    if (other == NULL || other->state != HV_PORT_UNBOUND || other->peer != d->id) return -HV_EINVAL;
    p->source = other->index;
    p->other = other;
    other->source = p->index;
    other->other = p;
    other->state = HV_PORT_PEER;
    return 0;
}

/* Where the port of a virtual IRQ is kept; NULL: no such one. */
static struct port **virq_slot(struct domain *d, uint64_t virq, uint64_t vcpu) {
    struct vcpu *v = domain_vcpu(d, vcpu);

    if (virq == HV_VIRQ_TIMER) return v != NULL ? &v->timer_port : NULL;
    return virq < HV_VIRQ_LIMIT && vcpu == 0 ? &d->virq_port[virq] : NULL;
}

static int connect_virq(struct domain *d, struct port *p, uint64_t virq, uint64_t vcpu) {
    struct port **slot = virq_slot(d, virq, vcpu);

    if (slot == NULL) return -HV_EINVAL;
    if (virq == HV_VIRQ_CONSOLE && d != domain_root) return -HV_EPERM;
    if (*slot != NULL) return -HV_EBUSY;
    *slot = p;
    p->source = (uint32_t)virq;
    if (virq == HV_VIRQ_TIMER) p->vcpu = d->vcpu[vcpu];
    return 0;
}

/* Its own other end: whoever sends raises it. */
static int connect_ipi(struct domain *d, struct port *p, uint64_t vcpu) {
    struct vcpu *v = domain_vcpu(d, vcpu);

    if (v == NULL) return -HV_EINVAL;
    p->source = v->id;
    p->vcpu = v;
    p->other = p;
    return 0;
}

/* ---- opening ---- */

/* A bucket, full. */
static void set_limit(struct port *p, uint64_t rate, uint64_t burst) {
    p->rate = (uint32_t)rate, p->burst = (uint32_t)burst;
    p->period = (uint32_t)((999999999 + rate) / rate);
    p->full_at = 0;
}

static int connect(struct domain *d, struct port *p, struct domain *far, uint64_t a, uint64_t b,
                   struct hv_msi *msi) {
    if (p->state == HV_PORT_PEER) return connect_peer(d, p, far, b);
    if (p->state == HV_PORT_VIRQ) return connect_virq(d, p, a, b);
    if (p->state == HV_PORT_IRQ) return line_connect(d, p, a, b);
    if (p->state == HV_PORT_MSI) return message_connect(d, p, a, msi);
    if (p->state == HV_PORT_IPI) return connect_ipi(d, p, a);
    return 0;
}

int64_t event_open(struct domain *d, uint64_t state, uint64_t a, uint64_t b, struct hv_msi *msi) {
    struct domain *far = d;
    struct port *p;
    int64_t n, e;

    if (state < HV_PORT_UNBOUND || state > HV_PORT_IPI || state == HV_PORT_CLOSED)
        return -HV_EINVAL;
    if (state <= HV_PORT_PEER && a != HV_SELF) far = domain_find(a);
    if (far == NULL) return state == HV_PORT_PEER ? -HV_EDEAD : -HV_EINVAL;
    spin_lock_pair(&d->ports->lock, &far->ports->lock);
    n = port_new(d, (uint32_t)state, &p);
    if (n >= 0) {
        if (state <= HV_PORT_PEER) p->peer = far->id;
        if (far != d) set_limit(p, HV_RATE_DEFAULT, HV_BURST_DEFAULT);
        if ((e = connect(d, p, far, a, b, msi)) < 0) {
            port_forget(d, p);
            n = e;
        }
    }
    spin_unlock_pair(&d->ports->lock, &far->ports->lock);
    return n;
}

int event_unmask(struct domain *d, uint64_t port) {
    struct port *p = event_port(d, port);

    if (p == NULL || p->state != HV_PORT_IRQ) return -HV_EINVAL;
    irq_line_unmask(p->source);
    return 0;
}

/* ---- closing ---- */

/* Nothing comes from the source any more when this returns. */
static void port_disconnect(struct domain *d, struct port *p) {
    if (p->vector >= 0) interrupt_disconnect(d, p);
    if (p->state == HV_PORT_VIRQ)
        *virq_slot(d, p->source, p->source == HV_VIRQ_TIMER ? p->vcpu->id : 0) = NULL;
}

/* Not `final`: its number is free after event_settle. */
static void port_close(struct domain *d, struct port *p, bool final) {
    struct port *other = p->other;
    struct domain *far = other != NULL ? other->vcpu->domain : d;

    spin_lock_pair(&d->ports->lock, &far->ports->lock);
    __atomic_store_n(&p->other, NULL, __ATOMIC_RELAXED);
    if (other != NULL && other != p) {
        __atomic_store_n(&other->other, NULL, __ATOMIC_RELAXED);
        other->state = HV_PORT_CLOSED;
        if (unthrottle(far, other)) token_timer(far, clock_now_ns());
        port_raise(other);
    }
    if (p->state != PORT_CLOSING) port_disconnect(d, p);
    p->state = PORT_CLOSING;
    if (final) port_forget(d, p);
    spin_unlock_pair(&d->ports->lock, &far->ports->lock);
}

int event_close(struct domain *d, uint64_t port) {
    struct port *p = event_port(d, port);

    if (p == NULL) return -HV_EINVAL;
    port_close(d, p, cpu_count == 1);
    return 0;
}

int event_settle(struct domain *d, uint64_t port, bool closed) {
    struct port *p = port_record(d, port);
    struct vcpu *v;

    spin_lock(&d->ports->lock);
    FOR_EACH_VCPU(v, i, d)
    if (v != p->vcpu && p->state != HV_PORT_FREE && pending_take(p, v)) port_raise(p);
    if (closed) port_forget(d, p);
    return (int)unlock_with(&d->ports->lock, 0);
}

bool event_destroy_step(struct domain *d) {
    struct port_table *t = d->ports;
    struct port **at;

    if (t == NULL) return false;
    if (t->closed == PORT_FRAMES) {
        frame_drop(d, d->ports);
        return false;
    }
    /* From the end: the heap lies in the first records. */
    at = &t->frame[PORT_FRAMES - ++t->closed];
    if (*at == NULL) return true;
    for (uint32_t i = 0; i < PORTS_PER_FRAME; i++)
        if ((*at)[i].state != HV_PORT_FREE) port_close(d, &(*at)[i], true);
    frame_drop(d, *at);
    return true;
}

/* ---- changing ---- */

int event_set_vcpu(struct domain *d, uint64_t port, uint64_t vcpu) {
    struct port *p = event_port(d, port);
    struct vcpu *before, *v = domain_vcpu(d, vcpu);

    if (p == NULL || v == NULL || p->state == HV_PORT_IPI) return -HV_EINVAL;
    if (p->state == HV_PORT_VIRQ && p->source == HV_VIRQ_TIMER) return -HV_EINVAL;
    spin_lock(&d->ports->lock);
    before = p->vcpu;
    p->vcpu = v;
    if (v != before && port_leave(p, before)) port_raise(p);
    spin_unlock(&d->ports->lock);
    return 0;
}

int event_set_rate(struct domain *d, uint64_t port, uint64_t rate, uint64_t burst) {
    struct port *p = event_port(d, port);

    if (p == NULL || p->period == 0) return -HV_EINVAL;
    if (rate == 0 || rate > HV_RATE_MAX || burst == 0 || burst > UINT32_MAX) return -HV_EINVAL;
    spin_lock(&d->ports->lock);
    /* What waited for the old bucket need not any more. */
    if (unthrottle(d, p)) {
        token_timer(d, clock_now_ns());
        port_raise(p);
    }
    set_limit(p, rate, burst);
    spin_unlock(&d->ports->lock);
    return 0;
}
