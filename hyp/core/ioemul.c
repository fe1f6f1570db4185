/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routed ports: trap and emulate by a device model in another domain. Removable: without this
 * file's three calls (from #GP, from the two hypercalls, from a domain's end) port instructions are
 * #GP.
 *
 * Owns the routes of every domain, a frame each, and the vCPU's io_state while a request is with a
 * model.
 *
 *   guest kernel: IN/OUT/INS/OUTS  ->  #GP  ->  io_trap: decode, check the operand, write the
 *   request, raise the model's port; the vCPU waits
 *   model: io_complete  ->  value into RAX, or data into the operand, registers advance, it goes on
 *
 * Invariants. Nothing of an access in user mode reaches a model: it is #GP. An instruction has no
 * effect on the guest's registers before it, or the part of a REP that fits into the operand's
 * page, is complete. An operand is looked up when the instruction traps and again when its data
 * come; when it is gone then, the instruction is simply run again and finds that out the first way,
 * so that the fault is put to the guest in one place. The request page and data pages of a route
 * are the model's RAM and held (frame.holds), so that they cannot be given back under it. A route
 * whose model has ended stays, and answers all ones at once.
 *
 * Locking: memory_lock around everything here that looks at a P2M or a space.
 */
#include "ioemul.h"
#include "arch/segment.h"
#include "arch/trap.h"
#include "event.h"
#include "guestmem.h"
#include "hv_io.h"
#include "portdecode.h"
#include "sched.h"
#include "space.h"
#include "string.h"
#include "vcpu.h"

#define ROUTES_MAX 16u
#define PORTS      65536u
#define PF_PRESENT 1u
#define PF_WRITE   2u
#define PF_USER    4u
#define FLAG_DF    0x400u

struct io_route {
    uint32_t first, count; /* count 0: a free record */
    struct domain *model;  /* NULL: it has ended */
    uint32_t port;         /* the model's, raised with each request */
    uint64_t gfn;          /* its request page; data page of vCPU n at gfn + 1 + n */
};
STATIC_ASSERT(sizeof(struct io_route) * ROUTES_MAX <= HV_PAGE_SIZE);

/* What io_state holds while a request is pending. */
struct pending {
    struct port_insn insn;
    struct port_run run; /* of a string; else count is 1 */
    struct io_route *route;
    bool df;
};
STATIC_ASSERT(sizeof(struct pending) <= sizeof(((struct vcpu *)0)->io_state));
STATIC_ASSERT(sizeof(struct hv_io_request) * HV_MAX_VCPUS <= HV_PAGE_SIZE);

static struct pending *pending_of(struct vcpu *v) { return (struct pending *)(void *)v->io_state; }

/* ---- routes ---- */

/* Holds, or lets go, the request page and the data pages of a route: of all vCPUs that there can
 * be. */
static int pages_hold(const struct domain *d, struct domain *model, uint64_t gfn) {
    for (uint64_t i = 0; i <= d->nr_vcpus; i++) {
        if (mfn_is_none(p2m_ram(model, (gfn_t){ gfn + i }))) return -HV_EINVAL;
        if (frame_of(p2m_ram(model, (gfn_t){ gfn + i }))->holds == UINT16_MAX) return -HV_ENOSPC;
    }
    for (uint64_t i = 0; i <= d->nr_vcpus; i++)
        frame_hold(frame_of(p2m_ram(model, (gfn_t){ gfn + i })));
    return 0;
}

static void pages_release(const struct domain *d, const struct io_route *r) {
    for (uint64_t i = 0; i <= d->nr_vcpus; i++)
        frame_unhold(frame_of(p2m_ram(r->model, (gfn_t){ r->gfn + i })));
}

/* A slot for a new route that overlaps none; the error otherwise. */
static int route_slot(const struct io_route *t, uint64_t first, uint64_t count) {
    int found = -HV_ENOSPC;

    for (uint32_t i = ROUTES_MAX; i-- > 0;) {
        if (t[i].count == 0)
            found = (int)i;
        else if (first < (uint64_t)t[i].first + t[i].count && t[i].first < first + count)
            return -HV_EBUSY;
    }
    return found;
}

