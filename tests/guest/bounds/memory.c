/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers of the memory family.
 */
#include "bounds.h"

#define RUNS      HV_MAX_MAP_RUNS
#define RUN_PAGES (HV_MAX_MAP_PAGES / RUNS)
#define TOP       ((uint64_t)1 << 39) /* what an entry of the top table maps */
#define LARGE     (HV_LARGE_PAGES * (uint64_t)HV_PAGE_SIZE)

static struct hv_map_run *const runs = (void *)bound_page;
static uint64_t frames; /* 1,024 pages of root's RAM */

static uint64_t pages(void)
{
    if (frames == 0)
        frames = hv_gfn(test_pages(HV_MAX_MAP_PAGES));
    return frames;
}

/* As many runs as a call takes, each over a border of the top table: six tables a run. */
static void sparse_runs(uint64_t gfn, uint32_t rights)
{
    for (uint32_t i = 0; i < RUNS; i++) {
        runs[i] = (struct hv_map_run){ .address = (2 * i + 1) * TOP - RUN_PAGES / 2 * HV_PAGE_SIZE,
                                       .gfn = gfn ? gfn + i * RUN_PAGES : 0,
                                       .count = RUN_PAGES,
                                       .rights = rights };
    }
}

/* 1,024 pages in one run, over the border of two top entries. */
static void dense_run(uint64_t gfn, uint32_t rights)
{
    runs[0] = (struct hv_map_run){
        .address = TOP - 512 * HV_PAGE_SIZE, .gfn = gfn, .count = HV_MAX_MAP_PAGES, .rights = rights
    };
}

uint64_t bound_frames(void)
{
    static uint64_t block;

    if (block == 0)
        block = (hv_gfn(test_pages(3 * HV_LARGE_PAGES)) | (HV_LARGE_PAGES - 1)) + 1;
    return block;
}

void bound_large(uint64_t space, uint64_t border)
{
    NEED(hv_map_range(HV_SELF, space, border - LARGE, bound_frames(), 2 * HV_LARGE_PAGES, RW));
}

/* As many runs, each over a border of two mappings of 2 MiB, both of which it splits; the call
 * stops when they count as much as it may do. */
static void splitting_runs(uint64_t space, uint64_t gfn, uint32_t rights)
{
    for (uint32_t i = 0; i < RUNS; i++) {
        uint64_t border = TOP + (2 * i + 1) * LARGE;

        bound_large(space, border);
        runs[i] = (struct hv_map_run){
            .address = border - HV_PAGE_SIZE, .gfn = gfn, .count = 2, .rights = rights
        };
    }
    bound_dirty();
}
#define SPLITTING_DONE (HV_MAX_MAP_PAGES / 8)

static uint64_t loaded_space(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));

    CHECK_EQ(hv_switch(space, 0), 0);
    return space;
}

static void end_space(uint64_t space)
{
    CHECK_EQ(hv_switch(0, 0), 0);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

static void drive_space_create(void)
{
    int64_t n;

    bound_dirty();
    while ((n = TIMED(hv_space_create(HV_SELF))) > 0)
        ;
    CHECK_EQ(n, -HV_ENOSPC);
    for (n = 1; n < HV_MAX_SPACES; n++)
        CHECK_EQ(hv_space_end(HV_SELF, (uint64_t)n), 0);
}
BOUND(space_create, 5500, drive_space_create);

static void drive_space_destroy(void)
{
    for (unsigned dense = 0; dense < 2; dense++) {
        uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
        int64_t left;

        (dense ? dense_run : sparse_runs)(pages(), RW);
        CHECK_EQ(hv_map(HV_SELF, space, hv_gpa(runs), dense ? 1 : RUNS), HV_MAX_MAP_PAGES);
        while ((left = TIMED(hv_space_destroy(HV_SELF, space))) > 0)
            ;
        CHECK_EQ(left, 0);
    }
}
BOUND(space_destroy, 20000, drive_space_destroy);

static void drive_map(void)
{
    uint64_t space = loaded_space();

    bound_dirty();
    for (unsigned again = 0; again < 2; again++) { /* into nothing, and in place of what is there */
        sparse_runs(pages(), RW);
        CHECK_EQ(TIMED(hv_map(HV_SELF, space, hv_gpa(runs), RUNS)), HV_MAX_MAP_PAGES);
        dense_run(pages(), RW);
        CHECK_EQ(TIMED(hv_map(HV_SELF, space, hv_gpa(runs), 1)), HV_MAX_MAP_PAGES);
    }
    end_space(space);
    space = loaded_space();
    splitting_runs(space, pages(), RW);
    CHECK_EQ(TIMED(hv_map(HV_SELF, space, hv_gpa(runs), RUNS)), SPLITTING_DONE);
    end_space(space);
}
BOUND(map, 580000, drive_map);

static void drive_unmap(void)
{
    uint64_t space = loaded_space();

    sparse_runs(pages(), RW);
    NEED(hv_map(HV_SELF, space, hv_gpa(runs), RUNS));
    sparse_runs(0, 0);
    CHECK_EQ(TIMED(hv_unmap(HV_SELF, space, hv_gpa(runs), RUNS)), HV_MAX_MAP_PAGES);
    dense_run(pages(), RW);
    NEED(hv_map(HV_SELF, space, hv_gpa(runs), 1));
    dense_run(0, 0);
    CHECK_EQ(TIMED(hv_unmap(HV_SELF, space, hv_gpa(runs), 1)), HV_MAX_MAP_PAGES);
    splitting_runs(space, 0, 0);
    CHECK_EQ(TIMED(hv_unmap(HV_SELF, space, hv_gpa(runs), RUNS)), SPLITTING_DONE);
    end_space(space);
}
BOUND(unmap, 630000, drive_unmap);

static void drive_protect(void)
{
    uint64_t space = loaded_space();

    sparse_runs(pages(), RW);
    NEED(hv_map(HV_SELF, space, hv_gpa(runs), RUNS));
    sparse_runs(0, HV_MAP_READ);
    CHECK_EQ(TIMED(hv_protect(HV_SELF, space, hv_gpa(runs), RUNS)), HV_MAX_MAP_PAGES);
    dense_run(pages(), RW);
    NEED(hv_map(HV_SELF, space, hv_gpa(runs), 1));
    dense_run(0, HV_MAP_READ);
    CHECK_EQ(TIMED(hv_protect(HV_SELF, space, hv_gpa(runs), 1)), HV_MAX_MAP_PAGES);
    end_space(space);
    space = loaded_space();
    splitting_runs(space, 0, HV_MAP_READ);
    CHECK_EQ(TIMED(hv_protect(HV_SELF, space, hv_gpa(runs), RUNS)), SPLITTING_DONE);
    end_space(space);
}
BOUND(protect, 600000, drive_protect);

static void drive_switch(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));

    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(TIMED(hv_switch(space, 0)), 0);
        CHECK_EQ(TIMED(hv_switch(0, 0)), 0);
    }
    end_space(space);
}
BOUND(switch, 120, drive_switch);

