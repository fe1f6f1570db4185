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
    bench_switch();
}

BENCH_FAMILY(memory, .run = bench_memory);
