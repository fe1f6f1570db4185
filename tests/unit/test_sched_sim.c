/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler under a simulator of several processors: shares, caps, latency, stealing and
 * starvation, on chosen loads and on random ones.
 *
 * `make sched-sim` runs it with more random loads and with a folder as argument, and draws what it
 * writes there.
 *
 * sources: tests/unit/host_sim.c hyp/core/sched.c hyp/core/timer.c hyp/lib/lock.c
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_sim.h"

#define must(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("line %d: %s", __LINE__, #x);                                             \
    } while (0)

static uint32_t rounds = 60;

static bool near(uint64_t value, uint64_t wanted, uint64_t permille)
{
    return value * 1000 >= wanted * (1000 - permille) && value * 1000 <= wanted * (1000 + permille);
}

/* CPU time of each over a while. */
static uint64_t used[SIM_VCPUS];

static void measure(uint64_t ns)
{
    for (uint32_t i = 0; i < sim_vcpus; i++)
        used[i] = sim_cpu_ns(&sim_vcpu[i]);
    sim_run(ns);
    for (uint32_t i = 0; i < sim_vcpus; i++)
        used[i] = sim_cpu_ns(&sim_vcpu[i]) - used[i];
}

START_TEST(test_weights_on_one)
{
    sim_start(1, 0);
    for (uint32_t i = 0; i < 3; i++)
        sim_add(256u << i, 0, 0);
    measure(2 * (uint64_t)SIM_S);
    for (uint32_t i = 0; i < 3; i++)
        must(near(used[i], 2 * (uint64_t)SIM_S * (1u << i) / 7, 20));
}
END_TEST

/* As many processors as there are; nobody is due more than one of them. */
START_TEST(test_weights_across)
{
    static const uint32_t weight[] = { 100, 200, 300, 100, 200, 300, 100, 200, 300, 200 };
    const uint64_t total = 2000, cpus_there = 4;

    sim_start((uint32_t)cpus_there, 0);
    for (uint32_t i = 0; i < 10; i++)
        sim_add(weight[i], 0, 0);
    sim_run(SIM_S / 2);
    measure(10 * (uint64_t)SIM_S);
    for (uint32_t i = 0; i < 10; i++)
        must(near(used[i], 10 * (uint64_t)SIM_S * cpus_there * weight[i] / total, 50));
}
END_TEST

/* Equal ones that do not divide by the processors. */
START_TEST(test_rotation)
{
    for (uint32_t n = 2; n <= 8; n++) {
        for (uint32_t loops = n + 1; loops < 2 * n; loops++) {
            sim_start(n, loops);
            for (uint32_t i = 0; i < loops; i++)
                sim_add(256, 0, 0);
            sim_run(SIM_S / 2);
            measure(5 * (uint64_t)SIM_S);
            for (uint32_t i = 0; i < loops; i++)
                must(near(used[i], 5 * (uint64_t)SIM_S * n / loops, 50));
        }
    }
}
END_TEST

/* One is due more than a processor: it has one, and the others share what is left by weight. */
START_TEST(test_more_than_a_processor)
{
    sim_start(2, 0);
    sim_add(10000, 0, 0);
    sim_add(100, 0, 0);
    sim_add(300, 0, 0);
    sim_run(SIM_S);
    measure(4 * (uint64_t)SIM_S);
    must(near(used[0], 4 * (uint64_t)SIM_S, 20));
    must(near(used[1], SIM_S, 50));
    must(near(used[2], 3 * (uint64_t)SIM_S, 50));
    /* One that slept meanwhile does not wait for a whole age to pass. */
    sim_add(256, 5 * SIM_MS, 20 * SIM_MS);
    sim_run(2 * (uint64_t)SIM_S);
    must(sim_vcpu[3].wake_latency <= 20 * SIM_MS);
}
END_TEST

/* What is due of so many processors to vCPUs that all compute and may run anywhere, in permille of
 * one: by weight, but to nobody more than a whole one; what that leaves is the others'. */
static void shares(uint32_t processors, uint64_t due[SIM_VCPUS])
{
    uint32_t whole = 0, before;

    memset(due, 0, SIM_VCPUS * sizeof(*due));
    do {
        uint64_t weights = 0, left = processors - whole;

        before = whole;
        for (uint32_t i = 0; i < sim_vcpus; i++)
            if (due[i] != 1000)
                weights += sim_vcpu[i].d.weight;
        for (uint32_t i = 0; i < sim_vcpus; i++) {
            if (due[i] == 1000)
                continue;
            due[i] = sim_vcpu[i].d.weight * left * 1000 / weights;
            if (due[i] >= 1000) {
                due[i] = 1000;
                whole++;
            }
        }
    } while (whole != before && whole < processors);
}

/* All have their shares over 2 s, but for so many permille. */
static void must_share(uint32_t processors, uint64_t less, uint64_t more)
{
    uint64_t due[SIM_VCPUS];

    shares(processors, due);
    measure(2 * (uint64_t)SIM_S);
    for (uint32_t i = 0; i < sim_vcpus; i++) {
        uint64_t part = used[i] / (2 * SIM_MS);

        if ((part + 1) * 1000 < due[i] * (1000 - less) ||
            part * 1000 > (due[i] + 1) * (1000 + more))
            ck_abort_msg("%u of %u on %u, weight %u: %llu permille, not %llu", i, sim_vcpus,
                         processors, sim_vcpu[i].d.weight, (unsigned long long)part,
                         (unsigned long long)due[i]);
    }
}