/* Over the border of two leaves of the P2M, with frames that have to be zeroed, back and forth. */
static void populate(bool back)
{
    uint64_t dom = (uint64_t)NEED(
        raw_create((struct hv_domain_create){ .quota = 2000, .ram_pages = 1024, .weight = 256 }));

    bound_dirty();
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(back ? hv_populate(dom, 256, 512) : TIMED(hv_populate(dom, 256, 512)), 512);
        CHECK_EQ(back ? TIMED(hv_give_back(dom, 256, 512)) : hv_give_back(dom, 256, 512), 512);
        /* A block. */
        CHECK_EQ(back ? hv_populate(dom, 0, 512) : TIMED(hv_populate(dom, 0, 512)), 512);
        CHECK_EQ(back ? TIMED(hv_give_back(dom, 0, 512)) : hv_give_back(dom, 0, 512), 512);
    }
    bound_end(dom);
}

static void drive_populate(void)
{
    populate(false);
}
BOUND(populate, 390000, drive_populate);

static void drive_give_back(void)
{
    populate(true);
}
BOUND(give_back, 113000, drive_give_back);

/* ---- DMA ---- */

/* Scattered frames make as many runs as pages. */
static uint64_t dma_gfn(void)
{
    static uint64_t gfn;

    if (gfn == 0)
        gfn = hv_gfn(test_pages(HV_MAX_DMA_PAGES));
    return gfn;
}

static void drive_dma_map(void)
{
    const struct hv_dma_run *run = (void *)bound_page;

    bound_dirty();
    for (unsigned i = 0; i < 3; i++) {
        int64_t n = TIMED(hv_dma_map(DEVICE, dma_gfn(), HV_MAX_DMA_PAGES, hv_gpa(bound_page)));

        CHECK(n >= 1);
        for (int64_t r = 0; r < n; r++)
            CHECK_EQ(hv_dma_unmap(DEVICE, run[r].address, run[r].pages), run[r].pages);
    }
}
BOUND(dma_map, 93000, drive_dma_map);

/* All pins that there can be, those of another device in front of each that is looked for. */
static void drive_dma_unmap(void)
{
    static struct hv_dma_run first[HV_MAX_DMA_PAGES];
    int64_t n = NEED(hv_dma_map(DEVICE, dma_gfn(), HV_MAX_DMA_PAGES, hv_gpa(bound_page)));
    unsigned others = 0;

    memcpy(first, bound_page, sizeof first);
    while (hv_dma_map(OTHER, dma_gfn(), HV_MAX_DMA_PAGES, hv_gpa(bound_page)) > 0)
        others++;
    CHECK(others > 100);
    for (int64_t r = 0; r < n; r++)
        CHECK_EQ(TIMED(hv_dma_unmap(DEVICE, first[r].address, first[r].pages)), first[r].pages);
    for (; others > 0; others--) {
        for (int64_t r = 0; r < n; r++)
            CHECK_EQ(hv_dma_unmap(OTHER, first[r].address, first[r].pages), first[r].pages);
    }
}
BOUND(dma_unmap, 260000, drive_dma_unmap);

