/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a test: pages, addresses and windows that are handed out once and never taken back.
 */
#include "hvlib/grant.h"
#include "internal.h"

void *test_pages(uint64_t count)
{
    static uint64_t next, left;

    if (!next)
        next = hv_start_free_ram(&left);
    if (count > left)
        test_error("test_pages: %lu pages wanted, %lu left", count, left);
    void *pages = hv_va(next << HV_PAGE_SHIFT);

    next += count;
    left -= count;
    memset(pages, 0, count << HV_PAGE_SHIFT);
    return pages;
}

uint64_t test_addresses(uint64_t count)
{
    static uint64_t next = HV_FREE_START;
    uint64_t address = next;

    /* A page stays free behind each range. */
    next += (count + 1) << HV_PAGE_SHIFT;
    return address;
}

uint64_t test_windows(uint64_t count)
{
    return (uint64_t)NEED(hv_window_alloc(count));
}

int64_t test_map(uint64_t dom, uint64_t space, uint64_t address, uint64_t gfn, uint32_t count,
                 uint32_t rights)
{
    HV_BUFFER(32)
    struct hv_map_run run = { .address = address, .gfn = gfn, .count = count, .rights = rights };

    return hv_map(dom, space, hv_gpa(&run), 1);
}

int64_t test_unmap(uint64_t dom, uint64_t space, uint64_t address, uint32_t count)
{
    HV_BUFFER(32) struct hv_map_run run = { .address = address, .count = count };

    return hv_unmap(dom, space, hv_gpa(&run), 1);
}
