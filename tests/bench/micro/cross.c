/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows on several processors: what both sides of an event do, and what all do for a page that is
 * unmapped. Each vCPU of root has a processor of its own.
 *
 * The clock advances by everybody's instructions, those of who waits among them, so only the
 * plugin's figures are rows; it leaves out the turns of loops that wait by PAUSE, and a processor
 * that is halted executes nothing. A sample ends when all sides are done with it.
 */
#include "bench.h"
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"

#define CROSS_RUNS 200u
#define VCPUS      4u
#define HALTED_NS  100000u /* by then a processor that has nothing to do is halted */

static char stacks[VCPUS][16384] __attribute__((aligned(4096)));

static void relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

static void start(uint32_t vcpu, hv_vcpu_fn fn)
{
    NEED(hv_vcpu_start(vcpu, fn, NULL, stacks[vcpu], sizeof stacks[vcpu]));
    test_pin(HV_SELF, vcpu, vcpu);
}

/* ---- an event to another processor, where a vCPU is blocked and nobody else runs ---- */

static volatile uint32_t sent, handled;
static uint32_t begun;
static volatile int64_t port;

/* The sender's part is over, too. */
static void on_cross(uint32_t at, void *arg)
{
    (void)at;
    (void)arg;
    while (sent == handled)
        relax();
    bench_sample[handled] = bench_end() - begun;
    handled++;
}

static void receiver(void *arg)
{
    (void)arg;
    port = NEED(hv_event_listen(HV_BIND_IPI, 1, 0, on_cross, NULL));
    while (handled < CROSS_RUNS)
        hv_wait();
}

/* Until the vCPU waits for an event, and its processor for an interrupt. */
static void wait_halted(uint64_t vcpu)
{
    HV_BUFFER(64) struct hv_vcpu_info info;
    uint64_t end;

    do {
        relax();
        NEED(hv_vcpu_info(HV_SELF, vcpu, hv_gpa(&info)));
    } while (info.state != HV_RUN_BLOCKED);
    for (end = hv_now() + HALTED_NS; hv_now() < end;)
        relax();
}

static void bench_event(void)
{
    test_pin(HV_SELF, 0, 0);
    start(1, receiver);
    while (port == 0)
        relax();
    for (uint32_t run = 0; run < CROSS_RUNS; run++) {
        wait_halted(1);
        begun = bench_begin();
        hv_event_send((uint64_t)port);
        sent = run + 1;
        while (handled == run)
            relax();
    }
    bench_report("event.cross_cpu", CROSS_RUNS, 1);
}

BENCH_FAMILY(cross_event, .run = bench_event, .cpus = 2);

/* ---- a page that four processors use is unmapped ---- */

#define USED ((volatile uint64_t *)HV_FREE_START)

static struct hv_map_run page[2] __attribute__((aligned(64)));
static volatile uint32_t asked, answered[VCPUS];

/* In odd rounds it uses the page. */
static void user(void *arg)
{
    uint32_t n = hv_vcpu_number(), round = 0;

    (void)arg;
    for (;;) {
        while (asked == round)
            relax();
        round = asked;
        if (round & 1)
            (void)*USED;
        answered[n] = round;
    }
}

static void ask(void)
{
    uint32_t round = asked + 1;

    asked = round;
    for (uint32_t n = 1; n < VCPUS; n++)
        while (answered[n] != round)
            relax();
}

/* The next page stays, so that the table does. */
static void use(void)
{
    CHECK_EQ(hv_map(HV_SELF, 0, hv_gpa(page), 1), 2);
    ask();
    (void)*USED;
}

static void bench_shootdown(void)
{
    uint64_t gpa = hv_gpa(&page[1]);
    int64_t unmapped = 0;

    page[0] = (struct hv_map_run){ HV_FREE_START, hv_gfn(test_pages(2)), 2, HV_MAP_READ };
    page[1] = (struct hv_map_run){ .address = HV_FREE_START, .count = 1 };
    test_pin(HV_SELF, 0, 0);
    for (uint32_t n = 1; n < VCPUS; n++)
        start(n, user);
    /* What it takes to know that the others are done is no part of it. */
    for (uint32_t run = 0; run < CROSS_RUNS; run++) {
        use();
        (void)bench_begin();
        ask();
        (void)bench_end();
    }
    BENCH_MARK(BENCH_EMPTY);
    MEASURE_RUNS("memory.shootdown_4", CROSS_RUNS, 1, use(),
                 unmapped += hv_unmap(HV_SELF, 0, gpa, 1);
                 ask());
    CHECK_EQ(unmapped, CROSS_RUNS);
}

BENCH_FAMILY(cross_memory, .run = bench_shootdown, .cpus = 4);
