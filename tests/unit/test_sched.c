/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler and the timers in simulated time: shares by weight, wake-up latency, the books of
 * run-states, and a sleeper that tries to gain by when it sleeps.
 *
 * sources: tests/unit/host_cpu.c hyp/core/sched.c hyp/core/timer.c hyp/core/trace.c hyp/lib/lock.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_cpu.h"

#include "domain.h"
#include "epoch.h"
#include "event.h"
#include "frame.h"
#include "sched.h"

#define MS    1000000u
#define COUNT 8u

/* A vCPU of the simulation: runs `run` ns, sleeps `sleep` ns; 0: never sleeps. */
struct guest {
    struct vcpu v;
    struct domain d;
    struct hv_vcpu_page page;
    uint64_t run, sleep;
    uint64_t left;           /* of its burst */
    uint64_t woken, latency; /* worst time from wake to run */
    bool scribbles;          /* into its page */
    uint64_t released;       /* when event_release was last called for it */
};

static struct guest guest[COUNT];
static uint64_t started;

static struct guest *guest_of(struct vcpu *v)
{
    return (struct guest *)(void *)((char *)v - offsetof(struct guest, v));
}

/* Instead of frame.c: as many pieces of frames to clear while nobody runs. */
static unsigned int pieces;

bool frame_clear_step(void)
{
    return pieces != 0 && pieces-- != 0;
}

/* Instead of event.c: a timer wakes its vCPU. */
void event_raise_timer(struct vcpu *v)
{
    guest_of(v)->woken = host_now;
    sched_wake(v, VCPU_BLOCKED);
}

void event_release(struct domain *d, uint64_t now)
{
    struct guest *g = (struct guest *)(void *)((char *)d - offsetof(struct guest, d));

    must(now == host_now);
    g->released = now;
}

static void start(void)
{
    for (uint32_t i = 0; i < COUNT; i++) {
        if (guest[i].v.cpu != NULL) {
            timer_stop(&guest[i].v);
        }
    }
    host_cpu_start();
    sched_init();
    timer_init();
    memset(guest, 0, sizeof(guest));
    started = host_now;
}

static struct guest *add(uint32_t n, uint32_t weight, uint64_t run, uint64_t sleep)
{
    struct guest *g = &guest[n];

    g->v.domain = &g->d;
    g->v.page = &g->page;
    g->d.id = n;
    g->d.weight = weight;
    g->run = g->left = run;
    g->sleep = sleep;
    sched_add(&g->v);
    g->woken = host_now;
    sched_wake(&g->v, VCPU_OFFLINE);
    return g;
}

/* No epoch here. */
void epoch_idle(struct cpu *c)
{
    (void)c;
    arch_idle();
}

/* What vcpu_leave does. */
static void leave(void)
{
    while ((__atomic_exchange_n(&host_cpu0.work, 0, __ATOMIC_RELAXED) & CPU_WORK_RESCHED) ||
           host_cpu0.vcpu == NULL || host_cpu0.vcpu->wait) {
        struct vcpu *next = sched_pick(&host_cpu0);
        struct guest *g = guest_of(next);

        if (g->woken != 0) {
            uint64_t waited = host_now - g->woken;

            g->latency = waited > g->latency ? waited : g->latency;
            g->woken = 0;
        }
        host_cpu0.vcpu = next;
    }
}

/* The queue as the vCPUs show it: one is the first, nobody in it who waits for something. */
static void check_queue(void)
{
    uint32_t queued = 0, first = 0;
    uint64_t least = UINT64_MAX, first_key = 0;

    for (uint32_t i = 0; i < COUNT; i++) {
        const struct vcpu *v = &guest[i].v;
        const struct tree_node *n = &v->sched.node;

        if (!tree_has(n)) {
            continue;
        }
        queued++;
        must(v->wait == 0 && v != host_cpu0.vcpu);
        must(v->run_state == HV_RUN_RUNNABLE);
        if (n->order == 1) {
            first++;
            first_key = n->key;
        }
        least = n->key < least ? n->key : least;
    }
    must(queued == 0 || (first == 1 && first_key == least));
}

static void run(uint64_t until)
{
    while (host_now < until) {
        struct guest *g;
        uint64_t before, next;

        leave();
        check_queue();
        g = guest_of(host_cpu0.vcpu);
        must(g->v.run_state == HV_RUN_RUNNING);
        before = host_now;
        next = host_armed < until ? host_armed : until;
        if (g->sleep != 0 && before + g->left < next) {
            next = before + g->left;
        }
        host_advance(next > before ? next : before + 1);
        if (g->sleep == 0) {
            continue;
        }
        g->left -= host_now - before < g->left ? host_now - before : g->left;
        if (g->left == 0) {
            g->left = g->run;
            sched_sleep(&g->v, VCPU_BLOCKED);
            timer_set(&g->v, TIMER_GUEST, host_now + g->sleep);
        }
    }
}

