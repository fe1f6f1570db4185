/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading a vCPU on a pCPU: extended state, selectors, bases, address space, RSP0 and the port
 * bitmap; eagerly, so that nothing of one domain is ever in a register while another runs. An idle
 * pCPU has none loaded.
 */
#include "arch/cpu.h"
#include "domain.h"
#include "epoch.h"
#include "machine.h"
#include "string.h"
#include "vcpu.h"

static void state_load(struct cpu *c, struct vcpu *v) {
    /* Selectors mean nothing in 64-bit mode but can be read: null ones for everybody. Before the
     * bases, which loading FS and GS may clear. */
    clear_selectors();
    /* AMD processors leave the x87's addresses as they are when no exception is pending. */
    fninit();
    xrstor(v->xsave, cpu_features.xcr0);
    wrfsbase(v->fs_base);
    wrgsbase(v->gs_base);
    c->last = v;
    v->loaded_on = c;
    v->counters.switches++;
}

/* The bitmap in the TSS is copied only when another one is in it: ports are rare, the copy is two
 * pages. */
static __attribute__((noinline)) void bitmap_load(struct cpu *c, const struct domain *d,
                                                  uint64_t version) {
    memcpy(c->tss_iomap, d->io_bitmap[0], PAGE_SIZE);
    memcpy(c->tss_iomap + PAGE_SIZE, d->io_bitmap[1], PAGE_SIZE);
    c->iomap_version = version;
}

static void state_save(struct cpu *c, struct vcpu *v) {
    xsave(v->xsave, cpu_features.xcr0);
    v->fs_base = rdfsbase();
    v->gs_base = rdgsbase();
    v->user_mode = c->user_mode;
    /* From here on another pCPU may load it. */
    store_release(&c->vcpu, NULL);
}

/* c->vcpu is written before the root: whoever removes a translation, or makes an event pending, and
 * then finds another vCPU here has done so before this one looks at tables and pending words. */
void arch_switch(struct cpu *c, struct vcpu *from, struct vcpu *to) {
    uint64_t ports = load_acquire(&to->domain->io_version);
    uint32_t user_mode, iobase;

    if (from) state_save(c, from);
    /* Another one that has put it back is about to save it; it waits for nobody before it has. */
    while (to->loaded_on != NULL && to->loaded_on != c && load_acquire(&to->loaded_on->vcpu) == to)
        cpu_relax();
    if (c->last != to || to->loaded_on != c) state_load(c, to);
    c->user_mode = user_mode = to->user_mode;
    c->iobase_kernel = iobase = ports != 0 ? TSS_IOMAP_OPEN : TSS_IOMAP_CLOSED;
    *c->tss_iobase = (uint16_t)(user_mode ? TSS_IOMAP_CLOSED : iobase);
    *c->tss_rsp0 = (uint64_t)(uintptr_t)(&to->regs + 1);
    __atomic_store_n(&c->vcpu, to, __ATOMIC_RELAXED);
    epoch_load_root(c, user_mode ? to->root_user : to->root_kernel);
    if (ports != 0 && c->iomap_version != ports) bitmap_load(c, to->domain, ports);
}

/* Its registers stay what they are: when nobody has it loaded elsewhere meanwhile, they need not be
 * loaded again. */
void arch_unload(struct cpu *c) {
    if (c->vcpu != NULL) state_save(c, c->vcpu);
    tlb_load_root(hyp_root);
}