/* One was alone before the others came, and idle processors beside it. What it had then is nobody's
 * debt, and what they had not nobody's credit. */
START_TEST(test_late_comers)
{
    static const uint32_t weight[] = { 256, 128, 1024, 8192 };

    for (uint32_t w = 0; w < 4; w++) {
        for (uint32_t n = 2; n <= 8; n += 2) {
            for (uint32_t loops = n; loops <= 2 * n; loops++) {
                sim_start(n, loops);
                sim_add(weight[w], 0, 0);
                sim_run(10 * (uint64_t)SIM_S);
                for (uint32_t i = 0; i < loops; i++)
                    sim_add(256, 0, 0);
                sim_run(SIM_S / 2);
                must_share(n, 50, 100);
            }
        }
    }
}
END_TEST

/* From the first slices on. */
START_TEST(test_late_comers_at_once)
{
    sim_start(2, 0);
    sim_add(256, 0, 0);
    sim_run(10 * (uint64_t)SIM_S);
    for (uint32_t i = 0; i < 4; i++)
        sim_add(256, 0, 0);
    measure(60 * (uint64_t)SIM_MS);
    for (uint32_t i = 0; i < 5; i++)
        must(used[i] <= 40 * (uint64_t)SIM_MS);
}
END_TEST

/* The lightest that there is was alone, which takes its queue's virtual time 256 times as far: two
 * that have to run elsewhere do not stay there by themselves for ages. */
START_TEST(test_late_comers_beside_the_lightest)
{
    sim_start(2, 0);
    sim_add(1, 0, 0);
    sim_run(10 * (uint64_t)SIM_S);
    for (uint32_t i = 0; i < 5; i++)
        must(sched_set_affinity(&sim_add(256, 0, 0)->v, i < 2 ? 1 : 3) == 0);
    sim_run(SIM_S / 2);
    measure(2 * (uint64_t)SIM_S);
    for (uint32_t i = 1; i <= 5; i++)
        must(near(used[i], 2 * (uint64_t)SIM_S * 2 / 5, 50));
}
END_TEST

/* One of two may go where a light one is alone, and goes, whatever their slices' ends meet. */
START_TEST(test_one_of_two_may_go)
{
    for (uint32_t n = 2; n <= 8; n++) {
        sim_start(n, n);
        for (uint32_t i = 0; i < n; i++)
            must(sched_set_affinity(&sim_add(i == 0 ? 256 : 1, 0, 0)->v, 1u << i) == 0);
        sim_run(SIM_S);
        sim_add(256, 0, 0);
        sim_run(SIM_S / 2);
        measure(2 * (uint64_t)SIM_S);
        must(used[0] >= 2 * (uint64_t)SIM_S * 95 / 100);
        must(used[n] >= 2 * (uint64_t)SIM_S * 95 / 100);
    }
}
END_TEST

/* What a domain has had is told in the time that is common to all queues, whichever its vCPUs are
 * in. */
START_TEST(test_kin_in_shifted_queues)
{
    struct sim_vcpu *light, *beside;
    uint64_t before;

    sim_start(2, 0);
    must(sched_set_affinity(&sim_add(256, 0, 0)->v, 1) == 0);
    light = sim_add(1, 0, 0);
    must(sched_set_affinity(&light->v, 2) == 0);
    sim_run(10 * (uint64_t)SIM_S);
    beside = sim_add(256, 0, 0);
    sim_run(SIM_S);
    sched_set_weight(&light->v, SCHED_WEIGHT_SCALE);
    must(light->d.ahead > 10 * (int64_t)SIM_S && light->d.ahead < 12 * (int64_t)SIM_S);
    sched_sleep(&beside->v, VCPU_PAUSED);
    before = policy_total(&beside->v.sched);
    sched_level(&beside->v, light->d.ahead + (int64_t)SIM_S);
    must(near(policy_total(&beside->v.sched) - before, POLICY_MOVE_LAG_NS, 200));
}
END_TEST

/* As long as somebody waits nothing is forgotten: a heavy one that may go anywhere is now with one,
 * now with another, that have to stay, as long with each as their weights say. */
START_TEST(test_heavy_between_two)
{
    static const uint32_t weight[][2] = { { 1024, 16 }, { 512, 64 }, { 512, 128 } };

    for (uint32_t i = 0; i < 3; i++) {
        uint64_t due;

        sim_start(2, i);
        sim_add(2048, 0, 0);
        must(sched_set_affinity(&sim_add(weight[i][0], 0, 0)->v, 2) == 0);
        must(sched_set_affinity(&sim_add(weight[i][1], 0, 0)->v, 1) == 0);
        sim_run(20 * (uint64_t)SIM_S);
        measure(60 * (uint64_t)SIM_S);
        /* The heavy one is due more than a processor: what it cannot have is theirs. */
        due = 1000 * weight[i][0] / (weight[i][0] + weight[i][1]);
        must(used[1] >= 60 * (uint64_t)SIM_MS * due * 95 / 100);
    }
}
END_TEST

