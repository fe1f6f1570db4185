/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (M7). A frame number and a count: the first was compared with the size of the array, the
 * sum was not, or was computed in a type in which it wraps. The last frame, the one behind it, and
 * counts near 2^32 and 2^64 then read and write beyond the array, which is the hypervisor's memory.
 *
 * This guest gives first, last, last + 1, -1 and every range's edges, with counts that end in,
 * at and behind the range and that wrap, to every call that takes a frame number: for itself and
 * for a child whose numbers are smaller. A vulnerable system reads a table entry that is not one.
 */
#include "nasty.h"
#include "test.h"

#define R  HV_MAP_READ
#define RW (HV_MAP_READ | HV_MAP_WRITE)

const char test_title[] = "frame numbers and counts at and beyond every edge are refused";

#define CHILD_PAGES 300u /* not a multiple of anything that tables are made of */

static const uint64_t large[] = { NASTY_LARGE };
static uint64_t child, address, child_windows;

/* Behind the RAM of the child, in all shapes. */
static void check_no_ram(uint64_t gfn, uint64_t count)
{
    CHECK_EQ(hv_populate(child, gfn, count), -HV_EINVAL);
    CHECK_EQ(hv_give_back(child, gfn, count), -HV_EINVAL);
    CHECK_EQ(hv_grant_create(child, 0, gfn, count, R), -HV_EINVAL);
}

static void check_ranges(void)
{
    uint64_t last = CHILD_PAGES - 1;

    /* The legal form: the last page goes and comes back, and can be granted. */
    CHECK_EQ(hv_give_back(child, last, 1), 1);
    CHECK_EQ(hv_populate(child, last, 1), 1);
    int64_t ref = hv_grant_create(child, 0, last, 1, R);

    CHECK(ref > 0);
    CHECK_EQ(hv_grant_end(child, (uint64_t)ref, 0), 0);
    check_no_ram(last, 2);
    check_no_ram(last + 1, 1);
    check_no_ram(last, 0);
    check_no_ram(0, CHILD_PAGES + 1);
    check_no_ram(HV_MAX_RAM_PAGES - 1, 1);
    check_no_ram(HV_MAX_RAM_PAGES, 1);
    check_no_ram(HV_GFN_WINDOW, 1);
    check_no_ram(HV_GFN_SHARED, 1);
    check_no_ram(HV_GFN_MMIO, 1);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        check_no_ram(large[i], 1);
        check_no_ram(last, large[i]);
        check_no_ram(0, large[i]);
        check_no_ram(large[i], large[i]);
        /* gfn + count == 0, 1 and last in 64 bits */
        check_no_ram(large[i], 0 - large[i]);
        check_no_ram(large[i], 1 - large[i]);
        check_no_ram(large[i], last - large[i]);
        check_no_ram(last, 0 - last);
        check_no_ram(last, CHILD_PAGES - last + ((uint64_t)1 << 32));
    }
}

static void check_map(void)
{
    static const uint64_t edges[] = { CHILD_PAGES,       HV_MAX_RAM_PAGES - 1,
                                      HV_MAX_RAM_PAGES,  HV_GFN_WINDOW - 1,
                                      HV_GFN_WINDOW,     HV_GFN_SHARED - 1,
                                      HV_GFN_SHARED + 1, HV_GFN_SHARED + HV_MAX_VCPUS,
                                      HV_GFN_MMIO - 1 };

    CHECK_EQ(test_map(child, 0, address, CHILD_PAGES - 1, 1, R), 1);
    CHECK_EQ(test_map(child, 0, address, CHILD_PAGES - 1, 2, R), 1); /* stops where RAM ends */
    CHECK_EQ(test_unmap(child, 0, address, 1), 1);
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        CHECK_EQ(test_map(child, 0, address, edges[i], 1, R), -HV_EINVAL);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        int64_t result = test_map(child, 0, address, large[i], 2, R);

        CHECK(result == -HV_EINVAL || (large[i] >= HV_GFN_MMIO && result == -HV_EPERM));
    }
}

/* ---- windows: map and unmap of grants at and beyond the edge of the window range ---- */

static int64_t grant_map_at(uint64_t ref, uint64_t window, uint64_t port)
{
    HV_BUFFER(64)
    struct hv_grant_map m = {
        .ref = ref, .window = window, .port = (uint32_t)port, .rights = R, .count = 2
    };

    m.owner = hv_start_domain_id();
    return hv_grant_map(child, hv_gpa(&m), 1);
}

