/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=120 memory=512
 *
 * Every hypercall with the most expensive input that its documented bound allows, and the
 * instructions that it takes: none takes more than the ceiling that is written beside its driver.
 * The largest of all is how long the hypervisor can keep a processor from whoever waits for it.
 *
 * `make bench B='bound.*'` boots the same image: "BENCH bound.NAME mode unit median min max runs
 * divisor" is a row. Debug builds, whose checks cost, may take DEBUG_TIMES the ceiling.
 */
#include "bounds.h"

const char test_title[] = "no hypercall takes more than its bound";

#define SAMPLES     1000u
#define DEBUG_TIMES 3u
#define LONG        20000u
#define DIRTY       6000u /* frames: more than any driver leaves behind that are known to be zero */

char bound_page[HV_PAGE_SIZE] __attribute__((aligned(4096)));

static uint32_t sample[SAMPLES];
static uint32_t samples, empty;
static bool only_interrupted;

static const struct {
    const char *name;
    const struct bound *bound;
} list[HV_NR_LIMIT] = {
#define HV_CALL(nr, name, ...) [nr] = { #name, &bound_##name },
#include <hypercalls.def>
};

void bound_note(uint32_t instructions, bool interrupted)
{
    if (samples == SAMPLES)
        test_error("more than %u samples of a call", SAMPLES);
    /* It is little beside a long call, before or behind which there always is one. */
    interrupted = interrupted && instructions < LONG;
    if (interrupted && samples != 0) {
        BENCH_MARK(BENCH_DROP);
        return;
    }
    if (!interrupted && only_interrupted) {
        BENCH_MARK(BENCH_ONLY);
        samples = 0;
    }
    only_interrupted = interrupted;
    sample[samples++] = instructions;
}

uint64_t bound_interrupts(void)
{
    return test_counters(HV_SELF).interrupts;
}

static void sort_samples(void)
{
    for (uint32_t i = 1; i < samples; i++) {
        uint32_t value = sample[i], j = i;

        for (; j > 0 && sample[j - 1] > value; j--)
            sample[j] = sample[j - 1];
        sample[j] = value;
    }
}

static void measure_empty(void)
{
    for (uint32_t run = 0; run < 9; run++) {
        uint32_t from = bench_begin(), to = bench_end();

        bound_note(to - from, false);
    }
    BENCH_MARK(BENCH_EMPTY);
    sort_samples();
    empty = sample[4];
}

/* Drives a call; returns its worst. */
static uint32_t drive(uint32_t nr)
{
    const struct bound *b = list[nr].bound;
    uint32_t worst;

    samples = 0;
    only_interrupted = false;
    b->drive();
    if (samples == 0)
        test_error("%s was not driven", list[nr].name);
    BENCH_MARK(BENCH_ROW);
    sort_samples();
    worst = sample[samples - 1] - empty;
    hv_printf("BENCH bound.%s pv instructions %u %u %u %u 1\n", list[nr].name,
              sample[samples / 2] - empty, sample[0] - empty, worst, samples);
    return worst;
}

/* ---- what several drivers need ---- */

uint32_t bound_port[CHANNELS];

uint64_t bound_domain(uint64_t ram_pages, uint64_t window_pages, uint64_t quota)
{
    uint64_t dom =
        (uint64_t)NEED(raw_create((struct hv_domain_create){ .quota = quota,
                                                             .ram_pages = ram_pages,
                                                             .window_pages = window_pages,
                                                             .vcpus = HV_MAX_VCPUS,
                                                             .weight = 256 }));

    for (uint64_t done = 0; done < ram_pages;)
        done += (uint64_t)NEED(hv_populate(dom, done, ram_pages - done));
    return dom;
}

void bound_end(uint64_t dom)
{
    while (NEED(hv_domain_destroy(dom)) > 0)
        ;
}

void bound_dirty(void)
{
    bound_end(bound_domain(DIRTY, 0, DIRTY + 400));
}

uint64_t bound_peer(void)
{
    static uint64_t peer;

    if (peer != 0)
        return peer;
    peer = bound_domain(8, 64, 600);
    bound_vcpus(peer, HV_KERNEL_START);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        uint64_t remote = (uint64_t)NEED(hv_event_alloc(peer, 0));

        bound_port[i] = (uint32_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, peer, remote, 0));
    }
    for (uint32_t i = CHANNELS; i < 4000; i++)
        NEED(hv_event_alloc(HV_SELF, peer));
    return peer;
}

void test_main(void)
{
    uint32_t times = hv_start_features() & HV_FEATURE_DEBUG ? DEBUG_TIMES : 1;
    uint32_t largest = 0, over = HV_NR_LIMIT, taken[HV_NR_LIMIT];

    if (!test_is("root")) {
        bound_child_system();
        bound_child_domains();
        return;
    }
    measure_empty();
    for (uint32_t nr = 0; nr < HV_NR_LIMIT; nr++) {
        taken[nr] = drive(nr);
        if (taken[nr] > taken[largest])
            largest = nr;
        if (taken[nr] > (uint64_t)list[nr].bound->ceiling * times) {
            hv_printf("%s takes %u instructions, its ceiling is %u\n", list[nr].name, taken[nr],
                      list[nr].bound->ceiling * times);
            over = nr;
        }
    }
    hv_printf("bounds: the most expensive call is %s, %u instructions\n", list[largest].name,
              taken[largest]);
    if (over != HV_NR_LIMIT)
        test_failure("%s takes more than its ceiling", list[over].name);
}