/* Nor by a third queue that is far away from both, if one of those there may come: they know of
 * each other what they did. */
START_TEST(test_third_queue_far_away)
{
    static const uint32_t weight[][2] = { { 65535, 1 }, { 1, 1 }, { 256, 1 } };

    for (uint32_t i = 0; i < 3; i++) {
        for (uint64_t later = 6; later <= 7; later++) {
            sim_start(3, i);
            must(sched_set_affinity(&sim_add(weight[i][0], 0, 0)->v, 4) == 0);
            must(sched_set_affinity(&sim_add(weight[i][1], 0, 0)->v, i == 2 ? later : 4) == 0);
            for (uint32_t n = 0; n < 3; n++)
                must(sched_set_affinity(&sim_add(256, 0, 0)->v, 3) == 0);
            sim_run(SIM_S / 2);
            must(sched_set_affinity(&sim_vcpu[1].v, later) == 0);
            sim_run(2 * (uint64_t)SIM_S);
            measure(4 * (uint64_t)SIM_S);
            for (uint32_t n = 2; n < 5; n++)
                must(near(used[n], 4 * (uint64_t)SIM_S * 2 / 3, 20));
        }
    }
}
END_TEST

/* Short wake-ups beside those that compute do not keep them from going round. */
START_TEST(test_rotation_beside_sleepers)
{
    for (uint64_t sleep = 1; sleep <= 5; sleep++) {
        sim_start(2, sleep);
        for (uint32_t i = 0; i < 3; i++)
            must(sched_set_affinity(&sim_add(256, 0, 0)->v, i == 0 ? 2 : 3) == 0);
        must(sched_set_affinity(&sim_add(256, SIM_MS / 50, sleep * SIM_MS)->v, 1) == 0);
        sim_run(SIM_S / 2);
        must(sched_set_affinity(&sim_vcpu[0].v, 3) == 0);
        sim_run(SIM_S / 2);
        measure(4 * (uint64_t)SIM_S);
        for (uint32_t i = 0; i < 3; i++)
            must(near(used[i], 4 * (uint64_t)SIM_S * 2 / 3, 30));
    }
}
END_TEST

/* Nor is one left with another for good that never waits when somebody else has been chosen,
 * because it sleeps and comes back, or because of how long their slices are; two have to stay where
 * they are. */
START_TEST(test_one_of_three_goes_round)
{
    static const uint32_t weight[] = { 256, 200, 128, 100, 85, 64, 32 };
    static const uint64_t run_us[] = { 0, 300, 1000, 2000, 4000, 9000 };

    for (uint32_t i = 0; i < 6; i++) {
        for (uint32_t w = 0; w < (i == 0 ? 7 : 2); w++) {
            for (uint64_t stay = 2; stay <= 3; stay++) {
                sim_start(2, i);
                must(sched_set_affinity(&sim_add(weight[w], 0, 0)->v, 1) == 0);
                must(sched_set_affinity(&sim_add(weight[w], 0, 0)->v, stay) == 0);
                sim_add(weight[w], run_us[i] * 1000, i == 0 ? 0 : 20000);
                sim_run(SIM_S);
                measure(4 * (uint64_t)SIM_S);
                for (uint32_t n = 0; n < 3; n++)
                    must(near(used[n], 4 * (uint64_t)SIM_S * 2 / 3, 50));
            }
        }
    }
}
END_TEST

/* A vCPU that woke where a light one had been alone, and was sent to and fro, owes nothing of that.
 */
START_TEST(test_no_debt_of_a_bystander)
{
    struct sim_vcpu *light, *goes;

    sim_start(2, 0);
    light = sim_add(1, 0, 0);
    must(sched_set_affinity(&light->v, 2) == 0);
    sim_run(10 * (uint64_t)SIM_S);
    sched_sleep(&light->v, VCPU_PAUSED);
    goes = sim_add(256, 0, 0);
    must(sched_set_affinity(&goes->v, 2) == 0);
    for (uint32_t i = 0; i < 4; i++)
        sim_add(256, 0, 0);
    sim_run(20 * SIM_MS);
    must(sched_set_affinity(&goes->v, 1) == 0);
    sim_run(20 * SIM_MS);
    must(sched_set_affinity(&goes->v, 3) == 0);
    sim_run(SIM_S / 2);
    measure(4 * (uint64_t)SIM_S);
    for (uint32_t i = 1; i < 6; i++)
        must(near(used[i], 4 * (uint64_t)SIM_S * 2 / 5, 30));
}
END_TEST

/* Nor is who sleeps beside it let come back further behind than where nothing has shifted. */
START_TEST(test_sleeper_in_a_shifted_queue)
{
    struct sim_vcpu *beside, *sleeper;

    sim_start(2, 0);
    must(sched_set_affinity(&sim_add(256, 0, 0)->v, 1) == 0);
    must(sched_set_affinity(&sim_add(1, 0, 0)->v, 2) == 0);
    sim_run(10 * (uint64_t)SIM_S);
    beside = sim_add(256, 0, 0);
    sim_run(SIM_S);
    must(sched_set_affinity(&beside->v, 2) == 0);
    sleeper = sim_add(256, 60 * SIM_MS, 160 * SIM_MS);
    must(sched_set_affinity(&sleeper->v, 2) == 0);
    sim_run(SIM_S);
    beside->latency = 0;
    sim_run(4 * (uint64_t)SIM_S);
    must(beside->latency <= POLICY_LAG_NS + 2 * POLICY_SLICE_NS);
}
END_TEST