static uint64_t cpu_ns(const struct vcpu *v)
{
    struct hv_vcpu_info info;

    ck_assert_int_eq(sched_info(v, &info), 0);
    return info.time[HV_RUN_RUNNING];
}

/* CPU time in parts per ten thousand of all. */
static uint64_t share(const struct guest *g)
{
    return cpu_ns(&g->v) * 10000 / (host_now - started);
}

static bool near(uint64_t value, uint64_t wanted, uint64_t off)
{
    return value + off >= wanted && value <= wanted + off;
}

START_TEST(test_shares_follow_weights)
{
    start();
    add(0, 256, 0, 0);
    add(1, 512, 0, 0);
    add(2, 1024, 0, 0);
    run(20000u * MS);
    must(near(share(&guest[0]), 10000 / 7, 10000 / 7 / 50));
    must(near(share(&guest[1]), 20000 / 7, 20000 / 7 / 50));
    must(near(share(&guest[2]), 40000 / 7, 40000 / 7 / 50));
}
END_TEST

/* What was run at one weight is charged at that one. */
START_TEST(test_a_new_weight_is_for_later)
{
    struct vcpu *v;
    uint64_t before;

    start();
    v = &add(0, 256, 0, 0)->v;
    leave();
    must(host_cpu0.vcpu == v);
    before = v->sched.node.key;
    host_advance(host_now + MS);
    sched_set_weight(v, 1024 * SCHED_WEIGHT_SCALE);
    must(v->sched.node.key - before - MS <= 1);
    host_advance(host_now + MS);
    sched_set_weight(v, 256 * SCHED_WEIGHT_SCALE);
    must(v->sched.node.key - before - MS - MS / 4 <= 2);
}
END_TEST

/* Nine milliseconds of work, one of sleep, against one that only works: half each, within 2%. */
START_TEST(test_sleeping_at_chosen_moments_gains_nothing)
{
    for (uint64_t sleep = MS / 10; sleep <= 4 * MS; sleep += MS / 10) {
        start();
        add(0, 256, 0, 0);
        add(1, 256, 9 * MS, sleep);
        run(5000u * MS);
        must(share(&guest[1]) <= 5000 + 100);
        must(share(&guest[0]) >= 5000 - 100);
    }
}
END_TEST

/* What slept for long has not saved up: it gets the CPU at once, and then its share. */
START_TEST(test_a_long_sleep_saves_up_nothing)
{
    uint64_t before;

    start();
    add(0, 256, 0, 0);
    add(1, 256, MS, 10000u * MS);
    run(9000u * MS);
    guest[1].sleep = 0;
    run(10100u * MS);
    before = cpu_ns(&guest[0].v);
    run(host_now + 1000u * MS);
    must(near(cpu_ns(&guest[0].v) - before, 500u * MS, 10u * MS));
}
END_TEST

/* One that needs little gets it soon, however many others only work. */
START_TEST(test_wake_up_latency_is_bounded)
{
    start();
    for (uint32_t i = 0; i < 6; i++) {
        add(i, 256, 0, 0);
    }
    add(6, 256, MS / 10, 7 * MS);
    run(100u * MS);
    guest[6].latency = 0;
    run(5000u * MS);
    must(guest[6].latency <= MS);
}
END_TEST

START_TEST(test_alone_it_runs_without_a_tick)
{
    start();
    add(0, 256, 0, 0);
    leave();
    must(host_armed == UINT64_MAX);
    add(1, 256, 0, 0);
    must(host_armed == host_now + MS / 2); /* then the other is ahead */
    host_advance(host_armed);
    leave();
    must(host_armed == host_now + 5 * MS);
}
END_TEST

START_TEST(test_idle_until_a_timer)
{
    start();
    pieces = 1000;
    add(0, 256, MS, 9 * MS);
    run(1000u * MS);
    must(near(share(&guest[0]), 1000, 10));
    must(guest[0].latency == 0);
    must(pieces == 0); /* what there was to clear was cleared meanwhile */
}
END_TEST

START_TEST(test_yield_lets_the_others_run)
{
    struct vcpu *first;

    start();
    add(0, 256, 0, 0);
    add(1, 256, 0, 0);
    leave();
    for (int i = 0; i < 100; i++) {
        first = host_cpu0.vcpu;
        host_now += 100;
        sched_pass(first);
        leave();
        must(host_cpu0.vcpu != first);
    }
}
END_TEST

