/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains: their numbers, their tree, their states, their end.
 *
 * Owns the table of domains. Number n lives in slot n % HV_MAX_DOMAINS and no number is given out
 * twice, so that a stale number finds nothing or a domain with another number.
 *
 * Invariants: what a child may use (its quota) is taken from its parent's and stays counted in the
 * parent's granted_quota until the child gives it back; for every domain used + granted_quota <=
 * quota. In the same way a domain and those below it are never more than it was given numbers for,
 * and 1. The weights of a domain and of its children make up what it was given itself, but for
 * root. A domain in the tree has a parent in the tree: children are destroyed first.
 *
 * The end of a domain, in this order, because each step takes away what the next one relies on not
 * being used: its vCPUs stop and its routed ports answer no more; ports are closed and peers told;
 * spaces go, and with them its last leaves; grants are revoked; windows are released; memory goes
 * back. A domain whose frames a device may still write to keeps its number, its record and the
 * charge for those frames until an ancestor has reset its devices.
 *
 * Locking: tree_lock guards the table, the tree, domain.state, weights, which vCPUs there are and
 * which of them are up; it is held for a whole creation or step of a destruction, memory_lock
 * inside it.
 */
#include "domain.h"
#include "audit.h"
#include "clock.h"
#include "console.h"
#include "event.h"
#include "frame.h"
#include "grant.h"
#include "ioemul.h"
#include "machine.h"
#include "p2m.h"
#include "printk.h"
#include "resource.h"
#include "sched.h"
#include "space.h"
#include "string.h"
#include "trace.h"
#include "vcpu.h"

#define KILLED_ROOT_REASON 15u
#define REPORT_PERIOD_NS   100000000u
#define REPORT_BURST       50u
#define NO_MORE_NUMBERS    (HV_SELF - HV_MAX_DOMAINS)

STATIC_ASSERT(sizeof(struct domain) <= HV_PAGE_SIZE);
STATIC_ASSERT(offsetof(struct regs, vector) ==
              sizeof(struct hv_registers)); /* the same, in front */

struct domain *domain_root;

static struct domain *slots[HV_MAX_DOMAINS];
static uint64_t next_id;
static struct bucket reports; /* lines about killed domains */
struct spinlock tree_lock = SPINLOCK_INIT(LOCK_DOMAINS);

void tree_lock_all(void) {
    spin_lock(&tree_lock);
    spin_lock(&memory_lock);
}

int64_t tree_unlock_with(int64_t result) {
    spin_unlock(&memory_lock);
    spin_unlock(&tree_lock);
    return __builtin_expect(cpu_count > 1, 0) ? memory_settle(result) : result;
}

/* ---- finding ---- */

static struct domain *lookup(uint64_t id) {
    struct domain *d = slots[id % HV_MAX_DOMAINS];

    return d != NULL && d->id == id ? d : NULL;
}

struct domain *domain_find(uint64_t id) {
    struct domain *d = lookup(id);

    return d != NULL && domain_alive(d) ? d : NULL;
}

struct domain *domain_for_control(struct domain *caller, uint64_t id) {
    struct domain *d, *above;

    if (id == HV_SELF || id == caller->id) return caller;
    d = lookup(id);
    for (above = d; above != NULL; above = above->parent)
        if (above->parent == caller) return d;
    return NULL;
}

struct domain *domain_account(struct domain *d) {
    while (d->parent != NULL && d->parent->parent != NULL) d = d->parent;
    return d;
}

struct domain *domain_next(const struct domain *d) {
    for (uint32_t i = d != NULL ? d->slot + 1 : 0; i < HV_MAX_DOMAINS; i++)
        if (slots[i] != NULL) return slots[i];
    return NULL;
}

/* ---- creation ---- */

/* The next number whose slot is free. */
static int take_number(uint64_t *id) {
    for (uint32_t i = 0; i < HV_MAX_DOMAINS && next_id < NO_MORE_NUMBERS; i++) {
        uint64_t n = next_id + i;

        if (slots[n % HV_MAX_DOMAINS] == NULL) {
            next_id = n + 1;
            *id = n;
            return 0;
        }
    }
    return -HV_ENOSPC;
}

/* The record itself: a frame of the domain that it describes. */
static struct domain *record_new(uint64_t id, const struct hv_domain_create *c) {
    mfn_t m = frame_alloc(NULL, FRAME_META);
    struct domain *d;

