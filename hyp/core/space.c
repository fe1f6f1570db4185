/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces: their tops, their life, and who has them loaded. memory_lock guards all of it.
 *
 * A space is two top-level tables: the user view has the user half, the kernel view has the user
 * half (not executable) and the domain's kernel half; hyp's own slots are in both, from the start
 * to the end. Upper-half entries never change after creation. The L3 tables of the kernel half
 * belong to the domain and live as long as it does. Invariant: `loaded` counts the vCPUs whose
 * space it is, and a space is taken apart only when there are none.
 */
#include "machine.h"
#include "space_table.h"

#define USER_PAGES (HV_USER_END >> PAGE_SHIFT)
#define PAGE_LIMIT ((uint64_t)1 << (64 - PAGE_SHIFT)) /* page number behind the last address */

/* The value of the root register for a top-level table. The only place that makes one. */
static uint64_t root_of(mfn_t top) { return top.n << PAGE_SHIFT; }

/* ---- create ---- */

static void fill_tops(struct space *s) {
    const uint64_t *root = hyp_root_table();
    pte_t *user = frame_va(s->l4_user), *kernel = frame_va(s->l4_kernel);

    for (unsigned int i = HYP_SLOT_FIRST; i <= HYP_SLOT_LAST; i++) user[i] = kernel[i] = root[i];
    for (unsigned int i = PTE_KERNEL_SLOT; i < PTE_SLOTS; i++)
        kernel[i] = pte_make(s->domain->kernel_l3[i - PTE_KERNEL_SLOT].n, PTE_TABLE);
}

/* Frees a table, when there is one: 0 in a record that was never filled in. A processor may still
 * walk it, hence the stamp. */
static void free_top(struct domain *d, mfn_t *m) {
    if (mfn_is_none(*m) || m->n == 0) return;
    frame_of(*m)->epoch = epoch_now;
    frame_free(d, *m);
    *m = MFN_NONE;
}

/* Frees what is there of a space without any lower table. */
static void free_space(struct domain *d, struct space *s) {
    free_top(d, &s->l4_user);
    free_top(d, &s->l4_kernel);
    d->spaces[s->id] = NULL;
    frame_free(d, frame_mfn_of(s));
}

/* Its number, or the error. */
static int make_space(struct domain *d, uint32_t id) {
    struct space *s = frame_meta(d);

    if (s == NULL) return -HV_ENOMEM;
    *s = (struct space){ .domain = d,
                         .id = id,
                         .bits = leaf_bits[id != 0],
                         .ram_first = HV_MAX_RAM_PAGES, /* no RAM: nothing is remembered yet */
                         .ram = p2m_no_ram,
                         .destroy_at = id != 0 ? 0 : HV_KERNEL_START >> PAGE_SHIFT };
    s->l4_user = frame_alloc(d, FRAME_TABLE);
    s->l4_kernel = frame_alloc(d, FRAME_TABLE);
    d->spaces[id] = s;
    if (mfn_is_none(s->l4_user) || mfn_is_none(s->l4_kernel)) return free_space(d, s), -HV_ENOMEM;
    fill_tops(s);
    return (int)id;
}

int space_init_domain(struct domain *d) {
    for (unsigned int i = 0; i < ARRAY_LEN(d->kernel_l3); i++)
        if (mfn_is_none(d->kernel_l3[i] = frame_alloc(d, FRAME_TABLE))) return -HV_ENOMEM;
    return make_space(d, 0);
}

int64_t space_create(struct domain *d) {
    for (uint32_t id = 1; id < HV_MAX_SPACES; id++)
        if (d->spaces[id] == NULL) return make_space(d, id);
    return -HV_ENOSPC;
}

/* ---- find ---- */

bool space_range_ok(const struct space *s, uint64_t address, uint64_t count) {
    uint64_t page = address >> PAGE_SHIFT;

    if ((address & PAGE_MASK) != 0 || count == 0) return false;
    if (s->id != 0) return page < USER_PAGES && count <= USER_PAGES - page;
    return address >= HV_KERNEL_START && count <= PAGE_LIMIT - page;
}

/* ---- load ---- */

/* v->space is written before the root is loaded, as space_flush_others wants it. */
void space_set(struct vcpu *v, struct space *s) {
    uint64_t root = root_of(s->l4_kernel);

    if (v->space != NULL) __atomic_fetch_sub(&v->space->loaded, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&v->space, s, __ATOMIC_RELAXED);
    v->root_user = root_of(s->l4_user);
    v->root_kernel = root;
    if (v->cpu->vcpu == v) epoch_load_root(v->cpu, root);
}

/* ---- flush ---- */

/* The tables were written before; a pCPU that is seen without such a vCPU loads its root, and looks
 * at the tables, later than that. */
void space_flush_others(struct space *s, bool stale) {
    full_barrier();
    for (uint32_t i = 0; i < cpu_count; i++) {
        const struct vcpu *v = __atomic_load_n(&cpus[i]->vcpu, __ATOMIC_RELAXED);
        uint64_t bit = (uint64_t)1 << i;

        if (epoch_passed_by(cpus[i], (uint32_t)s->asked_at)) s->asked &= ~bit;
        if (stale && cpus[i] != this_cpu() && v != NULL && space_in_tlb(s, v)) s->asked |= bit;
    }
    if (stale) s->asked_at = epoch_now; /* for those of before later than need be */
    epoch_ask(s->asked);
}

/* ---- destroy ---- */

int space_destroy_step(struct domain *d, struct space *s) {
    uint32_t nobody = 0;

    if (!s->dying && !__atomic_compare_exchange_n(&s->loaded, &nobody, SPACE_GONE, false,
                                                  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return -HV_EBUSY;
    s->dying = 1;
    if (table_clear_step(s, s->id != 0 ? USER_PAGES : PAGE_LIMIT)) return 1;
    free_space(d, s);
    return 0;
}

/* Space 0 is the last of them, because the kernel half's tables stay for it. */
bool space_destroy_domain_step(struct domain *d) {
    struct vcpu *v;

    FOR_EACH_VCPU(v, i, d) {
        if (v->space != NULL) __atomic_fetch_sub(&v->space->loaded, 1, __ATOMIC_SEQ_CST);
        v->space = NULL;
    }
    for (uint32_t id = HV_MAX_SPACES; id-- > 0;)
        if (d->spaces[id] != NULL && (space_destroy_step(d, d->spaces[id]) != 0 || id != 0))
            return true;
    for (unsigned int i = 0; i < ARRAY_LEN(d->kernel_l3); i++) free_top(d, &d->kernel_l3[i]);
    return false;
}

/* ---- walk ---- */

int space_walk(struct vcpu *v, uint64_t va, bool write, mfn_t *m) {
    bool kernel = va >= HV_KERNEL_START;
    struct space *s = kernel ? v->domain->spaces[0] : v->space;
    pte_t e;

    if (!kernel && va >= HV_USER_END) return -HV_EFAULT;
    e = leaf_at(s, va);
    if (e == 0 || (e & PTE_KIND) == PTE_MMIO) return -HV_EFAULT;
    if (write && (e & PTE_WRITE) == 0) return -HV_EPERM;
    *m = (mfn_t){ pte_frame(e) };
    return 0;
}
