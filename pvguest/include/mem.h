/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel memory: whole pages and small objects. All RAM is mapped, so a page has a kernel address
 * from the start; page_frame() gives the frame number that devices, spaces and peers are told.
 */
#ifndef PVGUEST_MEM_H
#define PVGUEST_MEM_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE  4096u
#define PAGE_SHIFT 12u

/** `count` adjoining zeroed pages, or NULL. Contiguous in frames as well. */
void *page_alloc(size_t count);
void page_free(void *p, size_t count);
uint64_t page_frame(const void *p);
void *page_address(uint64_t frame);
size_t pages_free(void);
/** How many pages the allocation that starts at `p` has. */
size_t page_run(const void *p);

/** Zeroed memory for objects of any size, aligned to 16 (a page from half a page on), or NULL. */
void *kmalloc(size_t bytes);
void kfree(void *p);

/** Start: the allocator takes frames [first, first + count), already mapped. May be called again.
 */
void page_add_range(uint64_t first, uint64_t count);

#endif
