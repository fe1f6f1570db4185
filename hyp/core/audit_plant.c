/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors for the audit to find: each makes one thing false in root, as a bug would. Debug builds
 * only, and only when the boot option audit-plant=KIND asks for it; the machine ends afterwards.
 */
#include "audit.h"
#include "boot.h"
#include "domain.h"
#include "frame.h"
#include "p2m.h"
#include "printk.h"
#include "space_table.h"
#include "string.h"

/* Some RAM frame of root's. */
static struct frame *ram_frame(void)
{
    gfn_t g = { 0 };

    while (mfn_is_none(p2m_ram(domain_root, g))) {
        g.n++;
    }
    return frame_of(p2m_ram(domain_root, g));
}

/* Some leaf of RAM in root's kernel half: there is one, root runs. */
static pte_t *kernel_leaf(void)
{
    struct space *s = domain_root->spaces[0];

    for (uint64_t va = HV_KERNEL_IMAGE; va != 0; va += PAGE_SIZE) {
        pte_t e = leaf_at(s, va);

        if (e != 0 && (e & PTE_KIND) == PTE_RAM) {
            return &leaf_table(s, va)[pte_index(va, 1)];
        }
    }
    panic("audit-plant: root maps nothing");
}

static void name_frame(pte_t *leaf, mfn_t m)
{
    *leaf = (*leaf & ~PTE_FRAME) | pte_make(m.n, PTE_WRITE | PTE_NX);
}

/* A frame of nobody's in state RAM: as if it were another domain's. */
static mfn_t foreign_frame(void)
{
    return frame_alloc(NULL, FRAME_RAM);
}

static void plant(const char *kind)
{
    struct domain *root = domain_root;
    const struct space *s = root->spaces[0];

    if (strcmp(kind, "maps") == 0) {
        ram_frame()->maps++;
    } else if (strcmp(kind, "grant-count") == 0) {
        ram_frame()->grants++;
    } else if (strcmp(kind, "pin-count") == 0) {
        ram_frame()->pins++;
    } else if (strcmp(kind, "charge") == 0) {
        root->used++;
    } else if (strcmp(kind, "live-count") == 0) {
        frame_of(root->kernel_l3[0])->live++;
    } else if (strcmp(kind, "leak") == 0) {
        frame_alloc(root, FRAME_RAM);
    } else if (strcmp(kind, "free-list") == 0) {
        frame_of(foreign_frame())->state = FRAME_FREE;
    } else if (strcmp(kind, "quarantine") == 0) {
        frame_of(foreign_frame())->state = FRAME_QUARANTINE;
    } else if (strcmp(kind, "shared-writable") == 0) {
        name_frame(kernel_leaf(), foreign_frame());
    } else if (strcmp(kind, "table-reachable") == 0) {
        name_frame(kernel_leaf(), s->l4_user);
    } else if (strcmp(kind, "write-exec") == 0) {
        pte_t *leaf = kernel_leaf();

        *leaf = (*leaf | PTE_WRITE) & ~PTE_NX;
    } else if (strcmp(kind, "views") == 0) {
        *(pte_t *)frame_va(s->l4_kernel) = PTE_NX;
    } else {
        printk("audit-plant: no such kind: %s", kind);
        return;
    }
    printk("audit-plant: %s", kind);
}

void audit_plant(void)
{
    static bool done;
    char kind[32];

    if (!done && boot_option(frame_boot, "audit-plant", kind, sizeof(kind))) {
        done = true;
        plant(kind);
    }
}
