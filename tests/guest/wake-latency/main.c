/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=240
 *
 * How long one that was woken waits for the processor, beside others that compute: by a timer and
 * by an event, of lower, equal and greater weight, beside few and many. Who uses less than its
 * share waits for 0.05 ms at most (POLICY_RUN_NS) and what a switch takes; who would use more,
 * until the one that runs is 0.5 ms of virtual time (POLICY_WAKE_NS) ahead of it.
 */
#include "load.h"

const char test_title[] = "who is woken runs within 0.05 ms, or when another is 0.5 ms ahead";

#define RUN_NS   50000u
#define WAKE_NS  500000u
#define SLICE_NS UINT64_C(5000000)
/* The interrupt, the switch, the upcall, and a step of a load. */
#define SWITCH_NS 15000u
#define WINDOW    (LOAD_S / 2)

/* `loops` loads of weight `weight`, in one domain or many, beside one at 256 that sleeps. */
static uint64_t latency(struct load sleeper, uint32_t loops, uint32_t weight, bool one_domain)
{
    struct load l[17] = { sleeper };
    uint32_t doms = one_domain ? 1 : loops;
    uint64_t late, wakes, before;
    volatile uint64_t *line;

    for (uint32_t i = 1; i <= doms; i++)
        l[i] = (struct load){ .weight = weight, .vcpus = one_domain ? loops : 1 };
    load_start_all(l, 1 + doms);
    line = load_line(&l[0], 0);
    /* Its start was more than its share, for long beside many that weigh more. */
    load_sleep(sleeper.run * loops * weight > LOAD_MS * 256 ? 2 * LOAD_S : LOAD_S);
    line[LOAD_LATE] = 0;
    before = line[LOAD_WAKES];
    if (sleeper.then == LOAD_WAITS) {
        for (uint64_t n = 0, end = hv_now() + WINDOW; hv_now() < end; n++) {
            test_shared(l[0].dom)[LOAD_SENT] = hv_now();
            NEED(hv_event_send(test_port(l[0].dom)));
            load_sleep(LOAD_MS + n * 7919 % 2000000);
        }
    } else {
        load_sleep(WINDOW);
    }
    late = line[LOAD_LATE];
    wakes = line[LOAD_WAKES] - before;
    hv_printf("%s, run %lu us, weight 256 beside %u at %u%s: %lu wake-ups, at most %lu.%03lu us\n",
              sleeper.then == LOAD_WAITS ? "event" : "timer", sleeper.run / 1000, loops, weight,
              one_domain ? " in one domain" : "", wakes, late / 1000, late % 1000);
    CHECK(wakes >= 20);
    load_end_all(l, 1 + doms);
    return late;
}

static void check(struct load sleeper, uint64_t bound)
{
    static const uint32_t loops[] = { 1, 4, 16 }, weight[] = { 64, 256, 2048 };

    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t k = 0; k < 3; k++) {
            for (uint32_t one = 0; one < 2; one++) {
                uint64_t late = latency(sleeper, loops[i], weight[k], one);

                if (late > bound + SWITCH_NS)
                    test_failure("it waited for %lu ns", late);
            }
        }
    }
}

/* Wants more than its share: it is ahead by what it ran in one go, and the other has to get there.
 * If that takes longer than a slice it goes on to the end of one. */
static void check_above_its_share(void)
{
    static const uint32_t weight[] = { 64, 256, 1024 };

    for (uint32_t k = 0; k < 3; k++) {
        for (uint64_t run = LOAD_MS / 2; run <= 4 * LOAD_MS; run *= 2) {
            struct load l = { .run = run, .then = LOAD_SLEEPS, .sleep = run / 8 };
            uint64_t late = latency(l, 1, weight[k], false), slice = SLICE_NS;
            uint64_t bound = (run + WAKE_NS) * weight[k] / 256;

            if (weight[k] < 256)
                slice = slice * weight[k] / 256;
            if (bound > slice)
                bound = run * weight[k] / 256 + slice;
            if (late > bound + SWITCH_NS)
                test_failure("it waited for %lu ns, not %lu", late, bound);
        }
    }
}

void test_main(void)
{
    if (load_main())
        return;
    check_above_its_share();
    check((struct load){ .run = 20000, .then = LOAD_SLEEPS, .sleep = 10 * LOAD_MS }, RUN_NS);
    check((struct load){ .run = 20000, .then = LOAD_WAITS }, RUN_NS);
}
