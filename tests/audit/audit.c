/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The audit: walks all tables, P2Ms, windows, grants and pins of all domains, counts what it sees,
 * and compares with what the frame table says. It believes no count and no remembered pointer; it
 * trusts the list of domains and the shape of their arrays. Debug builds only; it is no hypercall.
 *
 * What it holds: every leaf, grant and pin is counted once; every RAM frame and every table is in
 * exactly one place; charges add up; a domain reaches its own RAM, its own shared pages, MMIO that
 * it holds and granted frames with the grant's rights, and nothing else; nothing in the kernel half
 * is both writable and executable. A leaf of 2 MiB names 512 frames of the domain's own RAM.
 */
#include "audit.h"
#include "grant.h"
#include "machine.h"
#include "p2m.h"
#include "printk.h"
#include "resource.h"
#include "space_table.h"
#include "string.h"

#define LINES_MAX 16

static int errors;

void audit_error(const char *name, const char *format, ...) {
    char text[96];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (errors++ < LINES_MAX) printk("audit: %s: %s", name, text);
}

static uint16_t owner_of(const struct domain *d) { return (uint16_t)(d->slot + 1); }

/* A frame that something of d's owns alone. */
static void own(const struct domain *d, mfn_t m, enum frame_state state, const char *what) {
    if (!frame_valid(m.n)) {
        audit_error("range", "%s of domain %lu: frame %lx", what, d->id, m.n);
        return;
    }
    frame_audit[m.n].refs++;
    if (frame_of(m)->state != state || frame_of(m)->owner != owner_of(d))
        audit_error("owner", "%s of domain %lu: frame %lx has state %u, owner %u", what, d->id, m.n,
                    frame_of(m)->state, frame_of(m)->owner);
}

/* ---- leaves ---- */

/* Is there a record of a window that says exactly this leaf? */
static void check_window(const struct space *s, uint64_t va, pte_t e) {
    const struct domain *d = s->domain;

    for (uint64_t n = pte_tag_of(e); n < d->window_pages; n += PTE_TAG_MASK + 1) {
        const struct window *w = p2m_window_at(d, n);

        if (w->space != s || w->address != va) continue;
        if (w->grant == NULL || w->mfn.n != pte_frame(e))
            audit_error("window", "domain %lu maps frame %lx by a dead window", d->id,
                        pte_frame(e));
        if ((e & PTE_WRITE) && !(w->rights & HV_MAP_WRITE))
            audit_error("shared-writable", "frame %lx is writable in domain %lu beyond its grant",
                        pte_frame(e), d->id);
        return;
    }
    audit_error("no-grant", "frame %lx is mapped in domain %lu without a grant", pte_frame(e),
                d->id);
}

static bool is_shared_page(const struct domain *d, uint64_t mfn) {
    for (unsigned int i = 0; i < HV_MAX_VCPUS; i++)
        if (d->vcpu[i] != NULL && d->vcpu[i]->page_mfn.n == mfn) return true;
    return false;
}

/* RAM, window and shared leaves, by the frame that they name. */
static void check_frame_leaf(const struct space *s, uint64_t va, pte_t e) {
    const struct domain *d = s->domain;
    uint64_t mfn = pte_frame(e);
    enum frame_state state = frame_valid(mfn) ? frame_table[mfn].state : FRAME_RESERVED;

    if (frame_valid(mfn)) frame_audit[mfn].maps++;
    if (state != FRAME_RAM && (state != FRAME_SHARED || (e & PTE_KIND) != PTE_SHARED)) {
        audit_error("table-reachable", "domain %lu at %lx reaches frame %lx of state %d", d->id, va,
                    mfn, (int)state);
        return;
    }
    switch (e & PTE_KIND) {
    case PTE_RAM:
        if (frame_table[mfn].owner != owner_of(d))
            audit_error("shared-writable", "frame %lx of owner %u is %s in domain %lu", mfn,
                        frame_table[mfn].owner, e & PTE_WRITE ? "writable" : "readable", d->id);
        break;
    case PTE_WINDOW:
        check_window(s, va, e);
        break;
    default:
        if (va < HV_KERNEL_START || !is_shared_page(d, mfn))
            audit_error("shared-page", "domain %lu at %lx: frame %lx", d->id, va, mfn);
    }
}