/* One that computes, of a random weight, and some time for it. */
static void add_random(uint32_t least, uint32_t most, uint64_t apart)
{
    sim_add(least + (uint32_t)sim_random(most - least), 0, 0);
    sim_run(sim_random(apart) * sim_random(SIM_S / 10));
}

/* Some compute for a while, no more than there are processors; then others come. */
START_TEST(test_random_late_comers)
{
    for (uint32_t seed = 0; seed < 2 * rounds; seed++) {
        uint32_t n, early, least, most;

        sim_start(1, seed);
        n = 2 + (uint32_t)sim_random(SIM_CPUS - 1);
        early = (uint32_t)sim_random(n + 1);
        least = seed % 2 != 0 ? 64 : 128;
        most = seed % 2 != 0 ? 576 : 512;
        sim_start(n, seed);
        for (uint32_t i = 0; i < early; i++)
            add_random(least, most, 1);
        sim_run(sim_random(5 * (uint64_t)SIM_S));
        for (uint64_t i = sim_random(2 * n); i-- != 0;)
            add_random(least, most, 3);
        sim_run(SIM_S / 2);
        must_share(n, seed % 2 != 0 ? 150 : 100, 600);
    }
}
END_TEST

START_TEST(test_caps)
{
    for (uint32_t cap = 1; cap < 100; cap += 7) {
        for (uint32_t load = 0; load < 3; load++) {
            struct sim_vcpu *g;

            sim_start(1, cap);
            g = sim_add(256, load == 1 ? 9 * SIM_MS : 0, load == 1 ? SIM_MS : 0);
            sched_set_cap(&g->v, cap, 1);
            if (load == 2)
                sim_add(256, 0, 0);
            sim_run(SIM_S / 10);
            measure(2 * (uint64_t)SIM_S);
            /* Never more; and all of it where nothing else is in the way. */
            must(used[0] <= 2 * (uint64_t)SIM_S / 100 * cap + 2 * (uint64_t)SIM_S / 50);
            if (load == 0 || (load == 2 && cap <= 45))
                must(near(used[0], 2 * (uint64_t)SIM_S / 100 * cap, 20));
            if (load == 2)
                must(used[0] + used[1] >= 2 * (uint64_t)SIM_S / 1000 * 999);
        }
    }
}
END_TEST

/* A cap of 10 and 20 in turn is not got round by its changes. */
START_TEST(test_caps_that_change)
{
    struct sim_vcpu *g;

    sim_start(1, 0);
    g = sim_add(256, 0, 0);
    for (uint32_t i = 0; i < 4000; i++) {
        sched_set_cap(&g->v, 20, 1 + i % 2);
        sim_run(sim_random(SIM_MS));
    }
    must(sim_cpu_ns(g) * 100 <= sim_now * 16);
    sched_set_cap(&g->v, 0, 1);
    sim_run(SIM_S / 10);
    measure(SIM_S);
    must(used[0] == SIM_S);
    /* A first cap is for later: what was run without one is nobody's debt. */
    sched_set_cap(&g->v, 10, 1);
    measure(SIM_S);
    must(near(used[0], SIM_S / 10, 20));
}
END_TEST

/* The pattern of E8: nine milliseconds of work and one of sleep, whatever the phase and the weight.
 * Nothing is gained by it, and who wants more than its due and sleeps for 1 ms at a time has that.
 */
START_TEST(test_gaming)
{
    static const uint32_t weight[] = { 64, 256, 1024 };
    const uint64_t all = 4 * (uint64_t)SIM_S;

    for (uint64_t n = 0; n < 3u * 12 * 16; n++) {
        uint64_t run = (1 + n % 12) * SIM_MS * 3 / 4, sleep = (1 + n / 12 % 16) * SIM_MS / 4;
        uint64_t w = weight[n / 12 / 16], due = all * w / (256 + w);

        sim_start(1, n);
        sim_add(256, 0, 0);
        sim_add((uint32_t)w, run, sleep);
        measure(all);
        must(used[1] * 100 <= due * 102);
        must(used[0] * 100 >= (all - due) * 98);
        if (sleep <= SIM_MS && run * (256 + w) * 90 > (run + sleep) * w * 100)
            must(used[1] * 100 >= due * 98);
    }
}
END_TEST

/* The same beside several that are light: a domain with many vCPUs. */
START_TEST(test_sleeper_beside_light_ones)
{
    const uint64_t all = 4 * (uint64_t)SIM_S;

    for (uint64_t sleep = 1; sleep <= 8; sleep++) {
        sim_start(1, sleep);
        sim_add(256, 9 * SIM_MS, sleep * SIM_MS / 8);
        for (uint32_t i = 0; i < 4; i++)
            sim_add(64, 0, 0);
        measure(all);
        must(near(used[0], all / 2, 20));
    }
}
END_TEST