int io_route(struct domain *d, struct domain *model, uint64_t first, uint64_t count, uint64_t port,
             gfn_t gfn) {
    int slot, e;

    if (first >= PORTS || count == 0 || count > PORTS - first || gfn.n > HV_MAX_RAM_PAGES ||
        event_port(model, port) == NULL)
        return -HV_EINVAL;
    if (domain_ended(model)) return -HV_EDEAD; /* while it waited for the lock */
    if (d->routes == NULL && (d->routes = frame_meta(d)) == NULL) return -HV_ENOMEM;
    slot = route_slot(d->routes, first, count);
    e = slot < 0 ? slot : pages_hold(d, model, gfn.n);
    if (e < 0) return e;
    d->routes[slot] =
        (struct io_route){ (uint32_t)first, (uint32_t)count, model, (uint32_t)port, gfn.n };
    return 0;
}

/* ---- finishing an instruction ---- */

/* The bits of RAX that an access is about. */
static uint64_t rax_mask(uint8_t size) { return UINT64_MAX >> (64 - size * 8); }

/* IN: as much of RAX as the width says; 32 bits clear the upper half, like every 32-bit write. */
static uint64_t rax_after_in(uint64_t rax, uint8_t size, uint64_t value) {
    return (size == 4 ? 0 : rax & ~rax_mask(size)) | (value & rax_mask(size));
}

/* Registers and RIP behind `done` elements of a string, or behind the whole of IN and OUT. */
static void advance(struct vcpu *v, const struct pending *p, uint32_t done) {
    if (!p->insn.string || port_regs_advance(&p->insn, &v->regs, p->df, done))
        v->regs.rip += p->insn.length;
}

/* A string operand in the direct map: in one page (the second part is then empty), or for a single
 * element in two. */
struct operand {
    uint8_t *part[2];
    uint32_t bytes[2];
    uint32_t error; /* of the page fault that the guest is owed instead of the access; 0: none */
    uint64_t bad;   /* its address */
};

/* Looks up every page of an operand; false: one cannot be used so. */
static bool operand_find(struct vcpu *v, const struct port_run *run, bool write,
                         struct operand *o) {
    uint32_t room = HV_PAGE_SIZE - (uint32_t)(run->lowest % HV_PAGE_SIZE);

    o->bytes[0] = room < run->bytes ? room : run->bytes;
    o->bytes[1] = run->bytes - o->bytes[0];
    for (int i = 0; i < 2 && o->bytes[i] != 0; i++) {
        mfn_t m;
        int e;

        o->bad = run->lowest + (i != 0 ? room : 0);
        e = space_walk(v, o->bad, write, &m);
        if (e < 0) {
            o->error = PF_USER | (write ? PF_WRITE : 0) | (e == -HV_EPERM ? PF_PRESENT : 0);
            return false;
        }
        o->part[i] = (uint8_t *)frame_va(m) + o->bad % HV_PAGE_SIZE;
    }
    if (o->bytes[1] == 0) o->part[1] = o->part[0];
    return true;
}

/* Copies the operand to `data`, or with `in` from there, which has the elements in the order of
 * their transfer. Several elements are in one page. */
static void operand_copy(const struct operand *o, const struct pending *p, uint8_t *data, bool in) {
    const uint8_t size = p->insn.size;

    for (int i = 0; i < 2; data += o->bytes[i++]) {
        uint8_t *to = in ? o->part[i] : data, *from = in ? data : o->part[i];

        if (p->df && o->bytes[1] == 0)
            port_elements_reverse(to, from, o->bytes[i] / size, size);
        else
            bytes_copy(to, from, o->bytes[i]);
    }
}