static void check_bits(const struct space *s, uint64_t va, pte_t e, pte_t never) {
    const pte_t must = PTE_PRESENT | PTE_USER;

    if ((e & must) != must || (e & never) != 0)
        audit_error("leaf-bits", "domain %lu at %lx: %lx", s->domain->id, va, e);
    if (va >= HV_KERNEL_START && (e & PTE_WRITE) && !(e & PTE_NX))
        audit_error("write-exec", "domain %lu at %lx", s->domain->id, va);
}

/* Other memory types, global; of a large leaf also an address that is not aligned. */
static void check_large(const struct space *s, uint64_t va, pte_t e) {
    const uint64_t mfn = pte_frame(e);

    check_bits(s, va, e, (pte_t)1 << 8 | (PTE_FRAME & (LEAF_SPAN - 1)));
    if (!frame_valid(mfn + SUPERFRAME_PAGES - 1) || (e & PTE_KIND) != PTE_RAM) {
        audit_error("leaf-bits", "domain %lu at %lx: %lx, 2 MiB", s->domain->id, va, e);
        return;
    }
    frame_audit[mfn].large++;
    for (uint64_t n = mfn; n < mfn + SUPERFRAME_PAGES; n++)
        if (frame_table[n].state != FRAME_RAM || frame_table[n].owner != owner_of(s->domain))
            audit_error("large-leaf", "domain %lu at %lx: frame %lx has state %u, owner %u",
                        s->domain->id, va, n, frame_table[n].state, frame_table[n].owner);
}

static void check_leaf(const struct space *s, uint64_t va, pte_t e) {
    check_bits(s, va, e, (pte_t)3 << 7);
    if ((e & PTE_KIND) != PTE_MMIO)
        check_frame_leaf(s, va, e);
    else if (!resource_holds_mmio(s->domain, pte_frame(e)) || !(e & PTE_UNCACHED))
        audit_error("mmio", "domain %lu at %lx: frame %lx", s->domain->id, va, pte_frame(e));
}

/* ---- tables ---- */

static void walk(const struct space *s, mfn_t table, unsigned int level, uint64_t base) {
    const pte_t *entry = frame_va(table);
    unsigned int live = 0;

    own(s->domain, table, FRAME_TABLE, "a table");
    for (unsigned int i = 0; i < PTE_SLOTS; i++) {
        uint64_t va = base + ((uint64_t)i << (PAGE_SHIFT + 9 * (level - 1)));

        if (entry[i] == 0) continue;
        live++;
        if (level == 1)
            check_leaf(s, va, entry[i]);
        else if (level == 2 && is_large(entry[i]))
            check_large(s, va, entry[i]);
        else if (frame_valid(pte_frame(entry[i])))
            walk(s, (mfn_t){ pte_frame(entry[i]) }, level - 1, va);
    }
    if (live != frame_of(table)->live)
        audit_error("live-count", "table %lx of domain %lu says %u, has %u", table.n, s->domain->id,
                    frame_of(table)->live, live);
    if (live == 0 && (level < 3 || base < HV_KERNEL_START))
        audit_error("empty-table", "table %lx of domain %lu", table.n, s->domain->id);
}

/* What the two top-level tables of a space must say in a slot, given the user view's word. */
static void check_slot(const struct space *s, unsigned int i, pte_t user, pte_t kernel) {
    pte_t expect = user != 0 ? user | PTE_NX : 0;
    bool ok = true;

    if (i >= PTE_KERNEL_SLOT) {
        expect = pte_make(s->domain->kernel_l3[i - PTE_KERNEL_SLOT].n, PTE_TABLE);
        ok = user == 0;
    } else if (i >= HYP_SLOT_FIRST) {
        expect = hyp_root_table()[i];
        ok = user == expect;
    }
    if (!ok || (kernel & ~PTE_ACCESSED) != (expect & ~PTE_ACCESSED))
        audit_error("views", "domain %lu space %u slot %u: %lx %lx", s->domain->id, s->id, i, user,
                    kernel);
}