static int64_t grant_unmap_at(uint64_t window)
{
    HV_BUFFER(8) uint64_t at = window;

    return hv_grant_unmap(child, hv_gpa(&at), 1);
}

static void check_windows(void)
{
    uint64_t last = HV_GFN_WINDOW + child_windows - 1, gfn = hv_gfn(test_pages(2));
    uint64_t port = (uint64_t)NEED(hv_event_alloc(child, HV_SELF));
    uint64_t ref = (uint64_t)NEED(hv_grant_create(HV_SELF, child, gfn, 2, R));
    const uint64_t bad[] = {
        last,          last + 1, HV_GFN_WINDOW - 1, HV_GFN_WINDOW - 2, HV_GFN_SHARED - 2,
        HV_GFN_SHARED, 0,        HV_GFN_MMIO
    };

    CHECK_EQ(grant_map_at(ref, last - 1, port), 1);
    CHECK_EQ(grant_unmap_at(last), -HV_EINVAL);
    CHECK_EQ(grant_unmap_at(last - 1), 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(grant_map_at(ref, bad[i], port), -HV_EINVAL);
        CHECK_EQ(grant_unmap_at(bad[i]), -HV_EINVAL);
    }
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        CHECK_EQ(grant_map_at(ref, large[i], port), -HV_EINVAL);
        CHECK_EQ(grant_unmap_at(large[i]), -HV_EINVAL);
        CHECK_EQ(grant_map_at(ref, HV_GFN_WINDOW + large[i], port), -HV_EINVAL);
        CHECK_EQ(grant_map_at(large[i], last - 1, port), -HV_EINVAL);
        if ((uint32_t)large[i] > 1)
            CHECK_EQ(grant_map_at(ref, last - 1, (uint32_t)large[i]), -HV_EINVAL);
    }
    CHECK_EQ(grant_map_at(ref, last - 1, 0), -HV_EINVAL);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 0), 0);
    CHECK_EQ(hv_event_close(child, port), 0);
}

/* ---- device models, DMA, control copy ---- */

static void check_others(void)
{
    HV_BUFFER(64) struct hv_dma_run runs[4];
    HV_BUFFER(64) uint64_t word[8];
    uint64_t port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF)), gfn = hv_gfn(test_pages(2));
    const struct hv_start_memory *ram = hv_start_range(HV_RANGE_RAM, 0);
    uint64_t end = ram->gfn + ram->count;

    CHECK_EQ(hv_domain_copy(child, (uint64_t)CHILD_PAGES * HV_PAGE_SIZE - 64, hv_gpa(word), 64, 0),
             64);
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        CHECK_EQ(hv_dma_map(0x10, large[i], 1, hv_gpa(runs)), -HV_EINVAL);
        CHECK_EQ(hv_dma_map(0x10, gfn, large[i], hv_gpa(runs)), -HV_EINVAL);
        CHECK_EQ(hv_io_route(child, 0x1f0, 8, port, large[i]), -HV_EINVAL);
        int64_t done = hv_domain_copy(child, large[i] * HV_PAGE_SIZE, hv_gpa(word), 8, 0);

        CHECK(large[i] * HV_PAGE_SIZE / HV_PAGE_SIZE < CHILD_PAGES ? done == 8
                                                                   : done == -HV_EFAULT);
    }
    CHECK_EQ(hv_dma_map(0x10, end, 1, hv_gpa(runs)), -HV_EINVAL);
    CHECK_EQ(hv_dma_map(0x10, end - 1, 2, hv_gpa(runs)), -HV_EINVAL);
    CHECK_EQ(hv_dma_map(0x10, gfn, 0, hv_gpa(runs)), -HV_EINVAL);
    CHECK_EQ(hv_dma_map(0x10, gfn, HV_MAX_DMA_PAGES + 1, hv_gpa(runs)), -HV_EINVAL);
    CHECK_EQ(hv_io_route(child, 0x1f0, 8, port, end - 1), -HV_EINVAL); /* its data page is behind */
    CHECK_EQ(hv_io_route(child, 0x1f0, 8, port, end), -HV_EINVAL);
    CHECK_EQ(hv_io_route(child, 0x1f0, 8, port, gfn), 0);
    CHECK_EQ(hv_give_back(HV_SELF, gfn + 1, 1), -HV_EBUSY);
}

void test_main(void)
{
    if (test_is("idle"))
        return;
    child = test_build("idle", CHILD_PAGES, NULL);
    child_windows = 64;
    address = test_addresses(2);
    check_ranges();
    check_map();
    check_windows();
    check_others();
    CHECK_EQ(hv_domain_start(child), 0);
    test_join(child);
}
