/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory: guest frame numbers, address spaces, rights, DMA.
 */
#ifndef HV_MEMORY_H
#define HV_MEMORY_H

#include "hv_call.h"

/**
 * The GFN ranges of a domain. RAM starts at 0 and is as large as the domain was created; the others
 * start here. Windows hold mapped grants. Shared pages: vCPU n's page is HV_GFN_SHARED + n,
 * mappable in the kernel half only. MMIO: HV_GFN_MMIO + machine frame, uncached, never grantable.
 */
#define HV_GFN_WINDOW ((uint64_t)1 << 28)
#define HV_GFN_SHARED ((uint64_t)1 << 29)
#define HV_GFN_MMIO   ((uint64_t)1 << 30)

/** Largest RAM and window range of a domain, in pages. */
#define HV_MAX_RAM_PAGES    ((uint64_t)1 << 22)
#define HV_MAX_WINDOW_PAGES ((uint64_t)1 << 14)

/** User half: [0, HV_USER_END): the last page below the canonical hole cannot be mapped. */
#define HV_USER_END ((uint64_t)0x00007ffffffff000)
/** Kernel half: the last eight top-level slots, [HV_KERNEL_START, 2^64). */
#define HV_KERNEL_START ((uint64_t)0xfffffc0000000000)
/** Conventional link address of a guest kernel (kernel code model): GPA = VA - this. */
#define HV_KERNEL_IMAGE ((uint64_t)0xffffffff80000000)

/** Spaces of a domain, space 0 (empty user half) included. */
#define HV_MAX_SPACES 256u

/** Rights of a mapping. Read is implied by any right; a kernel-half page that is writable and
 * executable is refused. */
#define HV_MAP_READ  1u
#define HV_MAP_WRITE 2u
#define HV_MAP_EXEC  4u

/** Flags of space_copy: take the right to write from both sides. */
#define HV_COPY_WRITE_PROTECT 1u

/** Flags of space_query: clear the accessed and dirty bits. */
#define HV_QUERY_CLEAR 1u

/** The byte that space_query writes for a page: 0 when nothing is mapped, else HV_MAP_… rights
 * (read is always among them) and these. A bit is set by the first access, or write, through this
 * mapping since it was mapped or the bit was cleared. */
#define HV_QUERY_ACCESSED 8u
#define HV_QUERY_DIRTY    16u
#define HV_QUERY_NOT_RAM  32u /**< a window, a shared page or MMIO: space_copy leaves it out */

/** A mapping of 2 MiB instead of this many pages is made where address, GFN and machine frames
 * allow it; nothing but speed and table memory depends on it. */
#define HV_LARGE_PAGES 512u

/** Bounds of one call. */
#define HV_MAX_MAP_RUNS       128u
#define HV_MAX_MAP_PAGES      1024u
#define HV_MAX_COPY_PAGES     1024u
#define HV_MAX_QUERY_PAGES    1024u
#define HV_MAX_POPULATE_PAGES 512u
#define HV_MAX_DMA_PAGES      64u

/** One run of map, unmap and protect: `count` pages at `address`. */
struct hv_map_run {
    uint64_t address; /**< IN virtual address, page aligned */
    uint64_t gfn;     /**< IN first frame; 0 for unmap and protect */
    uint32_t count;   /**< IN pages, at least 1 */
    uint32_t rights;  /**< IN HV_MAP_…; 0 for unmap */
};
HV_STATIC_ASSERT(sizeof(struct hv_map_run) == 24, "layout");

/** One run of device addresses from dma_map. */
struct hv_dma_run {
    uint64_t address; /**< OUT address for the device, in bytes */
    uint64_t pages;   /**< OUT pages of the run */
};
HV_STATIC_ASSERT(sizeof(struct hv_dma_run) == 16, "layout");

#endif
