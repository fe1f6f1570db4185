/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains and their virtual CPUs.
 *
 * A domain is one frame of its own quota (struct domain), its vCPUs one frame each (struct vcpu).
 * Domains form a tree; the table of domains maps number % HV_MAX_DOMAINS to the domain, and a
 * number is never used twice in one boot. A domain that is dying is found by domain_for_control
 * alone.
 */
#pragma once

#include "arch/regs.h"
#include "arch/speculation.h"
#include "cpu.h"
#include "hv_domain.h"
#include "hv_memory.h"
#include "hv_trace.h"
#include "hv_vcpu.h"
#include "lock.h"
#include "ratelimit.h"
#include "sched.h"
#include "sched_policy.h"

/* Why a vCPU does not run. 0: it can. */
#define VCPU_BLOCKED HV_WAIT_BLOCK
#define VCPU_IO_WAIT HV_WAIT_IO
#define VCPU_PAUSED  HV_WAIT_PAUSE
#define VCPU_OFFLINE HV_WAIT_DOWN
#define VCPU_TRACED  HV_WAIT_TRACED
#define VCPU_POLLING HV_WAIT_POLL
#define VCPU_CAPPED  HV_WAIT_CAP

struct vcpu {
    /* What the hot paths in entry.S use, by generated offset. The registers, while the vCPU is not
     * in guest mode, are RSP0's target. */
    struct regs regs __attribute__((aligned(16)));
    struct cpu *cpu;                 /* where it runs, or ran last */
    struct hv_vcpu_page *page;       /* its shared page, in the direct map */
    uint64_t root_kernel, root_user; /* CR3 of the views of its space */
    struct hv_entry entry;
    struct hv_counters counters;
    void (*const *calls)(void); /* the table of hypercalls that it goes through */
    uint32_t return_fast;       /* return_to_user: entry points are set, and nobody traces */
    uint32_t entries_set;

    /* The rest. */
    struct domain *domain;
    uint32_t id;
    uint32_t user_mode; /* while not loaded: what cpu.user_mode is to be */
    uint64_t fs_base, gs_base;
    struct space *space;
    void *xsave;           /* extended state, a frame of its own */
    struct cpu *loaded_on; /* which loaded that, and the bases, last; NULL: load them again */
    uint32_t wait;         /* VCPU_… bits */
    uint32_t traced;       /* HV_CALLS_… */

    /* sched.c: guarded by the run queue's lock. */
    struct sched_entity sched;
    uint32_t cap;                    /* as the record shows it */
    uint32_t run_state, run_version; /* HV_RUN_…; what the shared page's record is written from */
    uint64_t run_since, run_time[4];
    uint64_t wakeups, migrations;

    /* timer.c */
    struct tree_node timer; /* in timers->tree while one is set; the key is the earliest of due */
    struct timers *timers;
    uint64_t due[TIMER_KINDS]; /* ns, 0: none */
    struct port *timer_port;   /* HV_VIRQ_TIMER of this vCPU; NULL: not bound */

    /* poll.c: the ports of its last poll, which are marked; one of these was closed or moved away.
     */
    uint32_t polled_count, poll_over;
    uint16_t polled[HV_MAX_POLL_PORTS];

    /* ioemul.c */
    uint64_t io_seq;
    uint32_t io_pending;  /* a request is with the model */
    uint64_t io_state[8]; /* the decoded instruction, see ioemul.c */
    mfn_t page_mfn;

    /* hc_trace.c: the ring of its calls, and how far it was written and read */
    uint64_t calls_next, calls_read; /* read <= next */
    struct hv_call_entry call[HV_CALLS_KEPT];
};

/* Sets VCPU_… bits: a full barrier. */
static inline void vcpu_wait(struct vcpu *v, uint32_t why) {
    __atomic_fetch_or(&v->wait, why, __ATOMIC_SEQ_CST);
}

/* The same for the one that runs on this pCPU: it leaves at its next exit. */
static inline void sched_wait(struct cpu *c, struct vcpu *v, uint32_t why) {
    vcpu_wait(v, why);
    cpu_raise_work(c, CPU_WORK_RESCHED);
}

/* How far domain_destroy has got. */
enum domain_teardown {
    TEARDOWN_NONE,
    TEARDOWN_PORTS,
    TEARDOWN_SPACES, /* first: afterwards no leaf of the domain exists */
    TEARDOWN_GRANTS,
    TEARDOWN_WINDOWS,
    TEARDOWN_MEMORY,
    TEARDOWN_LAST, /* vCPUs and records */
    TEARDOWN_DONE
};

struct domain {
    uint64_t id;
    uint32_t slot;  /* id % HV_MAX_DOMAINS: its name in the frame table */
    uint32_t state; /* HV_DOMAIN_… */
    struct domain *parent, *first_child, *next_sibling;
    uint32_t flags, reason;
    uint32_t nr_vcpus; /* that it may have; vcpu[] has those that were made, number 0 always */
    uint32_t vcpus_up; /* not VCPU_OFFLINE */
    uint32_t culprit;  /* the vCPU for which it was killed */
    uint32_t weight, cap;
    int64_t ahead;    /* the most common virtual time of its vCPUs and of those that ended below */
    uint32_t domains; /* that may still be created below it */
    uint32_t vectors; /* of interrupts, that it and those below have: of a domain_account alone */
    struct vcpu *vcpu[HV_MAX_VCPUS];

