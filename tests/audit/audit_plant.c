/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors for the audit to find: each makes one thing false in root, as a bug would. Debug builds
 * only, and only when the boot option audit-plant=KIND asks for it; the machine ends afterwards.
 */
#include "audit.h"
#include "p2m.h"
#include "printk.h"
#include "space_table.h"
#include "string.h"

/* Some RAM frame of root's. */
static struct frame *ram_frame(void) {
    gfn_t g = { 0 };

    while (mfn_is_none(p2m_ram(domain_root, g))) g.n++;
    return frame_of(p2m_ram(domain_root, g));
}

/* Some leaf of RAM in root's kernel half: there is one, root runs. */
static pte_t *kernel_leaf(void) {
    struct space *s = domain_root->spaces[0];

    for (uint64_t va = HV_KERNEL_IMAGE; va != 0; va += PAGE_SIZE) {
        pte_t e = leaf_at(s, va);

        if (e != 0 && (e & PTE_KIND) == PTE_RAM) return &leaf_table(s, va)[pte_index(va, 1)];
    }
    panic("audit-plant: root maps nothing");
}

static void name_frame(uint64_t frame, pte_t kind) {
    pte_t *leaf = kernel_leaf();

    *leaf = pte_make(frame, (*leaf & ~(PTE_FRAME | PTE_KIND)) | PTE_WRITE | PTE_NX | kind);
}

/* A frame of nobody's in state RAM: as if it were another domain's. */
static struct frame *foreign_frame(void) { return frame_of(frame_alloc(NULL, FRAME_RAM)); }

static void plant_maps(void) { ram_frame()->maps++; }

static void plant_grants(void) { ram_frame()->grants++; }

static void plant_pins(void) { ram_frame()->pins++; }

static void plant_charge(void) { domain_root->used++; }

static void plant_live(void) { frame_of(domain_root->kernel_l3[0])->live++; }

static void plant_leak(void) { frame_alloc(domain_root, FRAME_RAM); }

static void plant_double_use(void) {
    p2m_set_ram(domain_root, (gfn_t){ domain_root->ram_pages - 1 },
                (mfn_t){ (uint64_t)(ram_frame() - frame_table) });
}

static void plant_free(void) { foreign_frame()->state = FRAME_FREE; }

static void plant_quarantine(void) { foreign_frame()->state = FRAME_QUARANTINE; }

static void plant_foreign(void) { name_frame((uint64_t)(foreign_frame() - frame_table), PTE_RAM); }

static void plant_table(void) { name_frame(domain_root->spaces[0]->l4_user.n, PTE_RAM); }

static void plant_window(void) {
    name_frame((uint64_t)(foreign_frame() - frame_table), PTE_WINDOW);
}

static void plant_shared(void) { name_frame((uint64_t)(ram_frame() - frame_table), PTE_SHARED); }

static void plant_mmio(void) {
    name_frame((uint64_t)(ram_frame() - frame_table), PTE_MMIO | PTE_UNCACHED);
}

static void plant_global(void) { *kernel_leaf() |= (pte_t)1 << 8; }

static void plant_write_exec(void) {
    pte_t *leaf = kernel_leaf();

    *leaf = (*leaf | PTE_WRITE) & ~PTE_NX;
}

static void plant_views(void) { *(pte_t *)frame_va(domain_root->spaces[0]->l4_kernel) = PTE_NX; }

/* The name is the one by which the audit is to call it. */
static const struct {
    const char *kind;
    void (*plant)(void);
} plants[] = {
    { "maps", plant_maps },
    { "grant-count", plant_grants },
    { "pin-count", plant_pins },
    { "charge", plant_charge },
    { "live-count", plant_live },
    { "leak", plant_leak },
    { "double-use", plant_double_use },
    { "free-list", plant_free },
    { "quarantine", plant_quarantine },
    { "shared-writable", plant_foreign },
    { "table-reachable", plant_table },
    { "no-grant", plant_window },
    { "shared-page", plant_shared },
    { "mmio", plant_mmio },
    { "leaf-bits", plant_global },
    { "write-exec", plant_write_exec },
    { "views", plant_views },
};

void audit_plant(void) {
    static bool done;
    char kind[32];

    if (done || !boot_option(frame_boot, "audit-plant", kind, sizeof(kind))) return;
    done = true;
    for (unsigned int i = 0; i < ARRAY_LEN(plants); i++) {
        if (strcmp(kind, plants[i].kind) == 0) {
            plants[i].plant();
            printk("audit-plant: %s", kind);
            return;
        }
    }
    printk("audit-plant: no such kind: %s", kind);
}
