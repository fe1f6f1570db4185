/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows trap.*: faults of the guest's kernel, and a user program's way to its kernel and back.
 */
#include "bench.h"
#include "user.h"

static void skip_fault(struct hv_frame *frame)
{
    frame->rip += BENCH_FAULT_BYTES;
}

static inline void fault(void)
{
    __asm__ volatile("movb (%%rdi), %%cl" : : "D"(HV_FREE_START + (1 << 30)) : "rcx", "memory");
}

static void bench_kernel_fault(void)
{
    hv_fault_fn old = hv_set_fault_handler(14, skip_fault);

    MEASURE("trap.kernel_fault", 1, , fault());
    hv_set_fault_handler(14, old);
}

/* The programs measure themselves and give the result to their kernel. */
static void user_row(const char *name, uint64_t rip)
{
    for (uint32_t run = 0; run < RUNS; run++) {
        int64_t result = bench_user_run(rip, BENCH_HOLE);

        CHECK(result > 0);
        bench_sample[run] = (uint32_t)result;
    }
    bench_report(name, RUNS, 1);
}

static char kernel_stack[HV_PAGE_SIZE] __attribute__((aligned(4096)));

static void bench_user(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint64_t stack = (uint64_t)(uintptr_t)(kernel_stack + sizeof(kernel_stack));

    NEED(hv_map_range(HV_SELF, space, BENCH_USER_CODE, hv_gfn(bench_user_page), 1,
                      HV_MAP_READ | HV_MAP_EXEC));
    hv_mask();
    CHECK_EQ(hv_switch(space, stack), 0);
    user_row("trap.syscall", BENCH_USER_CODE);
    user_row("trap.page_fault", BENCH_USER_CODE + BENCH_FAULT_OFFSET);
    CHECK_EQ(hv_switch(0, stack), 0);
    hv_unmask();
}

uint64_t bench_map_args[4];
struct hv_map_run bench_map_run __attribute__((aligned(32)));

/* A page fault that the kernel answers with a page: one fault, one map, one return. */
static void bench_fault_map(void)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint64_t stack = (uint64_t)(uintptr_t)(kernel_stack + sizeof(kernel_stack));
    uint64_t gfn = hv_gfn(test_pages(1));
    HV_BUFFER(64)
    struct hv_entry entry = { .syscall = (uint64_t)(uintptr_t)hv_entry_syscall,
                              .event_user = (uint64_t)(uintptr_t)bench_entry_map,
                              .event_kernel = (uint64_t)(uintptr_t)hv_entry_kernel,
                              .kernel_gs_base = (uint64_t)(uintptr_t)hv_vcpu };

    bench_map_args[0] = HV_NR_map;
    bench_map_args[1] = HV_SELF;
    bench_map_args[2] = space;
    bench_map_args[3] = hv_gpa(&bench_map_run);
    bench_map_run = (struct hv_map_run){ 0, gfn, 1, HV_MAP_READ | HV_MAP_WRITE };
    NEED(hv_map_range(HV_SELF, space, BENCH_USER_CODE, hv_gfn(bench_user_page), 1,
                      HV_MAP_READ | HV_MAP_EXEC));
    NEED(hv_map_range(HV_SELF, space, BENCH_MAP_PAGE + HV_PAGE_SIZE, gfn, 1, HV_MAP_READ));
    hv_mask();
    CHECK_EQ(hv_switch(space, stack), 0);
    CHECK_EQ(hv_set_entry(hv_gpa(&entry)), 0);
    CHECK_EQ(hv_switch(space, stack), 0);
    for (uint32_t run = 0; run < RUNS; run++) {
        int64_t result;

        NEED(hv_unmap_range(HV_SELF, space, BENCH_MAP_PAGE, 1));
        result = bench_user_run(BENCH_USER_CODE + BENCH_MAP_OFFSET, 0);
        CHECK(result > 0);
        bench_sample[run] = (uint32_t)result;
    }
    bench_report("trap.page_fault_map", RUNS, 1);
    entry.event_user = (uint64_t)(uintptr_t)hv_entry_user;
    CHECK_EQ(hv_set_entry(hv_gpa(&entry)), 0);
    CHECK_EQ(hv_switch(0, stack), 0);
    hv_unmask();
}

static void bench_trap(void)
{
    bench_kernel_fault();
    bench_user();
    bench_fault_map();
}

BENCH_FAMILY(trap, .run = bench_trap);
