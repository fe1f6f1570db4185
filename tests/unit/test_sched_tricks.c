/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler against those who look for more than their share, by when they wake and by where
 * they and others may run.
 *
 * sources: tests/unit/host_sim.c hyp/core/sched.c hyp/core/timer.c hyp/lib/lock.c
 */
#include <check.h>

#include "host_sim.h"

#define must(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("line %d: %s", __LINE__, #x);                                             \
    } while (0)

static void add_many(uint32_t count, uint64_t affinity, uint64_t run, uint64_t sleep)
{
    while (count-- > 0)
        must(sched_set_affinity(&sim_add(256, run, sleep)->v, affinity) == 0);
}

/* Nobody has more than `most` of a processor, in thousandths, over 4 s. */
static void check_most(uint64_t most)
{
    uint64_t used[SIM_VCPUS];

    for (uint32_t i = 0; i < sim_vcpus; i++)
        used[i] = sim_cpu_ns(&sim_vcpu[i]);
    sim_run(4 * (uint64_t)SIM_S);
    for (uint32_t i = 0; i < sim_vcpus; i++) {
        used[i] = sim_cpu_ns(&sim_vcpu[i]) - used[i];
        if (used[i] > 4 * SIM_MS * most)
            ck_abort_msg("%u of %u: %lu ms of 4 s", i, sim_vcpus, used[i] / SIM_MS);
    }
}

/* Those that may go everywhere, and others that may go everywhere but to one pCPU, wait by turns:
 * the first come to look at that pCPU all the same. */
START_TEST(test_all_but_one)
{
    for (uint32_t n = 2; n <= SIM_CPUS; n++) {
        uint64_t due = 1000 * n / (2 * n - 1);

        sim_start(n, n);
        add_many(1, 2, 0, 0);
        add_many(n - 1, UINT64_MAX, 0, 0);
        add_many(n - 1, ~(uint64_t)2, 0, 0);
        sim_run(12 * (uint64_t)SIM_S);
        check_most(due * 105 / 100);
    }
}
END_TEST

/* Where each goes to sleep before its slice is over nobody is chosen but after one that does. */
START_TEST(test_short_bursts)
{
    for (uint64_t run = 100; run <= 700; run += 200) {
        for (uint32_t count = 4; count <= 6; count++) {
            sim_start(2, count);
            add_many(1, 2, 0, 0);
            add_many(count, 1, run * 1000, 20000);
            sim_run(SIM_S / 2);
            for (uint32_t i = 0; i < sim_vcpus; i++)
                must(sched_set_affinity(&sim_vcpu[i].v, UINT64_MAX) == 0);
            sim_run(SIM_S);
            check_most(2 * 1000 * 110 / 100 / (count + 1));
        }
    }
}
END_TEST

/* How long one waits that computes, when `count` wake in one go and then one that wants its own
 * back for as long as it slept. */
static uint64_t longest_wait(uint32_t cpus_there, uint32_t count)
{
    uint64_t last = (uint64_t)1 << (cpus_there - 1);
    struct sim_vcpu *victim, *after;

    sim_start(cpus_there, count);
    add_many(2, last, 0, 1);
    victim = &sim_vcpu[0];
    after = &sim_vcpu[1];
    for (uint32_t i = 0; i < count; i++)
        must(sched_set_affinity(&sim_add(1, 5000, 1000 * (uint64_t)SIM_S)->v, last) == 0);
    sim_run(SIM_S);
    sched_sleep(&after->v, VCPU_PAUSED);
    sim_run(SIM_S / 2);
    victim->latency = 0;
    for (uint32_t i = 2; i < sim_vcpus; i++)
        sched_wake(&sim_vcpu[i].v, VCPU_BLOCKED);
    sched_wake(&after->v, VCPU_PAUSED);
    sim_run(SIM_S / 2);
    return victim->latency;
}

/* Sleeping saves up a lag, and not one for each of those that slept: with several processors half a
 * millisecond for each, and no more than a queue lets those from others be behind it. */
START_TEST(test_credits_do_not_add_up)
{
    must(longest_wait(1, 0) <= 10 * SIM_MS);
    must(longest_wait(1, 63) <= 10 * SIM_MS + SIM_MS / 2);
    must(longest_wait(2, 0) <= 10 * SIM_MS);
    must(longest_wait(2, 15) <= 20 * SIM_MS);
    must(longest_wait(2, 120) <= POLICY_MOVE_LAG_NS + 2 * POLICY_SLICE_NS + SIM_MS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sched_tricks");
    TCase *tc = tcase_create("sched_tricks");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_all_but_one);
    tcase_add_test(tc, test_short_bursts);
    tcase_add_test(tc, test_credits_do_not_add_up);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
