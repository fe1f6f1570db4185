/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables. Owns all of them. Invariants: the tables of the kernel half are made at the start
 * and every space's top-level table points to them, so that a kernel mapping is seen in all of them
 * at once; nothing is both writable and executable, neither in the image nor through the map of all
 * RAM; the kernel half is global and never changes from present to something else, so that loading
 * a space flushes just the user half.
 *
 * A program has one thread, so its space is used on one CPU at a time, and no CPU has to interrupt
 * another to change it: another CPU may still have the space loaded, and old entries in its TLB,
 * but uses them only after it has loaded the space anew. That is why a CPU that loads a space notes
 * of the others that theirs is stale.
 */
#include "arch/memory.h"

#include "arch/cpu.h"
#include "arch/device.h"
#include "cpu.h"
#include "insn.h"
#include "kstring.h"
#include "layout.h"
#include "mem.h"
#include "native.h"
#include "printk.h"

#define PRESENT  ((uint64_t)1 << 0)
#define WRITE    ((uint64_t)1 << 1)
#define USER     ((uint64_t)1 << 2)
#define UNCACHED ((uint64_t)1 << 3 | (uint64_t)1 << 4)
#define LARGE    ((uint64_t)1 << 7)
#define GLOBAL   ((uint64_t)1 << 8)
#define NX       ((uint64_t)1 << 63)
#define ADDRESS  ((uint64_t)0x000ffffffffff000)

#define LARGE_BYTES ((uint64_t)2 << 20)
#define ENTRIES     512u
#define TOP_LEVEL   3u

extern const char native_image_start[], native_text_start[], native_rodata_start[];
extern const char native_data_start[], native_image_end[];

static uint64_t *kernel_top;
static uint64_t *boot_free; /* where table_alloc takes frames while the page allocator has none */
static struct {
    uint64_t space, stack;
    bool stale; /* the space was used elsewhere since */
} loaded[NATIVE_MAX_CPUS];
static uint64_t mmio_next = NATIVE_MMIO;

void *arch_page_address(uint64_t frame)
{
    return (void *)(NATIVE_DIRECT + (frame << PAGE_SHIFT));
}

uint64_t arch_frame_of(const void *p)
{
    uint64_t at = (uint64_t)p;

    return (at - (at >= NATIVE_IMAGE ? NATIVE_IMAGE : NATIVE_DIRECT)) >> PAGE_SHIFT;
}

/* --- tables --- */

static uint64_t *table_alloc(void)
{
    uint64_t *t;

    if (!boot_free) {
        return page_alloc(1);
    }
    t = arch_page_address(*boot_free >> PAGE_SHIFT);
    *boot_free += PAGE_SIZE;
    memset(t, 0, PAGE_SIZE);
    return t;
}

static uint64_t *table_at(uint64_t entry)
{
    return arch_page_address((entry & ADDRESS) >> PAGE_SHIFT);
}

static uint64_t *slot(uint64_t *table, uint64_t address, unsigned level)
{
    return &table[address >> (PAGE_SHIFT + 9 * level) & (ENTRIES - 1)];
}

/* The entry for `address` in the table of `level`; tables on the way are made with the rights
 * `link`. NULL: no memory, or with `link` 0 no such table. */
static uint64_t *walk(uint64_t *top, uint64_t address, unsigned level, uint64_t link)
{
    uint64_t *table = top;

    for (unsigned at = TOP_LEVEL; at > level; at--) {
        uint64_t *e = slot(table, address, at);

        if (!(*e & PRESENT)) {
            uint64_t *below = link ? table_alloc() : NULL;

            if (!below) {
                return NULL;
            }
            *e = arch_frame_of(below) << PAGE_SHIFT | link;
        }
        table = table_at(*e);
    }
    return slot(table, address, level);
}

/* --- the kernel's half --- */

static void kernel_map(uint64_t address, uint64_t physical, uint64_t rights, unsigned level)
{
    uint64_t *e = walk(kernel_top, address, level, PRESENT | WRITE);

    if (!e) {
        panic("no memory for the kernel's page tables");
    }
    *e = physical | rights | PRESENT | GLOBAL | (level > 0 ? LARGE : 0);
}

static void image_map(const char *start, const char *end, uint64_t rights)
{
    for (uint64_t at = (uint64_t)start; at < (uint64_t)end; at += PAGE_SIZE) {
        kernel_map(at, at - NATIVE_IMAGE, rights, 0);
    }
}

/* RAM is seen as data. The image's constant part is not writable there either. */
static uint64_t direct_rights(uint64_t physical)
{
    uint64_t image = physical + NATIVE_IMAGE;
    bool constant = image >= (uint64_t)native_image_start && image < (uint64_t)native_data_start;

    return NX | (constant ? 0 : WRITE);
}