    if (mfn_is_none(m)) return NULL;
    d = frame_va(m);
    d->id = id;
    d->slot = (uint32_t)(id % HV_MAX_DOMAINS);
    d->mfn = m;
    d->state = HV_DOMAIN_BUILDING;
    d->quota = c->quota;
    d->flags = c->flags;
    d->weight = c->weight;
    d->cap = c->cap;
    d->nr_vcpus = c->vcpus;
    d->domains = c->domains;
    frame_transfer(m, NULL, d);
    return d;
}

/* The frames of a new domain: record, ports, grants and resources; space 0 and the kernel half; its
 * first vCPU; the tables of RAM and of windows. A quota below that is refused before anything is
 * made. */
static uint64_t frames_needed(const struct hv_domain_create *c) {
    uint64_t n = c->window_pages, fixed = 4 + 3 + ARRAY_LEN(domain_root->kernel_l3) + VCPU_FRAMES;

    return fixed + ((c->ram_pages + (1 << 18) - 1) >> 18) + (n != 0) + ((n + (1 << 15) - 1) >> 15) +
           ((n + 63) >> 6);
}

/* Everything that a domain has besides its record. What a failure leaves is destroyed as usual. */
static int fill(struct domain *d, const struct hv_domain_create *c) {
    int e = p2m_create(d, c->ram_pages, c->window_pages);

    e = e < 0 ? e : space_init_domain(d);
    e = e < 0 ? e : event_init_domain(d);
    if (e < 0) return e;
    d->grants = frame_meta(d);
    d->resources = frame_meta(d);
    if (d->grants == NULL || d->resources == NULL) return -HV_ENOMEM;
    return vcpu_make(d, 0);
}

/* A child's weight comes out of its creator's, so that nobody gets more of the CPU by having many
 * children. Root's does not: it shares out the machine. */
static void move_weight(const struct domain *child, struct domain *parent, bool back) {
    if (parent == NULL || parent == domain_root) return;
    parent->weight += back ? child->weight : 0u - child->weight;
    domain_share(parent);
}

int domain_set_share(struct domain *d, uint32_t weight, uint32_t cap) {
    struct domain *parent = d->parent;

    /* As at its creation, some has to stay. */
    if (parent != domain_root && weight >= parent->weight + d->weight) return -HV_EPERM;
    move_weight(d, parent, true);
    d->weight = weight;
    d->cap = cap;
    move_weight(d, parent, false);
    domain_share(d);
    return 0;
}

/* Puts a new record into the table and under its parent, whose quota pays for it. */
static void enter(struct domain *d, struct domain *parent) {
    slots[d->slot] = d;
    d->parent = parent;
    if (parent != NULL) {
        d->next_sibling = parent->first_child;
        parent->first_child = d;
        parent->granted_quota += d->quota;
        parent->domains -= 1 + d->domains;
    }
    move_weight(d, parent, false);
}

/* *failed: the number of one that was begun and could not be filled. */
static int64_t create(struct domain *parent, const struct hv_domain_create *c, uint64_t *failed) {
    struct domain *d;
    uint64_t id;
    int e;

    /* Its vCPU waited for the lock while it was ended: no child may come any more. */
    if (domain_ended(parent)) return -HV_EDEAD;
    /* Some weight has to stay with the parent. */
    if (parent != domain_root && c->weight >= parent->weight) return -HV_EPERM;
    if (c->domains >= parent->domains) return -HV_ENOSPC;
    if (c->quota < frames_needed(c) || !frame_quota_left(parent, c->quota)) return -HV_ENOMEM;
    e = take_number(&id);
    if (e < 0) return e;
    d = record_new(id, c);
    if (d == NULL) return -HV_ENOMEM;
    enter(d, parent);
    e = fill(d, c);
    trace(HV_TRACE_create, id, (uint64_t)(int64_t)e, 0);
    ASSERT(e < 0 || d->used == frames_needed(c));
    if (e == 0) return (int64_t)id;
    /* Nobody is to find it before it is taken apart. */
    d->state = HV_DOMAIN_DYING;
    *failed = id;
    return e;
}

