/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bootmem.c: which RAM is free, and the allocator of the boot.
 *
 * Free is RAM by the firmware's map, above 1 MiB, less every range of another kind, the image and
 * the modules. The allocator takes from the largest free range below 4 GiB, from its start up:
 * boot tables show no more. Allocated pages are zeroed and stay hyp's for ever.
 */
#include "arch/insn.h"
#include "arch/page.h"
#include "boot_arch.h"
#include "bug.h"

#define LOW_MEMORY_END UINT64_C(0x100000)
#define SIPI_END       UINT64_C(0xa0000)
#define BOOT_MAP_END   UINT64_C(0x100000000)

paddr_t bootmem_low_page;
static struct boot_info *info;
static struct boot_range *pool; /* NULL: no allocation (any more) */

/* In ascending order, whatever the firmware's is. */
static void add_free(struct boot_info *boot, paddr_t start, paddr_t end) {
    uint32_t i = boot->free_count;

    if (start >= end) return;
    BUG_ON(boot->free_count == BOOT_FREE_MAX);
    for (; i > 0 && boot->free[i - 1].start > start; i--) boot->free[i] = boot->free[i - 1];
    boot->free[i] = (struct boot_range){ start, end };
    boot->free_count++;
}

/* The part of a free range above what is taken becomes a range of its own. */
static void reserve(struct boot_info *boot, paddr_t start, paddr_t end) {
    start = page_down(start);
    end = page_up(end);
    for (uint32_t i = 0; i < boot->free_count; i++) {
        struct boot_range *r = &boot->free[i], old = *r;

        if (start >= old.end || end <= old.start) continue;
        r->end = start > old.start ? start : old.start;
        add_free(boot, end, old.end);
    }
}

/* The highest free page below SIPI_END, but never the first: firmware keeps its own there. */
static void find_low_page(struct boot_info *boot) {
    reserve(boot, 0, PAGE_SIZE);
    for (uint32_t i = 0; i < boot->free_count; i++) {
        const struct boot_range *r = &boot->free[i];

        if (r->start < r->end && r->start < SIPI_END)
            bootmem_low_page = (r->end < SIPI_END ? r->end : SIPI_END) - PAGE_SIZE;
    }
}

static void find_free(struct boot_info *boot) {
    for (uint32_t i = 0; i < boot->mem_count; i++) {
        const struct boot_mem *m = &boot->mem[i];

        if (m->type == BOOT_MEM_RAM) {
            add_free(boot, page_up(m->start), page_down(m->end));
            boot->ram_bytes += m->end - m->start;
            boot->ram_end = page_down(m->end) > boot->ram_end ? page_down(m->end) : boot->ram_end;
        }
    }
    for (uint32_t i = 0; i < boot->mem_count; i++)
        if (boot->mem[i].type != BOOT_MEM_RAM) reserve(boot, boot->mem[i].start, boot->mem[i].end);
    reserve(boot, boot->image_start, boot->image_end);
    for (uint32_t i = 0; i < boot->module_count; i++)
        reserve(boot, boot->modules[i].start, boot->modules[i].end);
    find_low_page(boot);
    reserve(boot, 0, LOW_MEMORY_END);
}

static paddr_t clip(paddr_t a) { return a < BOOT_MAP_END ? a : BOOT_MAP_END; }

void bootmem_init(struct boot_info *boot) {
    uint64_t largest = 0;

    info = boot;
    boot->image_start = image_phys(image_start);
    boot->image_end = page_up(image_phys(image_end));
    find_free(boot);
    for (uint32_t i = 0; i < boot->free_count; i++) {
        struct boot_range *r = &boot->free[i];

        if (clip(r->end) - clip(r->start) > largest) {
            largest = clip(r->end) - clip(r->start);
            pool = r;
        }
    }
    if (pool == NULL || boot->ram_end > HYP_DIRECT_SIZE)
        panic("%lu bytes of RAM up to %lx: cannot run with that", boot->ram_bytes, boot->ram_end);
}

void *bootmem_alloc(uint64_t pages) {
    uint64_t start = rdtsc();
    void *p;

    BUG_ON(pool == NULL);
    if ((clip(pool->end) - pool->start) / PAGE_SIZE < pages) panic("not enough memory to boot");
    p = phys_to_virt(pool->start);
    pool->start += pages * PAGE_SIZE;
    for (uint64_t i = 0; i < pages; i++) page_clear((char *)p + i * PAGE_SIZE);
    info->tsc_zeroing += rdtsc() - start;
    return p;
}

void bootmem_finish(void) { pool = NULL; }
