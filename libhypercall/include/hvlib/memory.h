/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's own memory: addresses, and map calls that go on to the end.
 *
 * The kernel half as this library lays it out, offsets from HV_KERNEL_START:
 *
 *   0      .. 1 TiB   all RAM, read-write, address = HV_KERNEL_START + GPA; the image's text and
 *                     read-only data are left out, so that no page is writable here and executable
 *                     there
 *   1 TiB  .. 2 TiB   window GFNs, by the same rule, once they are mapped (hvlib/grant.h)
 *   2 TiB  .. 3 TiB   shared pages, by the same rule
 *   3 TiB  .. 4 TiB - 2 GiB   free: HV_FREE_START .. HV_KERNEL_IMAGE
 *   the last 2 GiB    the image, address = HV_KERNEL_IMAGE + GPA
 */
#ifndef HVLIB_MEMORY_H
#define HVLIB_MEMORY_H

#include "hvlib/arch/hypercall.h"
#include "hvlib/cxx.h"
#include <hv_memory.h>

HV_C_BEGIN

/** Addresses in the kernel half that the library never uses: [HV_FREE_START, HV_KERNEL_IMAGE). */
#define HV_FREE_START (HV_KERNEL_START + ((uint64_t)3 << 40))

/** A local variable of at most 64, 256, 1024 or 4096 bytes that a hypercall takes: it must not
 * cross a page, which alignment to its size rounded up to a power of two makes sure of. */
#define HV_BUFFER(bytes) HV_ALIGNED(bytes)

/** Where RAM (or a mapped window, or a shared page) is mapped. */
static inline void *hv_va(uint64_t gpa)
{
    return (void *)(uintptr_t)(HV_KERNEL_START + gpa);
}

/** The guest physical address of an object in the image or at an hv_va() address. */
static inline uint64_t hv_gpa(const volatile void *object)
{
    uint64_t address = (uint64_t)(uintptr_t)object;

    return address >= HV_KERNEL_IMAGE ? address - HV_KERNEL_IMAGE : address - HV_KERNEL_START;
}

/** The GFN of the same. */
static inline uint64_t hv_gfn(const volatile void *object)
{
    return hv_gpa(object) >> HV_PAGE_SHIFT;
}

/** Map, unmap or change the rights of `count` pages, any number, in as many calls as it takes.
 * Returns 0, or the error of the first page that failed; those before it are done. */
int64_t hv_map_range(uint64_t dom, uint64_t space, uint64_t address, uint64_t gfn, uint64_t count,
                     uint32_t rights);
int64_t hv_unmap_range(uint64_t dom, uint64_t space, uint64_t address, uint64_t count);
int64_t hv_protect_range(uint64_t dom, uint64_t space, uint64_t address, uint64_t count,
                         uint32_t rights);

/** Give `dom` zeroed frames at [gfn, gfn + count). Returns 0 or an error of populate. */
int64_t hv_populate_range(uint64_t dom, uint64_t gfn, uint64_t count);
/** Take them back. Returns 0 or an error of give_back. */
int64_t hv_give_back_range(uint64_t dom, uint64_t gfn, uint64_t count);

/**
 * A balloon: a range of own RAM, mapped at hv_va() and otherwise unused, of which as much as is
 * asked for is given back, from the end. hv_balloon_set gives back or asks for pages until `given`
 * of them are away. What comes back is zero. Returns 0, or the error of the page at which it
 * stopped; b->given says where that was, and what is not away is mapped. A page that is granted,
 * pinned or mapped elsewhere stays (-HV_EBUSY): so the range is the floor, and what is in use
 * within it.
 */
struct hv_balloon {
    uint64_t gfn;   /**< first page */
    uint64_t pages; /**< size of the range */
    uint64_t given; /**< how many, from its end, are away */
};
int64_t hv_balloon_set(struct hv_balloon *b, uint64_t given);

/** Destroy a space to the last step. Returns 0 or an error of space_destroy. */
int64_t hv_space_end(uint64_t dom, uint64_t space);

/** Copy between own memory and a descendant's, any number of bytes. Returns 0 or an error of
 * domain_copy. */
int64_t hv_copy_to_domain(uint64_t dom, uint64_t remote, const void *local, uint64_t bytes);
int64_t hv_copy_from_domain(uint64_t dom, uint64_t remote, void *local, uint64_t bytes);

HV_C_END

#endif