    /* Memory: quota and charge in frames; see frame.h, p2m.h, space.h. */
    uint64_t quota, used, quarantined, granted_quota;
    uint64_t ram_pages, window_pages, populated; /* the last: frames in p2m_ram */
    uint64_t **p2m_ram[32];             /* [gfn >> 18][(gfn >> 9) & 511][gfn & 511], see p2m.h */
    struct window ***windows;           /* p2m.c's array of window pages */
    struct window *window_frame;        /* those records that were used last, of a frame */
    uint64_t window_first, window_near; /* the first one's index, their number; 0: none */
    struct space *spaces[HV_MAX_SPACES];
    mfn_t kernel_l3[8]; /* L3 tables of the kernel half, from create to destroy */

    struct port_table *ports; /* event.c */
    struct slots *grants;     /* grant.c */
    struct io_route *routes;  /* ioemul.c */
    uint8_t *io_bitmap[2];    /* two frames, 0 bits are ports that it holds; NULL: none */
    uint64_t io_version; /* of what is in io_bitmap, among those of all domains; 0: nothing yet */
    struct resources *resources; /* resource.c: MMIO ranges, IRQs, devices; dma.c: pins */
    struct port *virq_port[4];   /* bound to it; NULL: none */

    enum domain_teardown teardown;
    uint32_t waits, waits_for; /* for this stamp: at its end; its last frames, in limbo */
    uint64_t windows_at;       /* grant.c: the window page that its next step of destroy looks at */
    struct bucket console_bucket;
    uint32_t console_line;     /* bytes gathered in console_buf */
    uint64_t last_cr2;         /* of the last exception that its kernel was to get */
    char console_buf[128 + 1]; /* with room for the end */
    char report[56];
    mfn_t mfn; /* the frame this struct lies in */
};

extern struct domain *domain_root;
extern struct spinlock tree_lock; /* see domain.c */

/* The value of `work`, which finds a domain and changes it, its place in the tree or its vCPUs:
 * under tree_lock and memory_lock. The last thing of a call: then it waits for what was noted
 * meanwhile. */
#define WITH_TREE(work) (tree_lock_all(), tree_unlock_with(work))
void tree_lock_all(void);
int64_t tree_unlock_with(int64_t result);

/* The domain with this number (not HV_SELF), alive; NULL when there is none or it is dying. */
struct domain *domain_find(uint64_t id);

/*
 * Whose allowance `d` uses up: root's own child above it, or itself. What is not handed down by
 * number is counted there, so that nobody has more of it by having children.
 */
struct domain *domain_account(struct domain *d);

/*
 * The one question of privilege: may `caller` act on `id`? Returns the caller itself for HV_SELF or
 * its own number, a descendant of it, or NULL (-HV_EPERM). Dying descendants are returned too:
 * callers that need life look at state.
 */
struct domain *domain_for_control(struct domain *caller, uint64_t id);

/* A vCPU that exists, or NULL. A number that a guest chose is masked behind the comparison. */
static inline struct vcpu *domain_vcpu(const struct domain *d, uint64_t n) {
    return n < d->nr_vcpus
               ? __atomic_load_n(&d->vcpu[index_mask(n, HV_MAX_VCPUS)], __ATOMIC_ACQUIRE)
               : NULL;
}

/* Each vCPU that exists; `n` is a number's name. */
#define FOR_EACH_VCPU(v, n, d)                                                                     \
    for (uint32_t n = 0; n < (d)->nr_vcpus; n++)                                                   \
        if (((v) = domain_vcpu(d, n)) != NULL)

static inline bool domain_alive(const struct domain *d) { return d->state != HV_DOMAIN_DYING; }

/* Over for good? */
static inline bool domain_ended(const struct domain *d) {
    return d->state == HV_DOMAIN_SHUTDOWN || d->state == HV_DOMAIN_KILLED ||
           d->state == HV_DOMAIN_DYING;
}

/* Ends the domain of a vCPU that broke its contract: it stops at once, its parent is told, `why`
 * and the registers are kept. */
void domain_kill(struct vcpu *v, const char *why);

int64_t domain_create(struct domain *parent, const struct hv_domain_create *c);
/* From here on, up to domain_reset_devices: the tree is locked, and memory. */
int domain_start(struct domain *d);
int domain_pause(struct domain *d);
int domain_unpause(struct domain *d);
/* domain_vcpu.c: vCPU `n`, which does not exist yet; 0 or -HV_ENOMEM. */
int vcpu_make(struct domain *d, uint32_t n);
/* Lets one run that is down. */
void vcpu_bring_up(struct domain *d, struct vcpu *v);
/* Divides its weight and cap among those that are up. */
void domain_share(const struct domain *d);
/* What the hypercalls of these names do; `n` is a vCPU's number. */
int domain_vcpu_create(struct domain *d, uint64_t n);
int domain_vcpu_context(struct domain *d, uint64_t n, const struct hv_vcpu_context *c);
int domain_vcpu_up(struct domain *d, uint64_t n);
int domain_vcpu_down(struct domain *d, uint64_t n);
int domain_set_share(struct domain *d, uint32_t weight, uint32_t cap);
/* One bounded step; 1 while work is left, 0 done, or -HV_E…. `d` may be gone after a 0. */
int domain_destroy_step(struct domain *d);
/* One bounded step of taking back what a dead domain's devices hold; as above. */
int domain_reset_devices(struct domain *d);

/* Ends a domain that says so itself. Of root: ends the machine, and does not return. */
void domain_shutdown(struct domain *d, uint32_t reason);
void domain_info(const struct domain *d, struct hv_domain_info *info);
/* counter.c: the sums over its vCPUs. */
void counters_read(const struct domain *d, struct hv_counters *sum);
/* The first domain, made of nothing but the boot. BUG when the machine is too small for it. */
struct domain *domain_create_root(uint64_t quota, uint64_t ram_pages, uint64_t window_pages);
/* Walks all domains, dying ones too; NULL to start, NULL at the end. */
struct domain *domain_next(const struct domain *d);