/* The same where there are several processors: as much as if it never slept, and no more. */
START_TEST(test_gaming_across)
{
    for (uint32_t n = 2; n <= 4; n += 2) {
        for (uint64_t sleep = 1; sleep <= 16; sleep++) {
            uint32_t loops = 2 * n - 1;

            sim_start(n, sleep);
            sim_add(256, 9 * SIM_MS, sleep * SIM_MS / 4);
            for (uint32_t i = 0; i < loops; i++)
                sim_add(256, 0, 0);
            sim_run(SIM_S / 5);
            measure(4 * (uint64_t)SIM_S);
            must(used[0] * 100 <= 4 * (uint64_t)SIM_S / 2 * 104);
        }
    }
}
END_TEST

static uint64_t longest_wait(uint32_t processors, uint32_t loops, uint64_t sleep, uint64_t ns)
{
    sim_start(processors, loops);
    for (uint32_t i = 0; i < loops; i++)
        sim_add(256, 0, 0);
    sim_add(256, SIM_MS / 20, sleep)->jitter = 50;
    sim_run(SIM_S / 5);
    sim_vcpu[loops].wake_latency = 0;
    sim_run(ns);
    return sim_vcpu[loops].wake_latency;
}

/* Who needs little waits little, however many only compute, and on however many processors. */
START_TEST(test_wake_up_latency)
{
    static const uint32_t sleep_ms[] = { 8, 20, 100 };

    for (uint32_t n = 1; n <= 8; n++) {
        for (uint32_t loops = 1; loops <= 64; loops += 1 + loops / 4) {
            for (uint32_t i = 0; i < 3; i++) {
                uint64_t waited = longest_wait(n, loops, sleep_ms[i] * SIM_MS, 2 * (uint64_t)SIM_S);

                if (waited > POLICY_WAKE_NS + POLICY_RUN_NS + SIM_KICK_NS)
                    ck_abort_msg("%u on %u, %u ms asleep: %llu ns", loops, n, sleep_ms[i],
                                 (unsigned long long)waited);
            }
        }
    }
}
END_TEST

/* On one, to the nanosecond, whatever the others weigh. */
START_TEST(test_wake_up_latency_by_weight)
{
    static const uint32_t weight[] = { 16, 64, 1024, 8192 };

    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t loops = 1; loops <= 16; loops *= 2) {
            sim_start(1, loops);
            for (uint32_t n = 0; n < loops; n++)
                sim_add(weight[i], 0, 0);
            sim_add(256, SIM_MS / 50, 20 * SIM_MS)->jitter = 50;
            sim_run(2 * (uint64_t)SIM_S);
            sim_vcpu[loops].wake_latency = 0;
            sim_run(2 * (uint64_t)SIM_S);
            must(sim_vcpu[loops].wake_latency <= POLICY_RUN_NS);
        }
    }
}
END_TEST

/* The smallest weight beside many of the largest: two slices in ten minutes, which it is due. */
START_TEST(test_lightest)
{
    sim_start(1, 0);
    sim_add(1, 0, 0);
    for (uint32_t i = 0; i < 8; i++)
        sim_add(65535, 0, 0);
    sim_run(SIM_S);
    measure(600 * (uint64_t)SIM_S);
    must(used[0] >= 2 * POLICY_SLICE_MIN_NS && used[0] <= 3 * POLICY_SLICE_MIN_NS);
    for (uint32_t i = 1; i <= 8; i++)
        must(near(used[i], 75 * (uint64_t)SIM_S, 20));
}
END_TEST

START_TEST(test_affinity)
{
    uint64_t total = 0;

    sim_start(4, 0);
    for (uint32_t i = 0; i < 8; i++)
        must(sched_set_affinity(&sim_add(256, 0, 0)->v, i < 6 ? 1 : 2) == 0);
    must(sched_set_affinity(&sim_vcpu[0].v, 16) == -HV_EINVAL);
    sim_run(SIM_S / 10);
    for (uint32_t i = 0; i < 8; i++)
        sim_vcpu[i].moves = 0;
    measure(SIM_S);
    for (uint32_t i = 0; i < 8; i++) {
        must(sim_vcpu[i].moves == 0 && sim_vcpu[i].where == (i < 6 ? 0 : 1));
        must(near(used[i], i < 6 ? SIM_S / 6 : SIM_S / 2, 40));
        total += used[i];
    }
    must(total == 2 * (uint64_t)SIM_S);
    /* Free again they spread; what some are behind is made up for first. */
    for (uint32_t i = 0; i < 8; i++)
        must(sched_set_affinity(&sim_vcpu[i].v, ~(uint64_t)0) == 0);
    sim_run(4 * (uint64_t)SIM_S);
    measure(2 * (uint64_t)SIM_S);
    for (uint32_t i = 0; i < 8; i++)
        must(near(used[i], 2 * (uint64_t)SIM_S / 2, 20));
    /* All to one, those that run too. */
    for (uint32_t i = 0; i < 8; i++)
        must(sched_set_affinity(&sim_vcpu[i].v, 4) == 0);
    sim_run(SIM_S / 10);
    measure(SIM_S);
    for (uint32_t i = 0; i < 8; i++)
        must(sim_vcpu[i].where == 2 && near(used[i], SIM_S / 8, 50));
}
END_TEST