/* However far behind the others it is, who passes lets one of them run; alone it goes on. */
START_TEST(test_pass_from_behind)
{
    start();
    add(0, 256, 0, 0);
    leave();
    sched_pass(&guest[0].v);
    leave();
    must(host_cpu0.vcpu == &guest[0].v);
    add(1, 256, 0, 0);
    guest[1].v.sched.node.key += 100u * MS;
    sched_pass(&guest[0].v);
    leave();
    must(host_cpu0.vcpu == &guest[1].v);
}
END_TEST

/* A slice has its end once and for all: who wakes meanwhile does not put it off. One that is as far
 * as the running one cuts it short when that will be 0.5 ms ahead, and those that come later do not
 * change that. */
START_TEST(test_a_slice_keeps_its_end)
{
    uint64_t end;

    start();
    add(0, 256, 0, 0);
    add(1, 256, 0, 0);
    leave();
    must(host_armed == host_now + 5 * MS);
    end = host_now + MS / 2;
    for (uint32_t i = 2; i < COUNT; i++) {
        host_advance(host_now + MS / 20);
        add(i, 256, 0, 0);
        must((host_cpu0.work & CPU_WORK_RESCHED) == 0);
        must(near(host_armed, end, COUNT)); /* each charge goes beyond a whole one */
    }
}
END_TEST

/* Whoever was picked runs for 50 us before a sleeper that is far behind takes it off, and then at
 * once: the hardware is armed for it. */
START_TEST(test_time_of_its_own)
{
    uint64_t picked;

    start();
    add(0, 256, 0, 0);
    add(1, 256, 0, 0);
    add(2, 256, 0, 0);
    sched_sleep(&guest[1].v, VCPU_BLOCKED);
    sched_sleep(&guest[2].v, VCPU_BLOCKED);
    leave();
    must(host_cpu0.vcpu == &guest[0].v);
    host_advance(host_now + 20u * MS); /* guest 1 is behind from here on */
    sched_sleep(&guest[0].v, VCPU_BLOCKED);
    sched_wake(&guest[2].v, VCPU_BLOCKED);
    leave();
    must(host_cpu0.vcpu == &guest[2].v);
    sched_wake(&guest[0].v, VCPU_BLOCKED);
    sched_sleep(&guest[2].v, VCPU_BLOCKED);
    leave();
    must(host_cpu0.vcpu == &guest[0].v);
    picked = host_now;
    host_advance(picked + MS / 100);
    sched_wake(&guest[1].v, VCPU_BLOCKED);
    must((host_cpu0.work & CPU_WORK_RESCHED) == 0);
    must(host_armed == picked + MS / 20);
    host_advance(picked + MS / 20);
    must(host_cpu0.work & CPU_WORK_RESCHED);
    leave();
    must(host_cpu0.vcpu == &guest[1].v);
}
END_TEST

START_TEST(test_pause_and_block_are_independent)
{
    struct vcpu *v = &guest[1].v;

    start();
    add(0, 256, 0, 0);
    add(1, 256, 0, 0);
    sched_sleep(v, VCPU_PAUSED);
    must(v->run_state == HV_RUN_OFFLINE);
    sched_sleep(v, VCPU_BLOCKED);
    sched_wake(v, VCPU_PAUSED);
    must(v->run_state == HV_RUN_BLOCKED && !tree_has(&v->sched.node));
    sched_wake(v, VCPU_BLOCKED);
    must(v->run_state == HV_RUN_RUNNABLE && tree_has(&v->sched.node));
    sched_wake(v, VCPU_BLOCKED);
    check_queue();
}
END_TEST

/* The books add up to the time that passed, whatever the guest scribbles into its page; if it does
 * not, the record there says the same, with an even version. */
static void check_record(struct guest *g)
{
    const struct hv_runstate *r = &g->page.run;
    uint64_t sum = host_now - g->v.run_since;

    for (int i = 0; i < 4; i++) {
        sum += g->v.run_time[i];
        must(g->scribbles || r->time[i] == g->v.run_time[i]);
    }
    must(sum == host_now - started);
    if (g->scribbles) {
        return;
    }
    must(r->version % 2 == 0 && r->state == g->v.run_state && r->since == g->v.run_since);
    must(r->weight == g->d.weight && r->cap == 0);
    must(r->time[HV_RUN_RUNNING] + (r->state == HV_RUN_RUNNING ? host_now - r->since : 0) ==
         cpu_ns(&g->v));
}