/* Takes what there is of a domain apart. As many steps as fill() made: bounded by the sizes asked
 * for. The lock is given up between them, so that each can wait for other pCPUs; an ancestor may
 * destroy it, too. Nothing was ever mapped into its windows: they are not looked at. */
static void create_undo(uint64_t id) {
    int64_t more = 1;

    while (more > 0) {
        struct domain *d;

        tree_lock_all();
        d = lookup(id);
        if (d != NULL) d->window_pages = 0;
        more = tree_unlock_with(d != NULL ? domain_destroy_step(d) : 0);
    }
}

int64_t domain_create(struct domain *parent, const struct hv_domain_create *c) {
    uint64_t failed = HV_SELF;
    int64_t r = WITH_TREE(create(parent, c, &failed));

    if (failed != HV_SELF) create_undo(failed);
    return r;
}

struct domain *domain_create_root(uint64_t quota, uint64_t ram_pages, uint64_t window_pages) {
    const struct hv_domain_create c = {
        .quota = quota,
        .ram_pages = ram_pages,
        .window_pages = window_pages,
        .vcpus = HV_MAX_VCPUS,
        .flags = HV_CREATE_MAY_CREATE,
        .weight = 256,
        .domains = HV_MAX_DOMAINS - 1,
    };
    struct domain *d;

    spin_lock(&memory_lock);
    d = record_new(next_id++, &c);
    BUG_ON(d == NULL);
    enter(d, NULL);
    BUG_ON(fill(d, &c) < 0);
    spin_unlock(&memory_lock);
    domain_root = d;
    return d;
}

/* ---- running and stopping ---- */

/* The pCPUs that run a vCPU of it, are about to, or have not saved it yet: until then all that it
 * uses stays. */
static uint64_t runs_on(const struct domain *d) {
    uint64_t mask = 0;
    struct vcpu *v;

    FOR_EACH_VCPU(v, i, d) if (!sched_stopped(v)) mask |= (uint64_t)1 << v->cpu->id;
    for (uint32_t i = 0; i < cpu_count; i++) {
        v = __atomic_load_n(&cpus[i]->vcpu, __ATOMIC_ACQUIRE);
        if (v != NULL && v->domain == d) mask |= (uint64_t)1 << i;
    }
    return mask;
}

static void sleep_all(struct domain *d, uint32_t why) {
    struct vcpu *v;

    if (why == VCPU_OFFLINE) d->vcpus_up = 0;
    FOR_EACH_VCPU(v, i, d) {
        sched_sleep(v, why);
        if (why == VCPU_OFFLINE) timer_stop(v);
    }
}

/* From one state to another; -HV_E… when it is in neither that nor over. */
static int state_change(struct domain *d, uint32_t from, uint32_t to) {
    if (d->state != from) return domain_ended(d) ? -HV_EDEAD : -HV_EINVAL;
    d->state = to;
    return 0;
}

int domain_start(struct domain *d) {
    int e;

    /* A vCPU without a context has no entry address. */
    if (d->state == HV_DOMAIN_BUILDING && d->vcpu[0]->regs.rip == 0) return -HV_EINVAL;
    e = state_change(d, HV_DOMAIN_BUILDING, HV_DOMAIN_RUNNING);
    if (e == 0) vcpu_bring_up(d, d->vcpu[0]);
    return e;
}

int domain_pause(struct domain *d) {
    int e = state_change(d, HV_DOMAIN_RUNNING, HV_DOMAIN_PAUSED);

    if (e != 0) return e;
    sleep_all(d, VCPU_PAUSED);
    /* They pass, and leave; who was in a call leaves at its end, which may be behind that. */
    epoch_ask(runs_on(d));
    return 0;
}

int domain_unpause(struct domain *d) {
    int e = state_change(d, HV_DOMAIN_PAUSED, HV_DOMAIN_RUNNING);
    struct vcpu *v;

    if (e < 0) return e;
    FOR_EACH_VCPU(v, i, d) sched_wake(v, VCPU_PAUSED);
    return 0;
}

/* What shutdown and kill have in common. */
static void end(struct domain *d, uint32_t state) {
    d->state = state;
    sleep_all(d, VCPU_OFFLINE);
    console_flush(d);
    /* Guests whose device model it was go on, reading all ones. */
    spin_lock(&memory_lock);
    io_model_gone(d);
    spin_unlock(&memory_lock);
    trace(HV_TRACE_end, d->id, state, d->reason);
    if (d->parent != NULL) event_raise_virq(d->parent, HV_VIRQ_DOMAIN);
}