/* Whoever yields to its own kind gains nothing over others. */
START_TEST(test_yield_to)
{
    for (uint32_t n = 1; n <= 2; n++) {
        struct sim_vcpu *a, *b;

        sim_start(n, 0);
        a = sim_add(256, SIM_MS / 10, 0);
        b = sim_add(256, SIM_MS / 10, 0);
        a->yields = b;
        b->yields = a;
        for (uint32_t i = 0; i < 2 * n; i++)
            sim_add(256, 0, 0);
        sim_run(SIM_S / 5);
        measure(4 * (uint64_t)SIM_S);
        must((used[0] + used[1]) * (2 * n + 2) <= 4 * (uint64_t)SIM_S * n * 2 * 104 / 100);
        for (uint32_t i = 0; i < 2 * n; i++)
            must(used[2 + i] * (2 * n + 2) >= 4 * (uint64_t)SIM_S * n * 95 / 100);
    }
}
END_TEST

/* Nor does one that it takes over from a queue that is far ahead of its own come with less than it
 * has run, and then, put back, go before others there. */
START_TEST(test_yield_between_drifted_queues)
{
    struct sim_vcpu *caller;

    sim_start(2, 0);
    must(sched_set_affinity(&sim_add(10000, 0, 0)->v, 1) == 0);
    must(sched_set_affinity(&sim_add(256, 0, 0)->v, 2) == 0);
    caller = sim_add(256, SIM_MS / 10, 0);
    must(sched_set_affinity(&caller->v, 1) == 0);
    caller->yields = sim_add(256, 0, 0);
    sim_run(SIM_S / 5);
    measure(4 * (uint64_t)SIM_S);
    must(used[1] >= 2 * (uint64_t)SIM_S * 97 / 100);
    must(used[2] + used[3] >= 2 * (uint64_t)SIM_S * 9 / 10);
}
END_TEST

/* Nor is one let off what it has run by being sent to a queue that is far behind, and back: by its
 * affinity, or by the balance once it may go anywhere. */
START_TEST(test_back_and_forth_between_drifted_queues)
{
    for (uint64_t back = 2; back <= 3; back++) {
        for (uint64_t away = 0; away <= 10; away += 5) {
            struct sim_vcpu *goes;

            sim_start(2, 0);
            must(sched_set_affinity(&sim_add(10000, 0, 0)->v, 1) == 0);
            must(sched_set_affinity(&sim_add(256, 0, 0)->v, 2) == 0);
            goes = sim_add(256, 0, 0);
            sim_run(SIM_S / 5);
            const uint64_t had = sim_cpu_ns(&sim_vcpu[1]);

            for (uint64_t end = sim_now + 4 * (uint64_t)SIM_S; sim_now < end;) {
                must(sched_set_affinity(&goes->v, 1) == 0);
                sim_run(away * SIM_MS / 10);
                must(sched_set_affinity(&goes->v, back) == 0);
                sim_run((back == 2 ? 10 : 40) * SIM_MS);
            }
            must(sim_cpu_ns(&sim_vcpu[1]) - had >= 2 * (uint64_t)SIM_S * 98 / 100);
        }
    }
}
END_TEST

/* Nor by coming to one that is alone, and was not charged since it was. */
START_TEST(test_back_and_forth_beside_one_alone)
{
    for (uint64_t stay = 2; stay <= 20; stay += 3) {
        struct sim_vcpu *goes;

        sim_start(2, stay);
        must(sched_set_affinity(&sim_add(256, 0, 0)->v, 2) == 0);
        goes = sim_add(256, 0, 0);
        sim_run(SIM_S);
        const uint64_t had = sim_cpu_ns(&sim_vcpu[0]);

        for (uint32_t i = 0; i < 200; i++) {
            must(sched_set_affinity(&goes->v, 1) == 0);
            sim_run(stay * SIM_MS);
            must(sched_set_affinity(&goes->v, 2) == 0);
            sim_run(stay * SIM_MS);
        }
        must(near(sim_cpu_ns(&sim_vcpu[0]) - had, 300 * stay * SIM_MS, 20));
    }
}
END_TEST

/* What one owes it pays by sleeping. Two pCPUs, of which the first is behind and has overtaken the
 * second one when it wakes there. */
START_TEST(test_sleep_pays_debts)
{
    struct sim_vcpu *first, *goes;

    sim_start(2, 0);
    first = sim_add(10000, 0, 0);
    must(sched_set_affinity(&first->v, 1) == 0);
    must(sched_set_affinity(&sim_add(256, 0, 0)->v, 2) == 0);
    goes = sim_add(256, 0, 0);
    must(sched_set_affinity(&goes->v, 2) == 0);
    sim_run(4 * (uint64_t)SIM_S);
    must(sched_set_affinity(&goes->v, 1) == 0);
    sim_run(10 * SIM_MS);
    sched_sleep(&goes->v, VCPU_PAUSED);
    sched_set_weight(&first->v, 64 * SCHED_WEIGHT_SCALE);
    sim_run(SIM_S);
    sched_wake(&goes->v, VCPU_PAUSED);
    sched_sleep(&goes->v, VCPU_PAUSED);
    sched_set_weight(&first->v, 10000 * SCHED_WEIGHT_SCALE);
    sim_run(2 * (uint64_t)SIM_S);
    sched_wake(&goes->v, VCPU_PAUSED);
    const uint64_t had = sim_cpu_ns(goes);

    must(sched_set_affinity(&goes->v, 2) == 0);
    sim_run(4 * SIM_MS);
    must(sim_cpu_ns(goes) - had >= 3 * SIM_MS);
}
END_TEST