/* ---- ranges of a space ---- */

static void copy_space(uint64_t space, uint64_t start, uint64_t count, uint64_t done)
{
    uint64_t target = (uint64_t)NEED(hv_space_create(HV_SELF));

    bound_dirty();
    CHECK_EQ(TIMED(hv_space_copy(HV_SELF, space, target, start, count, HV_COPY_WRITE_PROTECT)),
             done);
    CHECK_EQ(hv_space_end(HV_SELF, target), 0);
}

/* Two mappings of 2 MiB to where the target maps single pages; and single pages to where it has
 * such mappings. */
static void copy_splits(uint64_t space)
{
    uint64_t target = (uint64_t)NEED(hv_space_create(HV_SELF));

    bound_large(space, TOP);
    dense_run(pages(), RW);
    runs[0].count--;
    NEED(hv_map(HV_SELF, target, hv_gpa(runs), 1));
    bound_dirty();
    CHECK_EQ(TIMED(hv_space_copy(HV_SELF, space, target, TOP - LARGE, HV_MAX_COPY_PAGES,
                                 HV_COPY_WRITE_PROTECT)),
             HV_MAX_COPY_PAGES);
    NEED(hv_unmap_range(HV_SELF, target, TOP - LARGE, HV_MAX_COPY_PAGES));
    bound_large(target, TOP);
    bound_dirty();
    CHECK_EQ(TIMED(hv_space_copy(HV_SELF, space, target, TOP - LARGE, HV_MAX_COPY_PAGES,
                                 HV_COPY_WRITE_PROTECT)),
             HV_MAX_COPY_PAGES);
    CHECK_EQ(hv_space_end(HV_SELF, target), 0);
}

/* Two full tables and their neighbours; and pages that lie far apart, with all that is empty
 * between them. */
static void drive_space_copy(void)
{
    uint64_t space = loaded_space();

    dense_run(pages(), RW);
    NEED(hv_map(HV_SELF, space, hv_gpa(runs), 1));
    copy_space(space, TOP - 512 * HV_PAGE_SIZE, HV_MAX_COPY_PAGES, HV_MAX_COPY_PAGES);
    end_space(space);
    space = loaded_space();
    copy_splits(space);
    end_space(space);
    space = loaded_space();
    sparse_runs(pages(), RW);
    NEED(hv_map(HV_SELF, space, hv_gpa(runs), RUNS));
    uint64_t target = (uint64_t)NEED(hv_space_create(HV_SELF)), at = 0;
    uint64_t whole = HV_USER_END / HV_PAGE_SIZE;

    bound_dirty();

    while (at < whole)
        at += (uint64_t)NEED(TIMED(hv_space_copy(HV_SELF, space, target, at * HV_PAGE_SIZE,
                                                 whole - at, HV_COPY_WRITE_PROTECT)));
    CHECK_EQ(hv_space_end(HV_SELF, target), 0);
    end_space(space);
}
BOUND(space_copy, 44000, drive_space_copy);

/* Every page was written to. */
static void drive_space_query(void)
{
    uint64_t at = TOP - 512 * HV_PAGE_SIZE, space = loaded_space();

    dense_run(pages(), RW);
    NEED(hv_map(HV_SELF, space, hv_gpa(runs), 1));
    for (unsigned i = 0; i < 3; i++) {
        for (uint64_t page = 0; page < HV_MAX_QUERY_PAGES; page++)
            *(volatile uint64_t *)(uintptr_t)(at + page * HV_PAGE_SIZE) = page;
        CHECK_EQ(TIMED(hv_space_query(HV_SELF, space, at, HV_MAX_QUERY_PAGES, hv_gpa(bound_page),
                                      HV_QUERY_CLEAR)),
                 0);
    }
    CHECK_EQ(bound_page[0], RW | HV_QUERY_ACCESSED | HV_QUERY_DIRTY);
    /* Parts of two mappings of 2 MiB, which it splits. */
    NEED(hv_unmap_range(HV_SELF, space, at, HV_MAX_MAP_PAGES));
    bound_large(space, at + LARGE);
    bound_dirty();
    for (uint64_t page = 0; page < HV_MAX_QUERY_PAGES; page += 512)
        *(volatile uint64_t *)(uintptr_t)(at + page * HV_PAGE_SIZE) = page;
    CHECK_EQ(TIMED(hv_space_query(HV_SELF, space, at + HV_PAGE_SIZE, HV_MAX_QUERY_PAGES - 2,
                                  hv_gpa(bound_page), HV_QUERY_CLEAR)),
             0);
    CHECK_EQ(bound_page[0], RW | HV_QUERY_ACCESSED | HV_QUERY_DIRTY);
    end_space(space);
}
BOUND(space_query, 66000, drive_space_query);
