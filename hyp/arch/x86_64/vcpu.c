/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual CPUs on x86-64: creation, entry points, faults and upcalls on the slow path, and the last
 * stop before a guest.
 *
 * It owns vcpu.regs and the words of the save area. Invariant: what a guest may choose (addresses,
 * bases, flags) is checked where it comes in, so that loading it can never fault in ring 0.
 */
#include "vcpu.h"
#include "clock.h"
#include "event.h"
#include "frame.h"
#include "hc.h"
#include "sched.h"
#include "space.h"
#include "string.h"

STATIC_ASSERT(sizeof(struct vcpu) <= HV_PAGE_SIZE);
/* entry.S: a vCPU's address is that of its registers. */
STATIC_ASSERT(offsetof(struct vcpu, regs) == 0);

/* The canonical addresses below the hypervisor's range, and those above it. */
bool address_is_guests(uint64_t a) {
    return a < HV_USER_END + HV_PAGE_SIZE || a >= HV_KERNEL_START;
}

bool address_in_kernel_half(uint64_t a) { return a >= HV_KERNEL_START; }

/* XRSTOR takes MXCSR from the area even when the area says that all state is initial. */
#define XSAVE_MXCSR   24u
#define MXCSR_INITIAL 0x1f80u

static void page_init(struct vcpu *v) {
    v->page->masked = 1;
    v->page->clock.mult = clock.mult;
    v->page->clock.shift = CLOCK_SHIFT;
    v->page->clock.tsc_base = clock.base;
    v->page->clock.version = 2;
}

