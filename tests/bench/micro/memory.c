/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows memory.*: mappings and address spaces.
 */
#include "bench.h"

static struct hv_map_run runs[BATCH] __attribute__((aligned(1024)));

/* `count` adjacent pages at HV_FREE_START, each a run of its own, all of them `gfn`. */
static void fill_runs(uint32_t count, uint64_t gfn)
{
    for (uint32_t i = 0; i < count; i++) {
        runs[i] = (struct hv_map_run){ .address = HV_FREE_START + i * (uint64_t)HV_PAGE_SIZE,
                                       .gfn = gfn,
                                       .count = 1,
                                       .rights = HV_MAP_READ | HV_MAP_WRITE };
    }
}

/* The page is touched before each run, so that there is a translation to invalidate; its first word
 * names the frame. */
static uint64_t touch(void)
{
    return *(volatile uint64_t *)(uintptr_t)HV_FREE_START;
}

static void bench_map(void)
{
    uint64_t *page = test_pages(2);
    uint64_t gfn = hv_gfn(page), gpa = hv_gpa(runs);

    page[0] = 0;
    page[HV_PAGE_SIZE / sizeof(*page)] = 1;
    fill_runs(BATCH, gfn);
    CHECK_EQ(hv_map(HV_SELF, 0, gpa, BATCH), BATCH);
    MEASURE("memory.map_one", 1, fill_runs(1, gfn + (run & 1));
            touch(), hv_map(HV_SELF, 0, gpa, 1));
    CHECK_EQ(touch(), (RUNS - 1) & 1);
    MEASURE("memory.map_batch", BATCH, fill_runs(BATCH, gfn + (run & 1)),
            hv_map(HV_SELF, 0, gpa, BATCH));
    CHECK_EQ(touch(), (RUNS - 1) & 1);
}

/* The user half of a space: 512 or 1,024 pages from the middle of a leaf table on, so that no run
 * is aligned for a larger page. */
#define RUN_ADDRESS (0x40000000ull + 100 * HV_PAGE_SIZE)
#define FILL_PAGES  512u
#define FORK_PAGES  1024u

/* One run, from a fresh table to none: the tables come and go too. */
static void bench_fill(void)
{
    uint64_t gfn = hv_gfn(test_pages(FILL_PAGES)), gpa = hv_gpa(runs);
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    int64_t mapped = 0, unmapped = 0;

    runs[0] = (struct hv_map_run){ RUN_ADDRESS, gfn, FILL_PAGES, HV_MAP_READ | HV_MAP_WRITE };
    runs[1] = (struct hv_map_run){ .address = RUN_ADDRESS, .count = FILL_PAGES };
    CHECK_EQ(hv_switch(space, 0), 0);
    MEASURE("memory.fill_512", 1, , mapped += hv_map(HV_SELF, space, gpa, 1);
            unmapped += hv_unmap(HV_SELF, space, gpa + sizeof(runs[0]), 1));
    CHECK_EQ(mapped, RUNS * FILL_PAGES);
    CHECK_EQ(unmapped, RUNS * FILL_PAGES);
    CHECK_EQ(hv_switch(0, 0), 0);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

/* One run that is a mapping of 2 MiB, made and removed; its tables stay. */
static void bench_large(void)
{
    uint64_t gfn = (hv_gfn(test_pages(2 * HV_LARGE_PAGES)) | (HV_LARGE_PAGES - 1)) + 1;
    uint64_t gpa = hv_gpa(runs), space = (uint64_t)NEED(hv_space_create(HV_SELF));
    int64_t mapped = 0, unmapped = 0;

    runs[0] = (struct hv_map_run){ 0x40000000, gfn, HV_LARGE_PAGES, HV_MAP_READ | HV_MAP_WRITE };
    runs[1] = (struct hv_map_run){ .address = 0x40000000, .count = HV_LARGE_PAGES };
    NEED(hv_map_range(HV_SELF, space, 0x50000000, gfn, 1, HV_MAP_READ));
    CHECK_EQ(hv_switch(space, 0), 0);
    MEASURE("memory.map_2m", 1, , mapped += hv_map(HV_SELF, space, gpa, 1);
            unmapped += hv_unmap(HV_SELF, space, gpa + sizeof(runs[0]), 1));
    CHECK_EQ(mapped, RUNS * HV_LARGE_PAGES);
    CHECK_EQ(unmapped, RUNS * HV_LARGE_PAGES);
    CHECK_EQ(hv_switch(0, 0), 0);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

static int64_t drop(uint64_t space)
{
    int64_t left = 1;

    while (left > 0) {
        left = hv_space_destroy(HV_SELF, space);
    }
    return left;
}

/* A process of 1,024 writable pages forks, and its child ends: the pages are made writable again
 * and the child's space is created outside of what is measured. */
static void bench_fork(void)
{
    uint64_t gfn = hv_gfn(test_pages(FORK_PAGES));
    uint64_t parent = (uint64_t)NEED(hv_space_create(HV_SELF));
    int64_t copied = 0, failed = 0;

    CHECK_EQ(hv_switch(parent, 0), 0);
    MEASURE("memory.fork_1024", 1,
            NEED(hv_map_range(HV_SELF, parent, RUN_ADDRESS, gfn, FORK_PAGES,
                              HV_MAP_READ | HV_MAP_WRITE));
            uint64_t child = (uint64_t)NEED(hv_space_create(HV_SELF)),
            copied +=
            hv_space_copy(HV_SELF, parent, child, RUN_ADDRESS, FORK_PAGES, HV_COPY_WRITE_PROTECT);
            failed += drop(child));
    CHECK_EQ(copied, RUNS * FORK_PAGES);
    CHECK_EQ(failed, 0);
    CHECK_EQ(hv_switch(0, 0), 0);
    CHECK_EQ(hv_space_end(HV_SELF, parent), 0);
}

static char kernel_stack[HV_PAGE_SIZE] __attribute__((aligned(4096)));

static void bench_switch(void)
{
    uint64_t a = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint64_t b = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint64_t stack = (uint64_t)(uintptr_t)(kernel_stack + sizeof(kernel_stack));

    MEASURE("memory.switch", 1, uint64_t next = run & 1 ? a : b, hv_switch(next, stack));
    CHECK_EQ(hv_switch(0, stack), 0);
}

static void bench_memory(void)
{
    bench_map();
    bench_fill();
    bench_large();
    bench_fork();
    bench_switch();
}

BENCH_FAMILY(memory, .run = bench_memory);