/* INS: `count` elements of data, or all ones for NULL, into the operand; false: it is gone. */
static bool string_in(struct vcpu *v, const struct pending *p, uint8_t *data, uint32_t count) {
    struct port_run run = p->run;
    struct operand o;

    run.bytes = count * p->insn.size;
    /* The first element is the highest: of a shorter run, the lowest ones are left out. */
    if (p->df) run.lowest += (uint64_t)(p->run.count - count) * p->insn.size;
    if (!operand_find(v, &run, true, &o)) return false;
    for (int i = 0; data == NULL && i < 2; i++) memset(o.part[i], 0xff, o.bytes[i]);
    if (data != NULL) operand_copy(&o, p, data, true);
    v->counters.bytes_copied += run.bytes;
    return true;
}

/*
 * The device's answer takes effect. When the operand of INS is gone nothing does: the guest runs
 * the instruction again, and io_trap puts the page fault to it.
 */
static void finish(struct vcpu *v, uint64_t value, uint8_t *data, uint32_t count) {
    const struct pending *p = pending_of(v);

    v->io_pending = 0;
    if (p->insn.in && p->insn.string) {
        if (!string_in(v, p, data, count)) return;
    } else if (p->insn.in) {
        v->regs.rax = rax_after_in(v->regs.rax, p->insn.size, value);
    }
    advance(v, p, count);
}

/* No device: all ones. */
static void finish_alone(struct vcpu *v) { finish(v, UINT64_MAX, NULL, pending_of(v)->run.count); }

/* ---- the end of a model or a guest; memory_lock is held ---- */

static void route_orphan(struct domain *guest, struct io_route *r) {
    struct vcpu *v;

    pages_release(guest, r);
    r->model = NULL;
    FOR_EACH_VCPU(v, i, guest) {
        if (v->io_pending && pending_of(v)->route == r) {
            finish_alone(v);
            sched_wake(v, VCPU_IO_WAIT);
        }
    }
}

void io_model_gone(struct domain *d) {
    for (struct domain *g = domain_next(NULL); g != NULL; g = domain_next(g)) {
        for (uint32_t i = 0; g->routes != NULL && i < ROUTES_MAX; i++)
            if (g->routes[i].model == d) route_orphan(g, &g->routes[i]);
    }
}

void io_destroy_routes(struct domain *d) {
    io_model_gone(d);
    if (d->routes == NULL) return;
    for (uint32_t i = 0; i < ROUTES_MAX; i++)
        if (d->routes[i].model != NULL) pages_release(d, &d->routes[i]);
    frame_drop(d, d->routes);
}

/* ---- the trap ---- */

/* Up to PORT_INSN_MAX bytes at RIP; the second page is looked up only when the first is not enough.
 * Decoding stops at what it needs, so that a missing second page matters only to who needs it. */
static bool fetch_and_decode(struct vcpu *v, struct port_insn *insn) {
    uint64_t rip = v->regs.rip;
    size_t in_first = HV_PAGE_SIZE - rip % HV_PAGE_SIZE;
    uint8_t bytes[PORT_INSN_MAX];
    size_t n = in_first < sizeof(bytes) ? in_first : sizeof(bytes);
    mfn_t m;

    if (space_walk(v, rip, false, &m) < 0) return false;
    memcpy(bytes, (uint8_t *)frame_va(m) + rip % HV_PAGE_SIZE, n);
    if (port_decode(bytes, n, insn)) return true;
    if (n == sizeof(bytes) || space_walk(v, rip + n, false, &m) < 0) return false;
    memcpy(bytes + n, frame_va(m), sizeof(bytes) - n);
    return port_decode(bytes, sizeof(bytes), insn);
}

/* The route that holds the whole access, or NULL. */
static struct io_route *route_of(struct io_route *t, uint32_t port, uint32_t size) {
    for (uint32_t i = 0; i < ROUTES_MAX; i++)
        if (port >= t[i].first && port + size <= t[i].first + t[i].count) return &t[i];
    return NULL;
}

static uint64_t segment_base(const struct port_insn *insn) {
    if (insn->segment == PORT_SEG_FLAT) return 0;
    return insn->segment == PORT_SEG_FS ? arch_fs_base() : arch_gs_base();
}