static void registers_init(struct vcpu *v) {
    uint32_t mxcsr = MXCSR_INITIAL;

    v->regs.cs = SEL_GUEST_CODE;
    v->regs.ss = SEL_GUEST_DATA;
    v->regs.rflags = RFLAGS_FIXED;
    memcpy((char *)v->xsave + XSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
}

struct vcpu *vcpu_create(struct domain *d, uint32_t id) {
    const mfn_t self = frame_alloc(d, FRAME_META), page = frame_alloc(d, FRAME_SHARED),
                xsave = frame_alloc(d, FRAME_META), all[] = { self, page, xsave };
    struct vcpu *v;

    BUG_ON(cpu_features.xsave_size > HV_PAGE_SIZE);
    if (mfn_is_none(self) || mfn_is_none(page) || mfn_is_none(xsave)) {
        for (unsigned int i = 0; i < ARRAY_LEN(all); i++)
            if (!mfn_is_none(all[i])) frame_free(d, all[i]);
        return NULL;
    }
    v = frame_va(self);
    v->domain = d;
    v->id = id;
    v->cpu = this_cpu();
    v->page = frame_va(page);
    v->page_mfn = page;
    v->calls = hc_table;
    v->xsave = frame_va(xsave);
    page_init(v);
    registers_init(v);
    return v;
}

void vcpu_destroy(struct vcpu *v) {
    struct domain *d = v->domain;

    BUG_ON(v == this_cpu()->vcpu);
    frame_free(d, frame_mfn_of(v->xsave));
    frame_free(d, v->page_mfn);
    frame_free(d, frame_mfn_of(v));
}

/* Nothing is left of what ran there before, entry points included. */
int vcpu_set_context(struct vcpu *v, const struct hv_vcpu_context *c) {
    if (!address_in_kernel_half(c->rip) || !address_is_guests(c->rsp)) return -HV_EINVAL;
    v->regs = (struct regs){ .rip = c->rip, .rsp = c->rsp, .rdi = c->rdi, .rsi = c->rsi };
    memset(v->xsave, 0, HV_PAGE_SIZE);
    registers_init(v);
    v->entry = (struct hv_entry){ 0 };
    v->entries_set = v->return_fast = v->user_mode = 0;
    v->fs_base = v->gs_base = 0;
    v->loaded_on = NULL;
    WRITE_ONCE(v->page->busy, 0);
    WRITE_ONCE(v->page->masked, 1);
    space_load(v, v->domain->spaces[0]);
    return 0;
}

int vcpu_set_entry(struct vcpu *v, const struct hv_entry *e) {
    /* 1. Entry points: where SYSRET goes; the kernel half is canonical throughout. */
    if (!address_in_kernel_half(e->syscall) || !address_in_kernel_half(e->event_user) ||
        !address_in_kernel_half(e->event_kernel))
        return -HV_EINVAL;
    /* 2. The GS base: WRGSBASE faults in ring 0 on one that is not canonical. */
    /* 3. The stack: hyp never touches it, but nobody gets a pointer into hyp loaded. */
    if (!address_is_guests(e->kernel_gs_base) || !address_is_guests(e->kernel_stack) || e->rsvd)
        return -HV_EINVAL;
    v->entry = *e;
    v->entries_set = 1;
    v->return_fast = v->traced == HV_CALLS_OFF;
    wrgsbase(e->kernel_gs_base);
    return 0;
}

int vcpu_switch(struct vcpu *v, uint64_t space, uint64_t kernel_stack) {
    struct space *s = space_find(v->domain, space);

    if (!s || !address_is_guests(kernel_stack) || !space_get(s)) return -HV_EINVAL;
    v->entry.kernel_stack = kernel_stack;
    space_set(v, s);
    return 0;
}

/* The loaded vCPU leaves user mode for its kernel; its registers are in v->regs. */
static __attribute__((noinline)) void enter_kernel_mode(struct cpu *c, struct vcpu *v,
                                                        struct hv_save_area *save) {
    WRITE_ONCE(save->gs_base, rdgsbase());
    wrgsbase(v->entry.kernel_gs_base);
    write_cr3(v->root_kernel);
    *c->tss_iobase = (uint16_t)c->iobase_kernel;
    c->user_mode = 0;
    v->regs.rsp = v->entry.kernel_stack;
    v->regs.rip = v->entry.event_user;
}

/* Writes the save area from v->regs and points v->regs at the entry point. */
static inline __attribute__((always_inline)) void enter(struct cpu *c, struct vcpu *v,
                                                        uint32_t masked, uint32_t vector,
                                                        uint32_t error, uint64_t cr2) {
    struct hv_vcpu_page *page = v->page;
    struct hv_save_area *save = &page->save;

    save->rip = v->regs.rip;
    save->rsp = v->regs.rsp;
    save->rflags = v->regs.rflags;
    save->rax = v->regs.rax;
    save->rcx = v->regs.rcx;
    save->r11 = v->regs.r11;
    save->cr2 = cr2;
    save->vector = vector;
    save->error = error;
    if (c->user_mode) {
        masked = 0;
        enter_kernel_mode(c, v, save);
    } else {
        v->regs.rip = v->entry.event_kernel;
    }
    save->prev_masked = masked;
    save->rsvd = 0;
    WRITE_ONCE(page->masked, 1);
    WRITE_ONCE(page->busy, 1);
    v->regs.rflags = RFLAGS_FIXED;
}

void vcpu_inject(struct vcpu *v, uint32_t vector, uint32_t error, uint64_t cr2) {
    /* For the report, should it die of this: not always what the processor raised. */
    v->domain->last_cr2 = cr2;
    v->regs.vector = vector;
    v->regs.error = error;
    if (!v->entries_set) {
        domain_kill(v, "fault before entry points were set");
    } else if (READ_ONCE(v->page->busy)) {
        domain_kill(v, "double fault");
    } else {
        v->counters.faults++;
        enter(v->cpu, v, READ_ONCE(v->page->masked), vector, error, cr2);
    }
}

struct vcpu *vcpu_leave(struct cpu *c) {
    struct vcpu *v = c->vcpu;

    /* What another pCPU asks from here on, its kick makes us look at again. */
    if (__atomic_exchange_n(&c->work, 0, __ATOMIC_RELAXED) & CPU_WORK_RESCHED || v == NULL ||
        v->wait != 0) {
        v = sched_pick(c);
        /* What was raised while it was not loaded is looked at below. */
        if (v != c->vcpu) arch_switch(c, c->vcpu, v);
    }
    if (v->entries_set && event_upcall_due(v)) {
        v->counters.upcalls++;
        enter(c, v, 0, HV_VECTOR_EVENT, 0, 0);
    }
    return v;
}
