/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * paging.c: hyp's own half of every address space.
 *
 * Owns the root table whose slots 256-503 are copied into each L4 table. They never change after
 * boot. W^X: no frame is executable and writable through any two mappings: the image has 4 KiB
 * leaves with its sections' rights, the direct map is NX and leaves .text and .rodata out. All
 * leaves are global; a page below each stack is left unmapped.
 */
#include "arch/pte.h"
#include "boot_arch.h"
#include "bug.h"
#include "machine.h"

#define PTE_GLOBAL ((pte_t)1 << 8)
#define LARGE_SIZE UINT64_C(0x200000)

#define RIGHTS_RX   (PTE_PRESENT | PTE_GLOBAL)
#define RIGHTS_R    (RIGHTS_RX | PTE_NX)
#define RIGHTS_RW   (RIGHTS_R | PTE_WRITE)
#define RIGHTS_MMIO (RIGHTS_RW | PTE_UNCACHED)

/* A table of hyp's: rights are the leaf's to limit, and never ring 3's. */
#define TABLE_RIGHTS (PTE_PRESENT | PTE_WRITE)

uint64_t hyp_root;
static pte_t *root; /* there */
static uintptr_t mmio_next = HYP_MMIO_BASE;
static uintptr_t stack_end = HYP_STACK_BASE;

/* The table that `entry` names, made if it is missing. */
static pte_t *table_below(pte_t *entry) {
    if (*entry == 0) *entry = virt_to_phys(bootmem_alloc(1)) | TABLE_RIGHTS;
    BUG_ON(*entry & PTE_LARGE);
    return phys_to_virt(*entry & PTE_FRAME);
}

/* The entry for va at a level: 1 for 4 KiB leaves, 2 for 2 MiB. */
static pte_t *entry_for(uintptr_t va, unsigned int level) {
    pte_t *table = root;

    for (unsigned int l = 4; l > level; l--) table = table_below(&table[pte_index(va, l)]);
    return &table[pte_index(va, level)];
}

/* The one function through which hyp's mappings go in. */
static void map(uintptr_t va, paddr_t pa, uint64_t size, pte_t rights) {
    while (size > 0) {
        bool large = ((va | pa) & (LARGE_SIZE - 1)) == 0 && size >= LARGE_SIZE;
        uint64_t step = large ? LARGE_SIZE : PAGE_SIZE;
        pte_t *entry = entry_for(va, large ? 2 : 1);

        BUG_ON(*entry != 0);
        *entry = pa | rights | (large ? PTE_LARGE : 0);
        va += step;
        pa += step;
        size -= step;
    }
}

static void map_section(const char *start, const char *end, pte_t rights) {
    map((uintptr_t)start, image_phys(start), page_up((paddr_t)(end - start)), rights);
}

static void map_direct(paddr_t start, paddr_t end) {
    if (start < end) map(HYP_DIRECT_BASE + start, start, end - start, RIGHTS_RW);
}

/* A RAM range, less the frames of .text and .rodata. */
static void map_ram(paddr_t start, paddr_t end) {
    paddr_t hole_start = image_phys(image_start), hole_end = image_phys(image_data_start);

    map_direct(start, end < hole_start ? end : hole_start);
    map_direct(start > hole_end ? start : hole_end, end);
}

void paging_init(const struct boot_info *boot) {
    root = bootmem_alloc(1);
    hyp_root = virt_to_phys(root);
    map_section(image_text_start, image_rodata_start, RIGHTS_RX);
    map_section(image_rodata_start, image_data_start, RIGHTS_R);
    map_section(image_data_start, image_end, RIGHTS_RW);
    for (uint32_t i = 0; i < boot->mem_count; i++) {
        const struct boot_mem *m = &boot->mem[i];

        if (m->type == BOOT_MEM_RAM) map_ram(page_up(m->start), page_down(m->end));
    }
    /* Every table of the second level that hyp will ever use exists from now on. */
    table_below(&root[HYP_SLOT_MMIO]);
    table_below(&root[HYP_SLOT_STACK]);
}

void paging_map_stack(uintptr_t va, uint64_t pages) {
    for (uint64_t i = 0; i < pages; i++)
        map(va + i * PAGE_SIZE, virt_to_phys(bootmem_alloc(1)), PAGE_SIZE, RIGHTS_RW);
    stack_end = va + pages * PAGE_SIZE;
}

bool paging_in_guard(uint64_t va) {
    return va >= HYP_STACK_BASE && va < stack_end && *entry_for(va, 1) == 0;
}

void *mmio_map(paddr_t start, uint64_t size) {
    paddr_t first = page_down(start), end = page_up(start + size);
    uintptr_t va = mmio_next;

    map(va, first, end - first, RIGHTS_MMIO);
    mmio_next += end - first;
    return (void *)(va + (start - first));
}

const uint64_t *hyp_root_table(void) { return root; }
