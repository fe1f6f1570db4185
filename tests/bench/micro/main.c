/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's own operations, each from the instruction before it in the guest to the one
 * after it, stub included.
 *
 * Runs as root under -icount shift=0, where the time stamp counter counts instructions. Each row is
 * taken RUNS times; what an empty marker costs (two readings with nothing between) is taken off.
 * One line a row goes to the console: "BENCH name mode unit median min max runs divisor";
 * tests/bench/run.py collects them.
 */
#include "test.h"
#include "user.h"

const char test_title[] = "instructions of the hypervisor's operations";

#define RUNS  1000u
#define BATCH 32u

static uint32_t sample[RUNS];
static uint32_t empty;

/* Low half only: no operation is longer than 2^32 instructions. */
static inline uint32_t stamp(void)
{
    uint32_t low;

    __asm__ volatile("rdtsc" : "=a"(low) : : "rdx", "memory");
    return low;
}

static void sort_samples(void)
{
    for (uint32_t i = 1; i < RUNS; i++) {
        uint32_t value = sample[i], j = i;

        for (; j > 0 && sample[j - 1] > value; j--) {
            sample[j] = sample[j - 1];
        }
        sample[j] = value;
    }
}

static void report(const char *name, uint32_t divisor)
{
    sort_samples();
    hv_printf("BENCH %s pv instructions %u %u %u %u %u\n", name, sample[RUNS / 2] - empty,
              sample[0] - empty, sample[RUNS - 1] - empty, RUNS, divisor);
}

/* The operation stands between the two readings; the loop and the store are outside. */
#define MEASURE(name, divisor, before, operation)                                                  \
    do {                                                                                           \
        for (uint32_t run = 0; run < RUNS; run++) {                                                \
            uint32_t from, to;                                                                     \
            before;                                                                                \
            from = stamp();                                                                        \
            operation;                                                                             \
            to = stamp();                                                                          \
            sample[run] = to - from;                                                               \
        }                                                                                          \
        report(name, divisor);                                                                     \
    } while (0)

static void measure_empty(void)
{
    for (uint32_t run = 0; run < RUNS; run++) {
        uint32_t from = stamp(), to = stamp();

        sample[run] = to - from;
    }
    sort_samples();
    empty = sample[RUNS / 2];
    hv_printf("bench: an empty marker is %u instructions\n", empty);
}

/* ---- events ---- */

static uint32_t handled;

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    handled++;
}

static void clear_pending(uint32_t port)
{
    hv_vcpu->pending_sel[HV_PRIORITY_NORMAL] = 0;
    hv_vcpu->pending[HV_PRIORITY_NORMAL][port / 64] = 0;
}

static void bench_events(void)
{
    uint32_t raised = (uint32_t)NEED(hv_event_offer(HV_SELF, on_event, NULL));
    uint64_t port = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, HV_SELF, raised, on_event, NULL));

    hv_mask();
    MEASURE("event.send_masked", 1, clear_pending(raised), hv_event_send(port));
    clear_pending(raised);
    hv_unmask();
    handled = 0;
    MEASURE("event.roundtrip", 1, , hv_event_send(port));
    CHECK_EQ(handled, RUNS);
}

/* ---- memory ---- */

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

static void bench_memory(void)
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

/* ---- traps and spaces ---- */

static char user_stack[HV_PAGE_SIZE] __attribute__((aligned(4096)));

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

static void user_samples(const char *name, uint64_t rip)
{
    for (uint32_t run = 0; run < RUNS; run++) {
        int64_t result = bench_user_run(rip, BENCH_HOLE);

        CHECK(result > 0);
        sample[run] = (uint32_t)result;
    }
    report(name, 1);
}

static void bench_user(uint64_t space, uint64_t stack)
{
    NEED(hv_map_range(HV_SELF, space, BENCH_USER_CODE, hv_gfn(bench_user_page), 1,
                      HV_MAP_READ | HV_MAP_EXEC));
    hv_mask();
    CHECK_EQ(hv_switch(space, stack), 0);
    user_samples("trap.syscall", BENCH_USER_CODE);
    user_samples("trap.page_fault", BENCH_USER_CODE + BENCH_FAULT_OFFSET);
    CHECK_EQ(hv_switch(0, stack), 0);
    hv_unmask();
}

static void bench_spaces(void)
{
    uint64_t a = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint64_t b = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint64_t stack = (uint64_t)(uintptr_t)(user_stack + sizeof(user_stack));

    MEASURE("memory.switch", 1, uint64_t next = run & 1 ? a : b, hv_switch(next, stack));
    bench_user(a, stack);
}

void test_main(void)
{
    hv_printf("bench: guest's first line at TSC %lu\n", hv_tsc());
    measure_empty();
    MEASURE("hypercall.null", 1, , hv_version());
    bench_events();
    bench_memory();
    bench_kernel_fault();
    bench_spaces();
}