/* Nor who gives its turns to one that computes. */
START_TEST(test_yield_for_another)
{
    sim_start(1, 0);
    sim_add(256, 1000, 0)->yields = &sim_vcpu[1];
    for (uint32_t i = 0; i < 3; i++)
        sim_add(256, 0, 0);
    sim_run(SIM_S / 5);
    measure(4 * (uint64_t)SIM_S);
    must(used[0] + used[1] <= 4 * (uint64_t)SIM_S / 2 * 105 / 100);
}
END_TEST

/* One that shared a pCPU with a far heavier one is ages behind; that is nobody else's debt. */
START_TEST(test_joins_from_far_behind)
{
    struct sim_vcpu *light;

    sim_start(2, 0);
    must(sched_set_affinity(&sim_add(60000, 0, 0)->v, 1) == 0);
    must(sched_set_affinity(&sim_add(64, 0, 0)->v, 1) == 0);
    light = sim_add(64, 0, 0);
    must(sched_set_affinity(&light->v, 2) == 0);
    sim_run(20 * (uint64_t)SIM_S);
    light->latency = 0;
    must(sched_set_affinity(&sim_vcpu[1].v, 2) == 0);
    sim_run(2 * (uint64_t)SIM_S);
    must(light->latency <= 100 * SIM_MS);
}
END_TEST

/* With one vCPU a processor no timer runs, and idle processors are not woken. */
START_TEST(test_no_tick)
{
    sim_start(4, 0);
    for (uint32_t i = 0; i < 3; i++)
        sim_add(256, 0, 0);
    sim_run(SIM_S / 10);
    sim_interrupts = 0;
    sim_run(10 * (uint64_t)SIM_S);
    must(sim_interrupts == 0);
}
END_TEST

/*
 * Random loads: nobody starves, nobody is above its cap, no processor stays idle beside work, and
 * who computes all the time is not far below its share. That two pCPUs run one vCPU, or that a
 * queue's virtual time goes back, ends the simulation. `dirty` times in each step one that is idle
 * has memory to clear, amid which interrupts come.
 */
static void random_load(uint32_t seed, uint32_t dirty)
{
    uint32_t n, count;
    uint64_t begun;

    sim_start(1, seed);
    n = 1 + (uint32_t)sim_random(SIM_CPUS);
    count = 1 + (uint32_t)sim_random(5 * n);
    sim_start(n, seed);
    for (uint32_t i = 0; i < count; i++) {
        bool loops = sim_random(2);
        struct sim_vcpu *g = sim_add(64 + (uint32_t)sim_random(512), 1000 + sim_random(20 * SIM_MS),
                                     loops ? 0 : 1000 + sim_random(20 * SIM_MS));

        g->jitter = (uint32_t)sim_random(100);
        g->yields = sim_random(8) ? NULL : &sim_vcpu[sim_random(i + 1)];
        if (sim_random(5) == 0)
            sched_set_cap(&g->v, 1 + (uint32_t)sim_random(100), 1);
        if (sim_random(5) == 0)
            (void)sched_set_affinity(&g->v, 1 + sim_random(255));
    }
    begun = sim_now;
    for (uint32_t step = 0; step < 100; step++) {
        struct sim_vcpu *g = &sim_vcpu[sim_random(count)];

        sim_dirty = dirty;
        sim_run(sim_random(20 * SIM_MS));
        if (sim_random(4) == 0) {
            sched_sleep(&g->v, VCPU_PAUSED);
            sim_run(sim_random(20 * SIM_MS));
            g->woken = sim_now;
            sched_wake(&g->v, VCPU_PAUSED);
        } else if (sim_random(4) == 0) {
            (void)sched_set_affinity(&g->v, sim_random(2) ? 1 + sim_random(255) : UINT64_MAX);
        } else if (sim_random(4) == 0) {
            sched_set_weight(&g->v, 64 + (uint32_t)sim_random(512));
        }
    }
    must(sim_idle_beside_work <= 2 * SIM_KICK_NS);
    for (uint32_t i = 0; i < count; i++) {
        const struct sim_vcpu *g = &sim_vcpu[i];
        uint64_t sum = 0;

        /* A turn of all others, at the greatest weight beside the least one. */
        if (g->v.cap == 0)
            must(g->latency <= (uint64_t)POLICY_SLICE_NS * 2 * count * 9 + POLICY_MOVE_LAG_NS * 9);
        if (g->v.cap != 0)
            must(sim_cpu_ns(g) * 100 <= (sim_now - begun) * g->v.cap + 2 * 100 * 10 * SIM_MS);
        for (uint32_t state = 0; state < 4; state++)
            sum += g->v.run_time[state];
        must(sum + sim_now - g->v.run_since == sim_now - g->begun);
    }
}