/* Hands the request to the model: all fields, then the state, then the port. */
static void request_write(struct vcpu *v, const struct pending *p, const struct operand *o) {
    const struct io_route *r = p->route;
    struct hv_io_request *page = frame_va(p2m_ram(r->model, (gfn_t){ r->gfn }));
    struct hv_io_request *q = &page[v->id];

    if (p->insn.string && !p->insn.in) {
        operand_copy(o, p, frame_va(p2m_ram(r->model, (gfn_t){ r->gfn + 1 + v->id })), false);
        v->counters.bytes_copied += p->run.bytes;
    }
    *q = (struct hv_io_request){
        .port = port_number(&p->insn, v->regs.rdx),
        .size = p->insn.size,
        .write = !p->insn.in,
        .string = p->insn.string,
        .count = p->run.count,
        .value =
            p->insn.in || p->insn.string ? 0 : (uint32_t)(v->regs.rax & rax_mask(p->insn.size)),
        .domain = v->domain->id,
        .seq = ++v->io_seq,
    };
    store_release(&q->state, HV_IO_PENDING);
    v->io_pending = 1;
    sched_sleep(v, VCPU_IO_WAIT);
    event_raise(r->model, r->port);
}

/* Finds the operand of a string, in the kernel's view and rights. False: not an access for us. */
static bool string_prepare(struct vcpu *v, struct pending *p, struct operand *o) {
    p->run = port_run_next(&p->insn, &v->regs, segment_base(&p->insn), p->df);
    if (p->run.count == 0) return true;
    if (!address_is_guests(p->run.lowest) || !address_is_guests(p->run.lowest + p->run.bytes - 1))
        return false;
    (void)operand_find(v, &p->run, p->insn.in, o);
    return true;
}

/* o->error, in the end: what the guest is owed instead. */
static bool trap(struct vcpu *v, struct operand *o) {
    struct io_route *t = v->domain->routes;
    struct pending *p = pending_of(v);

    if (t == NULL || !fetch_and_decode(v, &p->insn)) return false;
    p->route = route_of(t, port_number(&p->insn, v->regs.rdx), p->insn.size);
    if (p->route == NULL) return false;
    p->df = (v->regs.rflags & FLAG_DF) != 0;
    p->run.count = 1;
    if (p->insn.string && !string_prepare(v, p, o)) return false;
    if (o->error != 0) return true;
    if (p->run.count == 0) {
        advance(v, p, 0); /* REP with RCX = 0 */
        return true;
    }
    v->counters.port_traps++;
    p->route->model == NULL ? finish_alone(v) : request_write(v, p, o);
    return true;
}

bool io_trap(struct vcpu *v) {
    struct operand o = { .error = 0 };
    bool ours;

    if (v->cpu->user_mode) return false;
    ours = WITH_LOCK(&memory_lock, trap(v, &o));
    if (o.error != 0) vcpu_inject(v, VECTOR_PF, o.error, o.bad);
    return ours;
}

/* ---- completion ---- */

int io_complete(struct domain *caller, struct domain *d, uint64_t vcpu, uint64_t value,
                gpa_t data) {
    struct vcpu *v = domain_vcpu(d, vcpu);
    const struct io_route *r;
    const struct pending *p;
    struct hv_io_request *page;
    uint8_t *from = NULL;
    uint32_t count;

    if (v == NULL || !v->io_pending) return -HV_EINVAL;
    p = pending_of(v);
    r = p->route;
    count = p->run.count;
    if (r->model != caller) return -HV_EINVAL;
    if (p->insn.string && p->insn.in) {
        if (value == 0 || value > p->run.count) return -HV_EINVAL;
        count = (uint32_t)value;
        from = guest_page_locked(caller, data, (size_t)count * p->insn.size, false);
        if (from == NULL) return -HV_EFAULT;
    }
    page = frame_va(p2m_ram(r->model, (gfn_t){ r->gfn }));
    store_release(&page[v->id].state, HV_IO_IDLE);
    finish(v, value, from, count);
    sched_wake(v, VCPU_IO_WAIT);
    return 0;
}