static void audit_space(const struct space *s) {
    const pte_t *user = frame_va(s->l4_user), *kernel = frame_va(s->l4_kernel);

    own(s->domain, s->l4_user, FRAME_TABLE, "a user view");
    own(s->domain, s->l4_kernel, FRAME_TABLE, "a kernel view");
    for (unsigned int i = 0; i < PTE_SLOTS; i++) {
        check_slot(s, i, user[i], kernel[i]);
        if (i < PTE_USER_SLOTS && user[i] != 0)
            walk(s, (mfn_t){ pte_frame(user[i]) }, 3, (uint64_t)i << 39);
    }
    for (unsigned int i = 0; s->id == 0 && i < ARRAY_LEN(s->domain->kernel_l3); i++)
        walk(s, s->domain->kernel_l3[i], 3, HV_KERNEL_START + ((uint64_t)i << 39));
}

/* ---- vCPUs ---- */

static unsigned int loads_of(const struct domain *d, const struct space *s) {
    const struct vcpu *v;
    unsigned int n = 0;

    FOR_EACH_VCPU(v, i, d) n += v->space == s;
    return n;
}

static void audit_vcpus(const struct domain *d) {
    const struct vcpu *v;
    uint32_t up = 0;

    FOR_EACH_VCPU(v, i, d) {
        own(d, frame_mfn_of(v), FRAME_META, "a vCPU");
        own(d, v->page_mfn, FRAME_SHARED, "a shared page");
        if (v->xsave != NULL) own(d, frame_mfn_of(v->xsave), FRAME_META, "extended state");
        up += (v->wait & VCPU_OFFLINE) == 0;
    }
    if (up != d->vcpus_up)
        audit_error("vcpus", "domain %lu has %u vCPUs up, says %u", d->id, up, d->vcpus_up);
    for (unsigned int i = 0; i < HV_MAX_SPACES; i++)
        if (d->spaces[i] != NULL && d->spaces[i]->loaded < SPACE_GONE &&
            d->spaces[i]->loaded != loads_of(d, d->spaces[i]))
            audit_error("vcpus", "space %u of domain %lu says %u loads, has %u", i, d->id,
                        d->spaces[i]->loaded, loads_of(d, d->spaces[i]));
}

/* ---- P2M, windows, grants, pins ---- */

static void audit_ram(const struct domain *d) {
    uint64_t populated = 0;

    for (uint64_t g = 0; g < d->ram_pages; g++) {
        mfn_t m = p2m_ram(d, (gfn_t){ g });

        if (mfn_is_none(m)) continue;
        own(d, m, FRAME_RAM, "RAM");
        populated++;
    }
    if (d->ram_pages != 0 && populated != d->populated)
        audit_error("charge", "domain %lu has %lu pages populated, says %lu", d->id, populated,
                    d->populated);
}

static void audit_window(const struct domain *d, uint64_t n, const struct window *w) {
    const struct grant *g = w->grant;
    struct domain *owner;

    if (g == NULL) { /* revoked */
        if (w->space != NULL) audit_error("window", "domain %lu maps revoked window %lu", d->id, n);
        return;
    }
    owner = frame_owner(frame_of(frame_mfn_of(g))); /* that its table is charged to */
    if (owner == NULL || g->holder != d || g->peer != d->id || n - g->window >= g->count ||
        w->pages != (n == g->window ? g->count : 0) || (w->rights & ~g->rights) != 0)
        audit_error("window", "window %lu of domain %lu has no grant", n, d->id);
    else if (p2m_ram(owner, (gfn_t){ g->gfn + (n - g->window) }).n != w->mfn.n)
        audit_error("window", "window %lu of domain %lu is not its owner's frame", n, d->id);
    if (w->space != NULL && pte_frame(leaf_at(w->space, w->address)) != w->mfn.n)
        audit_error("window", "window %lu of domain %lu names a leaf that is not", n, d->id);
}

static void audit_windows(const struct domain *d) {
    for (uint64_t n = 0; n < d->window_pages; n++) {
        const struct window *w = p2m_window_at(d, n);

        if (w->rights != 0) audit_window(d, n, w);
    }
}

static void audit_grants(const struct domain *d) {
    for (uint32_t slot = 0; d->grants != NULL && slot < d->grants->ever; slot++) {
        const struct grant *g = slot_at(d->grants, slot, sizeof(*g));

        for (uint32_t i = 0; i < g->count; i++) {
            mfn_t m = p2m_ram(d, (gfn_t){ g->gfn + i });

            if (mfn_is_none(m))
                audit_error("grant-count", "domain %lu granted empty GFN %lx", d->id, g->gfn + i);
            else
                frame_audit[m.n].grants++;
        }
    }
}

