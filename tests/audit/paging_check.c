/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * W^X, asked of the tables themselves: no leaf of hyp's is writable and executable, and no frame
 * that is executable is writable through the direct map. The boot asks before root is built.
 */
#include "arch/pte.h"
#include "audit.h"
#include "bug.h"
#include "machine.h"

/* Ends of the image's sections (hyp.lds). */
extern char image_text_start[], image_data_start[];

static paddr_t image_phys(const char *p) { return (uintptr_t)p - HYP_IMAGE_BASE; }

static void check_table(const pte_t *table, unsigned int level) {
    for (unsigned int i = 0; i < PTE_SLOTS; i++) {
        pte_t e = table[i];
        paddr_t pa = e & PTE_FRAME;
        uint64_t size = PAGE_SIZE << (9 * (level - 1));

        if ((e & PTE_PRESENT) && level > 1 && !(e & PTE_LARGE)) {
            check_table(phys_to_virt(pa), level - 1);
        } else if (e & PTE_WRITE) {
            ASSERT(e & PTE_NX);
            ASSERT(pa + size <= image_phys(image_text_start) || pa >= image_phys(image_data_start));
        }
    }
}

void paging_check(void) { check_table(hyp_root_table(), 4); }