static void direct_map(const struct native_region *r)
{
    uint64_t image_end = (uint64_t)native_image_end - NATIVE_IMAGE;
    uint64_t step;

    for (uint64_t at = r->start; at < r->end; at += step) {
        bool large = at % LARGE_BYTES == 0 && at + LARGE_BYTES <= r->end && at >= image_end;

        step = large ? LARGE_BYTES : PAGE_SIZE;
        kernel_map(NATIVE_DIRECT + at, at, direct_rights(at), large);
    }
}

void native_memory_init(const struct native_region *regions, unsigned count, uint64_t *free)
{
    boot_free = free;
    kernel_top = table_alloc();
    image_map(native_text_start, native_rodata_start, 0);
    image_map(native_rodata_start, native_data_start, NX);
    image_map(native_data_start, native_image_end, NX | WRITE);
    for (unsigned i = 0; i < count; i++) {
        direct_map(&regions[i]);
    }
    /* The table that spaces will share for registers is there before any space is. */
    (void)walk(kernel_top, NATIVE_MMIO, TOP_LEVEL - 1, PRESENT | WRITE);
    boot_free = NULL;
    write_cr3(arch_frame_of(kernel_top) << PAGE_SHIFT);
}

void *arch_mmio_map(uint64_t address, uint64_t bytes)
{
    uint64_t first = address & ~(uint64_t)(PAGE_SIZE - 1);
    uint64_t at = mmio_next + address % PAGE_SIZE;

    for (uint64_t p = first; p < address + bytes; p += PAGE_SIZE) {
        kernel_map(mmio_next, p, NX | WRITE | UNCACHED, 0);
        mmio_next += PAGE_SIZE;
    }
    return (void *)at;
}

/* --- spaces: a space's number is the frame of its top-level table --- */

int64_t arch_space_create(void)
{
    uint64_t *top = page_alloc(1);

    if (!top) {
        return -1;
    }
    memcpy(&top[ENTRIES / 2], &kernel_top[ENTRIES / 2], PAGE_SIZE / 2);
    return (int64_t)arch_frame_of(top);
}

/* The tables below `table`, of the first `entries` entries; pages belong to who mapped them. */
static void tables_free(uint64_t *table, unsigned level, unsigned entries)
{
    for (unsigned i = 0; i < entries && level > 0; i++) {
        if (table[i] & PRESENT) {
            tables_free(table_at(table[i]), level - 1, ENTRIES);
        }
    }
    page_free(table, 1);
}

void arch_space_destroy(uint64_t space)
{
    tables_free(arch_page_address(space), TOP_LEVEL, ENTRIES / 2);
}

static void load(unsigned cpu, uint64_t space)
{
    write_cr3((space ? space : arch_frame_of(kernel_top)) << PAGE_SHIFT);
    loaded[cpu].space = space;
    loaded[cpu].stale = false;
    for (unsigned i = 0; i < cpu_count(); i++) {
        loaded[i].stale |= i != cpu && space != 0 && loaded[i].space == space;
    }
}

void arch_space_switch(uint64_t space, uint64_t stack_top)
{
    unsigned cpu = arch_cpu();

    if (stack_top != loaded[cpu].stack) {
        native_set_stack(stack_top);
        loaded[cpu].stack = stack_top;
    }
    if (space != loaded[cpu].space || loaded[cpu].stale) {
        load(cpu, space);
    }
}

uint64_t native_kernel_cr3(void)
{
    return arch_frame_of(kernel_top) << PAGE_SHIFT;
}

static void space_set(uint64_t space, uint64_t address, uint64_t *e, uint64_t value)
{
    bool flush = (*e & PRESENT) && space == loaded[arch_cpu()].space;

    *e = value;
    if (flush) {
        invlpg(address);
    }
}

int arch_space_map(uint64_t space, uint64_t address, uint64_t frame, uint32_t count,
                   unsigned rights)
{
    uint64_t flags =
        PRESENT | USER | (rights & ARCH_MAP_WRITE ? WRITE : 0) | (rights & ARCH_MAP_EXEC ? 0 : NX);

    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = address + i * (uint64_t)PAGE_SIZE;
        uint64_t *e = at < ARCH_USER_END
                          ? walk(arch_page_address(space), at, 0, PRESENT | WRITE | USER)
                          : NULL;

        if (!e) {
            return -1;
        }
        space_set(space, at, e, (frame + i) << PAGE_SHIFT | flags);
    }
    return 0;
}

int arch_space_unmap(uint64_t space, uint64_t address, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = address + i * (uint64_t)PAGE_SIZE;
        uint64_t *e = at < ARCH_USER_END ? walk(arch_page_address(space), at, 0, 0) : NULL;

        if (e) {
            space_set(space, at, e, 0);
        }
    }
    return 0;
}