static void audit_pins(const struct domain *d) {
    const struct dma_table *t = d->resources != NULL ? d->resources->dma : NULL;

    for (uint32_t n = 0; t != NULL && n < t->pins.ever; n++) {
        const struct pin *p = dma_pin(t, n);

        if (!p->used) continue;
        frame_audit[p->mfn.n].pins++;
        if (!mfn_is_none(p->reserve)) own(d, p->reserve, FRAME_META, "a reserve");
    }
}

/* ---- frames and charges ---- */

static void check_counts(uint64_t n, const struct frame *f, const struct audit_count *c) {
    if (f->maps != c->maps)
        audit_error("maps", "frame %lx says %d leaves, has %d", n, f->maps, c->maps);
    if (f->grants != c->grants)
        audit_error("grant-count", "frame %lx says %u grants, has %u", n, f->grants, c->grants);
    if (f->pins != c->pins)
        audit_error("pin-count", "frame %lx says %u pins, has %u", n, f->pins, c->pins);
}

static void check_state(uint64_t n, const struct frame *f, const struct audit_count *c) {
    bool one_place = f->state == FRAME_RAM || f->state == FRAME_TABLE || f->state == FRAME_SHARED;

    if (one_place && c->refs != 1)
        audit_error(c->refs == 0 ? "leak" : "double-use", "frame %lx, state %u: in %u places", n,
                    f->state, c->refs);
    if (f->state == FRAME_FREE && (f->owner != 0 || c->refs != 0))
        audit_error("free-list", "free frame %lx is in use", n);
    if (f->state == FRAME_QUARANTINE && c->pins == 0)
        audit_error("quarantine", "frame %lx waits for nothing", n);
}

static void check_domain(const struct domain *d) {
    uint64_t used = 0, quarantined = 0;

    for (uint64_t n = 0; n < frame_table_count; n++) {
        if (frame_table[n].owner == owner_of(d)) {
            used++;
            quarantined += frame_table[n].state == FRAME_QUARANTINE;
        }
    }
    if (used != d->used || quarantined != d->quarantined)
        audit_error("charge", "domain %lu is charged %lu (%lu quarantined), has %lu (%lu)", d->id,
                    d->used, d->quarantined, used, quarantined);
}

static void check_superframe(uint64_t n, const struct superframe *s, const struct audit_count *c) {
    if (s->maps != c->large)
        audit_error("large-maps", "frame %lx says %d leaves of 2 MiB, has %d", n, s->maps,
                    c->large);
    if (s->free != c->free)
        audit_error("free-list", "of 512 frames from %lx on %u are free, counted %u", n, c->free,
                    s->free);
}

static void check_frames(void) {
    uint64_t free_frames = 0, limbo = 0;

    for (uint64_t n = 0; n < frame_table_count; n++) {
        free_frames += frame_table[n].state == FRAME_FREE;
        if (frame_table[n].state == FRAME_FREE) frame_audit[n & ~(SUPERFRAME_PAGES - 1ul)].free++;
        limbo += frame_table[n].state == FRAME_LIMBO;
        check_counts(n, &frame_table[n], &frame_audit[n]);
        check_state(n, &frame_table[n], &frame_audit[n]);
    }
    for (uint64_t n = 0; n < frame_table_count; n += SUPERFRAME_PAGES)
        check_superframe(n, superframe_of(&frame_table[n]), &frame_audit[n]);
    if (free_frames != frame_free_count() || limbo != frame_limbo_count())
        audit_error("free-list", "%lu free and %lu in limbo, counted %lu and %lu",
                    frame_free_count(), frame_limbo_count(), free_frames, limbo);
}

int audit_run(void) {
    unsigned int domains = 0;

    audit_plant();
    errors = 0;
    memset(frame_audit, 0, frame_table_count * sizeof(*frame_audit));
    for (struct domain *d = domain_next(NULL); d != NULL; d = domain_next(d)) {
        domains++;
        for (unsigned int i = 0; i < HV_MAX_SPACES; i++)
            if (d->spaces[i] != NULL) audit_space(d->spaces[i]);
        audit_vcpus(d);
        audit_ram(d);
        audit_windows(d);
        audit_grants(d);
        audit_pins(d);
        check_domain(d);
    }
    check_frames();
    if (errors == 0)
        printk("audit: ok (%lu frames, %u domains)", frame_table_count, domains);
    else
        printk("audit: %d errors", errors);
    return errors;
}
