/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows sched.switch_*: from the instruction before a yield in one vCPU to the one after it in the
 * vCPU that runs next, with so many that are runnable, the one that runs among them. Nobody else
 * is: root, which has made them, sleeps.
 *
 * They are in domains without an image that have a page of code, and a page of root's for the
 * results. The domains differ in weight, so that whoever has had its turn comes back among those
 * that wait, anywhere, and not always behind them all.
 */
#include "bench.h"
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "raw.h"
#include "turn.h"

#define DOMAINS 20u
#define WARM    4000     /* turns before the first that counts: 4 of each vCPU */
#define SLEEP   5000000u /* ns, as many instructions */

static struct {
    uint64_t dom, ref;
} turning[DOMAINS];

/* The results are at their address, of root's RAM. Returns the grant. */
static uint64_t lend(uint64_t dom)
{
    HV_BUFFER(64)
    struct hv_grant_map m = {
        .window = HV_GFN_WINDOW,
        .rights = HV_MAP_READ | HV_MAP_WRITE,
        .count = 1,
        .address = (uint64_t)(uintptr_t)&bench_turns,
    };

    m.ref = (uint64_t)NEED(hv_grant_create(HV_SELF, dom, hv_gfn(&bench_turns), 1, m.rights));
    m.port = (uint32_t)NEED(hv_event_alloc(dom, 0));
    CHECK_EQ(hv_grant_map(dom, hv_gpa(&m), 1), 1);
    return m.ref;
}

/* All of its vCPUs run. */
static void start(uint32_t i, uint32_t vcpus)
{
    const uint64_t at = (uint64_t)(uintptr_t)bench_turn;
    HV_BUFFER(64) struct hv_vcpu_context context = { .rip = at, .rdi = HV_NR_yield };
    uint64_t dom = (uint64_t)NEED(raw_create((struct hv_domain_create){
        .quota = 500, .ram_pages = 1, .window_pages = 1, .vcpus = vcpus, .weight = 256 + 16 * i }));

    NEED(hv_populate(dom, 0, 1));
    NEED(hv_domain_copy(dom, 0, hv_gpa(bench_turn), HV_PAGE_SIZE, 1));
    CHECK_EQ(test_map(dom, 0, at, 0, 1, HV_MAP_READ | HV_MAP_EXEC), 1);
    turning[i].dom = dom;
    turning[i].ref = lend(dom);
    for (uint32_t n = 0; n < vcpus; n++) {
        if (n > 0)
            NEED(hv_vcpu_create(dom, n));
        NEED(hv_vcpu_set_context(dom, n, hv_gpa(&context)));
    }
    NEED(hv_domain_start(dom));
    for (uint32_t n = 1; n < vcpus; n++)
        NEED(hv_vcpu_up(dom, n));
}

/* How many of its vCPUs wait for the processor, and have had it. */
static uint32_t runnable(uint64_t dom)
{
    HV_BUFFER(64) struct hv_vcpu_info info;
    uint32_t found = 0;

    for (uint32_t n = 0; hv_vcpu_info(dom, n, hv_gpa(&info)) == 0; n++)
        found += info.state == HV_RUN_RUNNABLE && info.time[HV_RUN_RUNNING] > 0;
    return found;
}

static void bench_turns_of(const char *name, uint32_t domains, uint32_t vcpus)
{
    HV_BUFFER(64) uint32_t silent = (uint32_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));

    bench_turns.count = BENCH_TURNS;
    for (uint32_t i = 0; i < domains; i++)
        start(i, vcpus);
    bench_turns.count = (uint32_t)-WARM;
    NEED(hv_poll(hv_gpa(&silent), 1, hv_now() + SLEEP));
    CHECK((int32_t)bench_turns.count >= BENCH_TURNS);
    for (uint32_t i = 0; i < domains; i++)
        CHECK_EQ(runnable(turning[i].dom), vcpus);
    for (uint32_t i = 0; i < BENCH_TURNS; i++)
        bench_sample[i] = bench_turns.sample[i];
    bench_report(name, BENCH_TURNS, 1);
    /* None of them is to take turns with root while it ends the others. */
    for (uint32_t i = 0; i < domains; i++)
        NEED(hv_domain_pause(turning[i].dom));
    for (uint32_t i = 0; i < domains; i++) {
        NEED(hv_domain_end(turning[i].dom));
        NEED(hv_grant_end(HV_SELF, turning[i].ref, 1));
    }
    NEED(hv_event_close(HV_SELF, silent));
}

static void bench_switch(void)
{
    bench_turns_of("sched.switch_2", 2, 1);
    bench_turns_of("sched.switch_3", 3, 1); /* the fewest that take the way of any number */
    bench_turns_of("sched.switch_1000", DOMAINS, 1000 / DOMAINS);
}

BENCH_FAMILY(switch, .run = bench_switch);