START_TEST(test_random_loads)
{
    /* Those that have found something once. */
    static const uint32_t found[] = { 2603, 6557, 7125, 7531, 11806 };

    for (uint32_t i = 0; i < sizeof(found) / sizeof(found[0]); i++)
        random_load(found[i], 0);
    for (uint32_t seed = 0; seed < rounds; seed++)
        random_load(seed, seed % 2 * 200);
}
END_TEST

/* ---- what is drawn ---- */

static FILE *open_in(const char *folder, const char *name)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "w");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    return f;
}

/* CPU time of each from here on, in microseconds, a row every 20 ms. */
static void write_times(const char *folder, const char *name, uint64_t ns)
{
    FILE *f = open_in(folder, name);

    for (uint32_t i = 0; i < sim_vcpus; i++)
        used[i] = sim_cpu_ns(&sim_vcpu[i]);

    for (uint64_t at = 0; at <= ns; at += 20 * SIM_MS) {
        fprintf(f, "%llu", (unsigned long long)(at / SIM_MS));
        for (uint32_t i = 0; i < sim_vcpus; i++)
            fprintf(f, " %llu", (unsigned long long)((sim_cpu_ns(&sim_vcpu[i]) - used[i]) / 1000));
        fputc('\n', f);
        sim_run(20 * SIM_MS);
    }
    fclose(f);
}

static void write_latency(const char *folder)
{
    FILE *f = open_in(folder, "latency.txt");

    for (uint32_t loops = 1; loops <= 64; loops++) {
        fprintf(f, "%u", loops);
        for (uint32_t n = 1; n <= 4; n *= 2) {
            fprintf(f, " %llu",
                    (unsigned long long)longest_wait(n, loops, 20 * SIM_MS, 4 * (uint64_t)SIM_S) /
                        1000);
        }
        fputc('\n', f);
    }
    fclose(f);
}

static void write_all(const char *folder)
{
    sim_start(1, 0);
    for (uint32_t i = 0; i < 3; i++)
        sim_add(256u << i, 0, 0);
    write_times(folder, "weights.txt", SIM_S);
    sim_start(1, 0);
    sched_set_cap(&sim_add(256, 0, 0)->v, 25, 1);
    sim_add(256, 9 * SIM_MS, SIM_MS);
    sim_add(256, 0, 0);
    write_times(folder, "cap.txt", SIM_S);
    sim_start(4, 0);
    for (uint32_t i = 0; i < 6; i++)
        sim_add(256, 0, 0);
    write_times(folder, "rotation.txt", SIM_S);
    sim_start(2, 0);
    sim_add(256, 0, 0);
    sim_run(10 * (uint64_t)SIM_S);
    for (uint32_t i = 0; i < 4; i++)
        sim_add(256, 0, 0);
    write_times(folder, "late.txt", SIM_S);
    write_latency(folder);
}

int main(int argc, char **argv)
{
    Suite *suite = suite_create("sched_sim");
    TCase *tc = tcase_create("sched_sim");
    SRunner *runner;
    int failed;

    if (argc > 1)
        rounds = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        write_all(argv[2]);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_weights_on_one);
    tcase_add_test(tc, test_weights_across);
    tcase_add_test(tc, test_rotation);
    tcase_add_test(tc, test_more_than_a_processor);
    tcase_add_test(tc, test_late_comers);
    tcase_add_test(tc, test_late_comers_at_once);
    tcase_add_test(tc, test_late_comers_beside_the_lightest);
    tcase_add_test(tc, test_one_of_two_may_go);
    tcase_add_test(tc, test_kin_in_shifted_queues);
    tcase_add_test(tc, test_heavy_between_two);
    tcase_add_test(tc, test_third_queue_far_away);
    tcase_add_test(tc, test_rotation_beside_sleepers);
    tcase_add_test(tc, test_one_of_three_goes_round);
    tcase_add_test(tc, test_no_debt_of_a_bystander);
    tcase_add_test(tc, test_sleeper_in_a_shifted_queue);
    tcase_add_test(tc, test_random_late_comers);
    tcase_add_test(tc, test_caps);
    tcase_add_test(tc, test_caps_that_change);
    tcase_add_test(tc, test_gaming);
    tcase_add_test(tc, test_gaming_across);
    tcase_add_test(tc, test_sleeper_beside_light_ones);
    tcase_add_test(tc, test_wake_up_latency);
    tcase_add_test(tc, test_wake_up_latency_by_weight);
    tcase_add_test(tc, test_lightest);
    tcase_add_test(tc, test_affinity);
    tcase_add_test(tc, test_yield_to);
    tcase_add_test(tc, test_yield_between_drifted_queues);
    tcase_add_test(tc, test_back_and_forth_between_drifted_queues);
    tcase_add_test(tc, test_back_and_forth_beside_one_alone);
    tcase_add_test(tc, test_sleep_pays_debts);
    tcase_add_test(tc, test_yield_for_another);
    tcase_add_test(tc, test_joins_from_far_behind);
    tcase_add_test(tc, test_no_tick);
    tcase_add_test(tc, test_random_loads);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