START_TEST(test_random_loads)
{
    for (int round = 0; round < 200; round++) {
        start();
        for (int i = 0; i < round; i++) {
            (void)host_random(2);
        }
        for (uint32_t i = 0; i < COUNT; i++) {
            add(i, 1 + (uint32_t)host_random(1024), 1 + host_random(20u * MS),
                host_random(3) ? 1 + host_random(20u * MS) : 0);
        }
        for (int i = 0; i < 50; i++) {
            struct vcpu *v = &guest[host_random(COUNT)].v;

            run(host_now + host_random(20u * MS) + 1);
            if (host_random(2)) {
                sched_sleep(v, VCPU_PAUSED);
            } else {
                if (v == &guest[0].v || v == &guest[1].v) {
                    memset(&guest_of(v)->page.run, 0xee, sizeof(struct hv_runstate));
                    guest_of(v)->scribbles = true;
                }
                sched_wake(v, VCPU_PAUSED);
            }
            sched_wake(&guest[0].v, VCPU_PAUSED | VCPU_BLOCKED);
        }
        for (uint32_t i = 0; i < COUNT; i++) {
            sched_sleep(&guest[i].v, VCPU_PAUSED);
            sched_wake(&guest[i].v, VCPU_PAUSED);
        }
        run(host_now + 100u * MS);
        for (uint32_t i = 0; i < COUNT; i++) {
            check_record(&guest[i]);
        }
    }
}
END_TEST

/* What a timer of each kind does, seen once; arms the guest for the next. 0: it has not fired. */
static uint64_t fired(struct guest *g, enum timer_kind kind)
{
    uint64_t *seen = kind == TIMER_GUEST ? &g->woken : &g->released, at = *seen;

    if (kind == TIMER_POLL || kind == TIMER_CAP) {
        uint32_t bit = kind == TIMER_POLL ? VCPU_POLLING : VCPU_CAPPED;

        at = g->v.wait & bit ? 0 : host_now;
        sched_sleep(&g->v, bit);
        return at;
    }
    *seen = 0;
    sched_sleep(&g->v, VCPU_BLOCKED);
    return at;
}

/* The heap against the obvious model: each timer of each vCPU when it is due, none before. */
START_TEST(test_timers_fire_in_order)
{
    uint64_t deadline[COUNT][TIMER_KINDS] = { { 0 } };

    start();
    for (uint32_t i = 0; i < COUNT; i++) {
        add(i, 256, 1, 1);
        sched_sleep(&guest[i].v, VCPU_BLOCKED | VCPU_POLLING | VCPU_CAPPED);
        guest[i].woken = 0;
    }
    for (int step = 0; step < 20000; step++) {
        uint32_t n = (uint32_t)host_random(COUNT);
        enum timer_kind kind = (enum timer_kind)host_random(TIMER_KINDS);

        deadline[n][kind] = host_random(4) ? host_now + 1 + host_random(1000) : 0;
        timer_set(&guest[n].v, kind, deadline[n][kind]);
        if (host_random(100) == 0) {
            timer_stop(&guest[n].v);
            memset(deadline[n], 0, sizeof(deadline[n]));
        }
        host_advance(host_now + host_random(300));
        for (uint32_t i = 0; i < COUNT; i++) {
            bool armed = false;

            for (kind = 0; kind < TIMER_KINDS; kind++) {
                uint64_t *d = &deadline[i][kind], at = fired(&guest[i], kind);
                bool due = *d != 0 && *d <= host_now;

                must((at != 0) == due);
                must(!due || kind == TIMER_POLL || kind == TIMER_CAP || at == *d);
                *d = due ? 0 : *d;
                armed |= *d != 0;
            }
            must(tree_has(&guest[i].v.timer) == armed);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sched");
    TCase *tc = tcase_create("sched");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_shares_follow_weights);
    tcase_add_test(tc, test_a_new_weight_is_for_later);
    tcase_add_test(tc, test_sleeping_at_chosen_moments_gains_nothing);
    tcase_add_test(tc, test_a_long_sleep_saves_up_nothing);
    tcase_add_test(tc, test_wake_up_latency_is_bounded);
    tcase_add_test(tc, test_alone_it_runs_without_a_tick);
    tcase_add_test(tc, test_idle_until_a_timer);
    tcase_add_test(tc, test_yield_lets_the_others_run);
    tcase_add_test(tc, test_pass_from_behind);
    tcase_add_test(tc, test_a_slice_keeps_its_end);
    tcase_add_test(tc, test_time_of_its_own);
    tcase_add_test(tc, test_pause_and_block_are_independent);
    tcase_add_test(tc, test_random_loads);
    tcase_add_test(tc, test_timers_fire_in_order);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
