/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers of the grant family: the owner is a domain that does not run, root maps.
 */
#include "bounds.h"

#define ENTRIES   HV_MAX_GRANT_BATCH
#define SMALL     8u /* pages of all entries but the last: 63 of them stay below 512 */
#define GIB       ((uint64_t)1 << 30)
#define LENT      ((ENTRIES - 1) * SMALL)
#define ALL_PAGES (LENT + HV_MAX_GRANT_PAGES)

static uint64_t owner, window, port;

static void set_up(void)
{
    if (owner != 0)
        return;
    owner = bound_domain(ALL_PAGES, 0, 2 * ALL_PAGES + 400);
    window = test_windows(ALL_PAGES);
    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, owner));
}

static void drive_grant_create(void)
{
    set_up();
    for (unsigned i = 0; i < 3; i++) {
        int64_t ref = TIMED(hv_grant_create(owner, 0, 0, HV_MAX_GRANT_PAGES, RW));

        CHECK(ref > 0);
        NEED(hv_grant_end(owner, (uint64_t)ref, 0));
    }
}
BOUND(grant_create, 31000, drive_grant_create);

static uint64_t map_all(uint64_t address)
{
    struct hv_grant_map *m = (void *)bound_page;
    uint64_t ref = (uint64_t)NEED(hv_grant_create(owner, 0, 0, HV_MAX_GRANT_PAGES, RW));

    *m = (struct hv_grant_map){
        owner, ref, window, (uint32_t)port, RW, HV_MAX_GRANT_PAGES, address
    };
    NEED(hv_grant_map(HV_SELF, hv_gpa(m), 1));
    return ref;
}

static void unmap_window(void)
{
    memcpy(bound_page, &window, sizeof window);
    NEED(hv_grant_unmap(HV_SELF, hv_gpa(bound_page), 1));
}

/* By force, of 512 pages that are mapped and of which each is pinned for a device. */
static void drive_grant_end(void)
{
    static struct hv_dma_run run[HV_MAX_GRANT_PAGES];
    struct hv_dma_run *some = (void *)bound_page;
    uint64_t address = test_addresses(HV_MAX_GRANT_PAGES), ref = map_all(address);

    CHECK_EQ(TIMED(hv_grant_end(owner, ref, 1)), 0);
    unmap_window();
    ref = map_all(address);
    unsigned n = 0;

    bound_dirty();

    for (uint64_t at = 0; at < HV_MAX_GRANT_PAGES; at += HV_MAX_DMA_PAGES) {
        int64_t got = NEED(hv_dma_map(DEVICE, window + at, HV_MAX_DMA_PAGES, hv_gpa(some)));

        memcpy(run + n, some, (size_t)got * sizeof *run);
        n += (unsigned)got;
    }
    CHECK_EQ(TIMED(hv_grant_end(owner, ref, 1)), 0);
    CHECK_EQ(test_info(HV_SELF).quarantined, HV_MAX_GRANT_PAGES);
    while (n-- > 0)
        CHECK_EQ(hv_dma_unmap(DEVICE, run[n].address, run[n].pages), run[n].pages);
    unmap_window();
}
BOUND(grant_end, 510000, drive_grant_end);

/* 64 entries of 1,016 pages, each over the border of a GiB: four tables an entry. */
static uint64_t entries(struct hv_grant_map *m, uint64_t *windows)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t count = i < ENTRIES - 1 ? SMALL : HV_MAX_GRANT_PAGES;
        uint64_t ref = (uint64_t)NEED(hv_grant_create(owner, 0, at, count, RW));

        windows[i] = window + at;
        m[i] = (struct hv_grant_map){ owner,
                                      ref,
                                      window + at,
                                      (uint32_t)port,
                                      RW,
                                      (uint16_t)count,
                                      HV_FREE_START + (512 + 2 * i + 1) * GIB -
                                          count / 2 * HV_PAGE_SIZE };
        at += count;
    }
    return at;
}

static void all_entries(bool unmap)
{
    static uint64_t windows[ENTRIES] __attribute__((aligned(512)));
    struct hv_grant_map *m = (void *)bound_page;

    set_up();
    bound_dirty();
    CHECK_EQ(entries(m, windows), ALL_PAGES);
    for (unsigned i = 0; i < 3; i++) {
        /* Once over mappings of 2 MiB, both of which each entry splits. */
        for (unsigned n = 0; i == 2 && !unmap && n < ENTRIES; n++)
            bound_large(0, (m[n].address + GIB / 2) & ~(GIB - 1));
        bound_dirty();
        CHECK_EQ(unmap ? hv_grant_map(HV_SELF, hv_gpa(m), ENTRIES)
                       : TIMED(hv_grant_map(HV_SELF, hv_gpa(m), ENTRIES)),
                 ENTRIES);
        CHECK_EQ(unmap ? TIMED(hv_grant_unmap(HV_SELF, hv_gpa(windows), ENTRIES))
                       : hv_grant_unmap(HV_SELF, hv_gpa(windows), ENTRIES),
                 ENTRIES);
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t border = (m[i].address + GIB / 2) & ~(GIB - 1);

        NEED(hv_grant_end(owner, m[i].ref, 0));
        NEED(hv_unmap_range(HV_SELF, 0, border - GIB / 512, 2 * HV_LARGE_PAGES));
    }
}

static void drive_grant_map(void)
{
    all_entries(false);
}
BOUND(grant_map, 870000, drive_grant_map);

static void drive_grant_unmap(void)
{
    all_entries(true);
}
BOUND(grant_unmap, 200000, drive_grant_unmap);

/* Pages, and pages less a byte, which are no whole number of words. */
static void drive_grant_copy(void)
{
    struct hv_grant_copy *c = (void *)bound_page;
    uint64_t own = hv_gpa(test_pages(ENTRIES));
    uint64_t ref = (uint64_t)NEED(hv_grant_create(owner, 0, 0, ENTRIES, RW));

    for (unsigned odd = 0; odd < 2; odd++) {
        for (unsigned i = 0; i < ENTRIES; i++) {
            uint64_t at = (uint64_t)i * HV_PAGE_SIZE;

            c[i] = (struct hv_grant_copy){
                owner, ref, at + odd, own + at, HV_PAGE_SIZE - odd, HV_GRANT_COPY_TO_PEER
            };
        }
        CHECK_EQ(TIMED(hv_grant_copy(hv_gpa(c), ENTRIES)), ENTRIES);
    }
    NEED(hv_grant_end(owner, ref, 0));
}
BOUND(grant_copy, 49000, drive_grant_copy);