/* Root is gone. Debug builds recount all memory first, whatever state root has left it in. */
static _Noreturn void machine_end(uint32_t reason) {
    spin_lock(&memory_lock);
    (void)audit_run();
    machine_shutdown(reason);
}

void domain_shutdown(struct domain *d, uint32_t reason) {
    spin_lock(&tree_lock);
    d->reason = reason;
    if (d == domain_root) {
        printk("root shuts down, reason %u", reason);
        machine_end(reason);
    }
    if (!domain_ended(d)) end(d, HV_DOMAIN_SHUTDOWN);
    spin_unlock(&tree_lock);
}

static void kill(struct domain *d, const struct vcpu *v, const char *why) {
    const struct regs *r = &v->regs;

    string_copy(d->report, sizeof(d->report), why);
    d->culprit = v->id;
    trace(HV_TRACE_killed, r->vector, r->error, r->rip);
    /* A domain that may create could have children killed as fast as it makes them. */
    if (bucket_take(&reports, clock_now_ns(), 1, REPORT_PERIOD_NS, REPORT_BURST) > 0)
        printk("domain %lu killed: %s vcpu=%u rip=%lx rsp=%lx vector=%lu error=%lx cr2=%lx", d->id,
               why, v->id, r->rip, r->rsp, r->vector, r->error, d->last_cr2);
    if (d == domain_root) machine_end(KILLED_ROOT_REASON);
    end(d, HV_DOMAIN_KILLED);
}

void domain_kill(struct vcpu *v, const char *why) {
    spin_lock(&tree_lock);
    if (!domain_ended(v->domain)) kill(v->domain, v, why);
    spin_unlock(&tree_lock);
}

/* ---- destroying ---- */

/* Ends what runs of it and hides it: from here on domain_find and all that uses it fail. */
static void mark_dying(struct domain *d) {
    d->state = HV_DOMAIN_DYING;
    d->waits_for = epoch_now;
    d->windows_at = 0; /* a reset of its devices may have left off anywhere */
    sleep_all(d, VCPU_OFFLINE);
    io_destroy_routes(d);
    trace(HV_TRACE_end, d->id, d->state, d->reason);
    event_raise_virq(d->parent, HV_VIRQ_DOMAIN);
}

/* Memory, then the records of pins that there were; those that are in use wait for a reset. */
static bool memory_destroy_step(struct domain *d) {
    return p2m_destroy_step(d) || (!dma_in_use(d) && dma_reset_step(d));
}

/* One step of each stage; false when the stage has no work left. */
static bool (*const teardown_stage[TEARDOWN_LAST])(struct domain *) = {
    [TEARDOWN_PORTS] = event_destroy_step,           [TEARDOWN_GRANTS] = grant_destroy_step,
    [TEARDOWN_WINDOWS] = grant_windows_destroy_step, [TEARDOWN_SPACES] = space_destroy_domain_step,
    [TEARDOWN_MEMORY] = memory_destroy_step,
};

/* Takes a record out of the tree and gives its frame back. */
static void record_free(struct domain *d) {
    struct domain **link = &d->parent->first_child;
    mfn_t m = d->mfn;

    while (*link != d) link = &(*link)->next_sibling;
    *link = d->next_sibling;
    slots[d->slot] = NULL;
    d->parent->granted_quota -= d->quota;
    d->parent->domains += 1 + d->domains;
    move_weight(d, d->parent, true);
    frame_transfer(m, d, NULL);
    BUG_ON(d->used != 0);
    frame_free(NULL, m);
}

/*
 * All that is left of it is freed: has the last of that come out of limbo? Else whoever asks waits
 * for the epoch when its locks are given up, and asks again.
 */
static bool frames_back(struct domain *d) {
    if (!d->waits) {
        if (!dma_in_use(d)) resource_destroy(d);
        d->waits = 1;
        d->waits_for = epoch_now;
    }
    frame_reclaim_all();
    /* Of limbo itself: what epoch_passed says ends when an idle pCPU comes in. Whoever asks may let
     * 2^32 flushes go by meanwhile: what a record counts is no question of stamps. */
    if ((cpu_count > 1 && !frame_reclaimed(d->waits_for)) ||
        (!dma_in_use(d) && d->used != 1 + d->quarantined)) {
        epoch_ask(EPOCH_ALL);
        return false;
    }
    d->waits = 0;
    return true;
}

