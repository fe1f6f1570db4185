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

        if (e != 0 && (e & PTE_KIND) == PTE_RAM && leaf_table(s, va) != NULL)
            return &leaf_table(s, va)[pte_index(va, 1)];
    }
    panic("audit-plant: root maps nothing");
}

static void name_frame(uint64_t frame, pte_t kind) {
    pte_t *leaf = kernel_leaf();

    *leaf = pte_make(frame, (*leaf & ~(PTE_FRAME | PTE_KIND)) | PTE_WRITE | PTE_NX | kind);
}

/* A frame of nobody's in state RAM: as if it were another domain's. */
static struct frame *foreign_frame(void) { return frame_of(frame_alloc(NULL, FRAME_RAM)); }

static uint64_t number_of(const struct frame *f) { return (uint64_t)(f - frame_table); }

/* The name is the one by which the audit is to call it. False: no such kind. */
static bool plant(const char *kind) {
    struct domain *root = domain_root;

#define PLANT(name, error)                                                                         \
    if (strncmp(kind, name, sizeof(name)) == 0) return (error), true
    PLANT("maps", ram_frame()->maps++);
    PLANT("large-maps", superframe_of(ram_frame())->maps++);
    PLANT("grant-count", ram_frame()->grants++);
    PLANT("pin-count", ram_frame()->pins++);
    PLANT("charge", root->used++);
    PLANT("vcpus", root->vcpus_up++);
    PLANT("live-count", frame_of(root->kernel_l3[0])->live++);
    PLANT("leak", frame_alloc(root, FRAME_RAM));
    PLANT("double-use", (void)p2m_set_ram(root, (gfn_t){ root->ram_pages - 1 },
                                          (mfn_t){ number_of(ram_frame()) }));
    PLANT("free-list", foreign_frame()->state = FRAME_FREE);
    PLANT("quarantine", foreign_frame()->state = FRAME_QUARANTINE);
    PLANT("shared-writable", name_frame(number_of(foreign_frame()), PTE_RAM));
    PLANT("table-reachable", name_frame(root->spaces[0]->l4_user.n, PTE_RAM));
    PLANT("no-grant", name_frame(number_of(foreign_frame()), PTE_WINDOW));
    PLANT("shared-page", name_frame(number_of(ram_frame()), PTE_SHARED));
    PLANT("mmio", name_frame(number_of(ram_frame()), PTE_MMIO | PTE_UNCACHED));
    PLANT("leaf-bits", *kernel_leaf() |= (pte_t)1 << 8);
    PLANT("write-exec", *kernel_leaf() = (*kernel_leaf() | PTE_WRITE) & ~PTE_NX);
    PLANT("views", *(pte_t *)frame_va(root->spaces[0]->l4_kernel) = PTE_NX);
#undef PLANT
    return false;
}

void audit_plant(void) {
    static bool done;
    char kind[32];

    if (done || !boot_option(frame_boot, "audit-plant", kind, sizeof(kind))) return;
    done = true;
    printk("audit-plant: %s%s", plant(kind) ? "" : "no such kind: ", kind);
}