/*
 * The quota that nothing is charged to any more goes back. With no device that may still write,
 * that is all of it, and the record goes too; not while the device of another that has ended may,
 * which had the same frame pinned.
 */
static int settle(struct domain *d) {
    if (!frames_back(d)) return 1;
    d->parent->granted_quota -= d->quota - d->used;
    d->quota = d->used;
    if (!dma_in_use(d) && d->quarantined != 0) return -HV_EBUSY;
    d->teardown = TEARDOWN_DONE;
    if (!dma_in_use(d)) record_free(d);
    return 0;
}

/* The last of a domain: its vCPUs. */
static void finish(struct domain *d) {
    struct vcpu *v;

    FOR_EACH_VCPU(v, i, d) {
        sched_remove(v);
        vcpu_destroy(v);
        d->vcpu[i] = NULL;
    }
}

int domain_destroy_step(struct domain *d) {
    uint64_t runs;

    if (d->first_child != NULL) return -HV_EBUSY;
    if (d->teardown == TEARDOWN_DONE) return 0;
    if (d->teardown == TEARDOWN_NONE) mark_dying(d);
    runs = runs_on(d);
    /* Who was inside when it ended may still set its timers, and others may go on here meanwhile.
     */
    if (d->teardown <= TEARDOWN_PORTS && cpu_count > 1 && !epoch_passed(d->waits_for))
        runs = EPOCH_ALL;
    if (runs != 0 || d->teardown == TEARDOWN_NONE) {
        epoch_ask(runs);
        d->teardown = d->teardown == TEARDOWN_NONE ? TEARDOWN_PORTS : d->teardown;
        return 1;
    }
    if (d->teardown != TEARDOWN_LAST) {
        if (teardown_stage[d->teardown](d) || ++d->teardown != TEARDOWN_LAST) return 1;
        finish(d);
    }
    return settle(d);
}

int domain_reset_devices(struct domain *d) {
    uint64_t runs = runs_on(d);

    if (!domain_ended(d)) return -HV_EINVAL;
    /* Half taken apart: both go through the same windows, and each relies on the other's being
     * whole: destroy leaves pinned ones to us, we leave the rest to it. */
    if (d->teardown != TEARDOWN_NONE && d->teardown != TEARDOWN_DONE) return -HV_EBUSY;
    /* One of its vCPUs may still be about to pin. */
    epoch_ask(runs);
    if (runs != 0 || dma_reset_step(d)) return 1;
    if (d->teardown != TEARDOWN_DONE) return 0;
    /* The window records, which the pins had kept. */
    return p2m_destroy_step(d) ? 1 : settle(d);
}

/* ---- telling ---- */

void domain_info(const struct domain *d, struct hv_domain_info *info) {
    const struct vcpu *v = domain_vcpu(d, d->culprit), *each;
    struct hv_vcpu_info its;

    *info = (struct hv_domain_info){
        .id = d->id,
        .parent = d->parent != NULL ? d->parent->id : d->id,
        .state = d->state,
        .reason = d->reason,
        .quota = d->quota,
        .used = d->used,
        .quarantined = d->quarantined,
        .ram_pages = d->ram_pages,
        .populated = d->populated,
        .weight = d->weight,
        .rip = v != NULL ? v->regs.rip : 0,
        .rsp = v != NULL ? v->regs.rsp : 0,
    };
    /* Killed by a fault, which left all registers in the vCPU; nothing runs there any more. */
    if (v != NULL && d->state == HV_DOMAIN_KILLED) {
        info->cr2 = d->last_cr2;
        info->vector = (uint32_t)v->regs.vector;
        info->error = (uint32_t)v->regs.error;
        info->rflags = v->regs.rflags;
        info->space = v->space->id;
        memcpy(&info->regs, &v->regs, sizeof(info->regs));
    }
    FOR_EACH_VCPU(each, i, d) {
        info->vcpus++;
        (void)sched_info(each, &its);
        info->cpu_ns += its.time[HV_RUN_RUNNING];
    }
    string_copy(info->report, sizeof(info->report), d->report);
}
