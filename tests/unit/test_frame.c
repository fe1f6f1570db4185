/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames: allocation, charges, quotas, and the one rule of reuse. A model knows who has which
 * frame; a TLB that remembers shows what a frame that comes back too early would mean.
 *
 * sources: tests/unit/host_machine.c hyp/core/frame.c hyp/core/epoch.c hyp/core/p2m.c
 * sources: hyp/core/space.c hyp/core/space_table.c hyp/core/space_leaf.c hyp/core/grant.c
 * sources: hyp/core/dma.c hyp/core/resource.c hyp/core/guestmem.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c hyp/lib/lock.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_machine.h"

#include "epoch.h"
#include "p2m.h"

#define FRAMES 2048u

static bool all_bytes(mfn_t m, uint8_t byte)
{
    const uint8_t *p = frame_va(m);

    for (unsigned int i = 0; i < 4096; i++) {
        if (p[i] != byte) {
            return false;
        }
    }
    return true;
}

START_TEST(test_all_frames_are_had_once_and_zeroed)
{
    static bool seen[FRAMES];
    uint64_t taken = 0;
    mfn_t m;

    memset(seen, 0, sizeof(seen));
    machine_start(FRAMES);
    must(frame_free_count() == machine_frames);
    must(machine_frames > FRAMES - 64 && machine_frames < FRAMES);
    while (m = frame_alloc(NULL, FRAME_META), !mfn_is_none(m)) {
        must(m.n != 0 && m.n < FRAMES && !seen[m.n]);
        must(!(m.n >= FRAMES / 4 && m.n < FRAMES / 4 + 3)); /* the hole */
        must(all_bytes(m, 0));
        must(frame_mfn_of(frame_va(m)).n == m.n);
        must((void *)frame_va(m) < (void *)frame_table ||
             (void *)frame_va(m) >= (void *)(frame_table + frame_table_count));
        memset(frame_va(m), 0xff, 4096);
        seen[m.n] = true;
        taken++;
    }
    must(taken == machine_frames && frame_free_count() == 0);
    for (uint64_t n = 0; n < FRAMES; n++) {
        if (seen[n]) {
            frame_free(NULL, (mfn_t){ n });
        }
    }
    must(frame_free_count() == machine_frames);
    m = frame_alloc(NULL, FRAME_META);
    must(all_bytes(m, 0)); /* although it was written to */
}
END_TEST

START_TEST(test_quota_is_the_limit)
{
    struct domain *d;
    mfn_t m = MFN_NONE, last = MFN_NONE;
    uint64_t before;

    machine_start(FRAMES);
    d = machine_domain(100, 8, 0);
    must(frame_quota_left(d, 100 - d->used));
    must(!frame_quota_left(d, 100 - d->used + 1));
    must(!frame_quota_left(d, ~(uint64_t)0) && !frame_quota_left(d, 101));
    d->used += 200; /* more than it may: nothing is left */
    must(!frame_quota_left(d, 0) && !frame_quota_left(d, 1));
    d->used -= 200;
    d->granted_quota = 10; /* given to children: not its own any more */
    while (m = frame_alloc(d, FRAME_META), !mfn_is_none(m)) {
        last = m;
    }
    must(d->used == 90);
    before = frame_free_count();
    frame_free(d, last);
    must(d->used == 89 && frame_free_count() == before + 1);
    must(!mfn_is_none(frame_alloc(d, FRAME_META)));
    must(mfn_is_none(frame_alloc(d, FRAME_META)));
    must(!mfn_is_none(frame_alloc(NULL, FRAME_META)));
}
END_TEST

START_TEST(test_transfer_moves_the_charge)
{
    struct domain *a, *b;
    uint64_t used_a, used_b;
    mfn_t m;

    machine_start(FRAMES);
    a = machine_domain(200, 8, 0);
    b = machine_domain(200, 8, 0);
    used_a = a->used;
    used_b = b->used;
    m = frame_alloc(a, FRAME_META);
    frame_transfer(m, a, b);
    must(a->used == used_a && b->used == used_b + 1 && frame_owner(frame_of(m)) == b);
    frame_free(b, m);
    must(b->used == used_b);
}
END_TEST

/* The epoch: a stamp passes only behind a flush of the whole TLB. */
START_TEST(test_epoch)
{
    uint32_t stamp;

    machine_start(64);
    stamp = epoch_now;
    must(!epoch_passed(stamp));
    epoch_flush();
    must(epoch_passed(stamp) && !epoch_passed(epoch_now));
    stamp = epoch_now;
    epoch_load_root(this_cpu(), 0);
    must(epoch_passed(stamp));
    /* Stamps wrap. */
    epoch_count = UINT32_MAX - 1;
    epoch_flush();
    stamp = epoch_now;
    must(stamp == UINT32_MAX && !epoch_passed(stamp));
    epoch_flush();
    must(epoch_now == 0 && epoch_passed(stamp) && !epoch_passed(epoch_now));
    /* A pCPU that is behind by so many flushes has passed none of them. */
    for (uint64_t behind = 1; behind < UINT64_C(1) << 40; behind = behind * 2 + 1) {
        epoch_count += behind;
        must(!epoch_passed(epoch_now) && !epoch_passed(epoch_now - 1));
        epoch_flush();
        must(epoch_passed(epoch_now - 1));
    }
}
END_TEST

/* A frame whose leaf has just gone is in limbo, charged, and had by nobody until the flush. */
START_TEST(test_limbo)
{
    struct domain *d;
    struct frame *f;
    uint64_t used, free_before;
    mfn_t m;

    machine_start(FRAMES);
    d = machine_domain(1000, 8, 0);
    m = frame_alloc(d, FRAME_RAM);
    f = frame_of(m);
    used = d->used;
    free_before = frame_free_count();
    frame_map_get(f);
    frame_map_put(f);
    frame_free(d, m);
    must(f->state == FRAME_LIMBO && d->used == used && frame_limbo_count() == 1);
    must(frame_free_count() == free_before);
    frame_reclaim(); /* no flush yet */
    must(f->state == FRAME_LIMBO);
    epoch_flush();
    frame_reclaim();
    must(f->state == FRAME_FREE && d->used == used - 1 && frame_limbo_count() == 0);
    must(frame_free_count() == free_before + 1);
}
END_TEST

/* A stamp that is 2^32 flushes old looks like one of now: the wait is for one flush all the same.
 * One that is a little less old has passed. */
START_TEST(test_stamp_wraps)
{
    mfn_t m;

    machine_start(64);
    m = frame_alloc(NULL, FRAME_RAM);
    frame_of(m)->epoch = epoch_now;
    frame_free(NULL, m);
    must(frame_of(m)->state == FRAME_LIMBO);
    frame_reclaim_all();
    must(frame_of(m)->state == FRAME_FREE && frame_limbo_count() == 0);
    m = frame_alloc(NULL, FRAME_RAM);
    frame_of(m)->epoch = epoch_now + 1000;
    frame_free(NULL, m);
    must(frame_of(m)->state == FRAME_FREE && frame_limbo_count() == 0);
}
END_TEST

/* Unmapped, then flushed, then freed: nothing to wait for. */
START_TEST(test_no_limbo_after_flush)
{
    struct domain *d;
    mfn_t m;

    machine_start(FRAMES);
    d = machine_domain(1000, 8, 0);
    m = frame_alloc(d, FRAME_RAM);
    frame_map_get(frame_of(m));
    frame_map_put(frame_of(m));
    epoch_flush();
    frame_free(d, m);
    must(frame_of(m)->state == FRAME_FREE && frame_limbo_count() == 0);
}
END_TEST

/* An allocation that would fail, for quota or for memory, forces the epoch first. */
START_TEST(test_alloc_forces_the_epoch)
{
    struct domain *d;
    unsigned int flushes;
    mfn_t m, last = MFN_NONE;

    machine_start(FRAMES);
    d = machine_domain(200, 8, 0);
    while (m = frame_alloc(d, FRAME_RAM), !mfn_is_none(m)) {
        last = m;
    }
    frame_map_get(frame_of(last));
    frame_map_put(frame_of(last));
    frame_free(d, last);
    must(d->used == 200 && frame_limbo_count() == 1);
    flushes = machine_flushes;
    m = frame_alloc(d, FRAME_RAM);
    must(!mfn_is_none(m) && machine_flushes == flushes + 1);
    must(mfn_is_none(frame_alloc(d, FRAME_RAM)) && machine_flushes == flushes + 1);
}
END_TEST

/* Nobody flushes, and frames whose leaves have just gone are freed by the thousand: limbo forces
 * the epoch by itself, so that what an allocation may have to take out of it is bounded. */
START_TEST(test_limbo_is_bounded)
{
    struct domain *d;
    uint64_t most = 0;

    machine_start(8192);
    d = machine_domain(8000, 8, 0);
    for (unsigned int round = 0; round < 3; round++) {
        mfn_t first = MFN_NONE, m;

        while (m = frame_alloc(d, FRAME_RAM), !mfn_is_none(m)) {
            frame_map_get(frame_of(m));
            *(uint64_t *)frame_va(m) = first.n;
            first = m;
        }
        while (!mfn_is_none(first)) {
            m = first;
            first.n = *(uint64_t *)frame_va(m);
            frame_map_put(frame_of(m));
            frame_free(d, m);
            must(frame_of(m)->state == FRAME_LIMBO);
            most = frame_limbo_count() > most ? frame_limbo_count() : most;
        }
    }
    must(most > 100 && most <= 512);
    machine_audit();
}
END_TEST

/* Frames are cleared while nobody runs. One that is taken, used and freed is cleared again; all
 * that are done come first, and are zero. */
START_TEST(test_clearing)
{
    mfn_t m, taken[3];
    uint64_t frames = 0;

    machine_start(256);
    for (unsigned int i = 0; i < 7; i++) {
        must(frame_clear_step());
    }
    m = frame_alloc(NULL, FRAME_META);
    must(all_bytes(m, 0) && frame_of(m)->clean == 0);
    memset(frame_va(m), 0xff, 4096);
    frame_free(NULL, m);
    while (frame_clear_step()) {
        frames++;
    }
    must(frames == machine_frames - 6);
    for (unsigned int i = 0; i < 3; i++) {
        taken[i] = frame_alloc(NULL, FRAME_META);
        must(all_bytes(taken[i], 0) && frame_of(taken[i])->clean == 0);
        memset(frame_va(taken[i]), 0xff, 4096);
    }
    for (unsigned int i = 0; i < 3; i++) {
        frame_free(NULL, taken[i]);
    }
    m = frame_alloc(NULL, FRAME_META);
    must(m.n != taken[2].n && all_bytes(m, 0)); /* there are some that need no clearing */
    while (m = frame_alloc(NULL, FRAME_META), !mfn_is_none(m)) {
        must(all_bytes(m, 0));
    }
    must(!frame_clear_step());
}
END_TEST

/* An idle pCPU need not be waited for. That it comes in behind the wait changes nothing. */
static struct cpu second = { .id = 1 };
static uint64_t passed_before;

static void come_in(void)
{
    if (cpus[0]->epoch_seen != passed_before)
        second.outside = 0;
}

START_TEST(test_forced_while_one_comes_in)
{
    machine_start(256);
    cpu_count = 2;
    cpus[1] = &second;
    second.outside = 1;
    frame_free(NULL, frame_alloc(NULL, FRAME_META));
    must(frame_limbo_count() == 1);
    passed_before = cpus[0]->epoch_seen;
    machine_this_cpu_hook = come_in;
    must(frame_force());
    machine_this_cpu_hook = NULL;
    must(second.outside == 0);
    must(frame_limbo_count() == 0);
    /* One that is in has to pass. */
    frame_free(NULL, frame_alloc(NULL, FRAME_META));
    frame_reclaim();
    must(frame_limbo_count() == 1);
    cpus[1] = NULL;
    cpu_count = 1;
}
END_TEST

/* Long in limbo, which is by no means after a stamp of now, nor before one that is as old. */
START_TEST(test_long_in_limbo)
{
    uint32_t stamp;

    machine_start(256);
    cpu_count = 2;
    cpus[1] = &second;
    second.outside = 1;
    for (uint64_t age = 1; age < UINT32_MAX; age *= 3) {
        stamp = epoch_now;
        epoch_flush();
        frame_free(NULL, frame_alloc(NULL, FRAME_META));
        must(frame_reclaimed(stamp) && !frame_reclaimed(epoch_now));
        epoch_count += age;
        must(frame_reclaimed(stamp) && !frame_reclaimed(epoch_now));
        must(frame_force() && frame_limbo_count() == 0 && frame_reclaimed(epoch_now));
    }
    cpus[1] = NULL;
    cpu_count = 1;
}
END_TEST

/* With several pCPUs an idle one clears none while somebody has the lock. */
START_TEST(test_clearing_aside)
{
    uint64_t frames = 0;
    mfn_t m;

    machine_start(256);
    cpu_count = 2;
    spin_lock(&memory_lock);
    must(!frame_clear_step());
    spin_unlock(&memory_lock);
    while (frame_clear_step()) {
        frames++;
    }
    must(frames == machine_frames);
    must(frame_free_count() == frames && frame_limbo_count() == 0);
    while (m = frame_alloc(NULL, FRAME_META), !mfn_is_none(m)) {
        must(all_bytes(m, 0));
    }
    must(!frame_clear_step());
    cpu_count = 1;
}
END_TEST

/* Debug builds hand out no neighbours by habit. */
START_TEST(test_placed_by_chance)
{
    uint64_t neighbours = 0;
    mfn_t m, last = { 0 };

    machine_start(FRAMES);
    for (unsigned int i = 0; i < 1000; i++, last = m) {
        m = frame_alloc(NULL, FRAME_META);
        neighbours += m.n == last.n + 1 || m.n + 1 == last.n;
    }
    must(HYP_DEBUG ? neighbours < 20 : neighbours > 900);
}
END_TEST

/* Each misuse stops the machine: these would be reuse under a live reference. */
START_TEST(test_misuse)
{
    struct domain *d;
    mfn_t m;

    machine_start(FRAMES);
    d = machine_domain(200, 8, 0);
    m = frame_alloc(d, FRAME_RAM);
    switch (_i) {
    case 0:
        frame_of(m)->maps = 1;
        break;
    case 1:
        frame_of(m)->grants = 1;
        break;
    case 2:
        frame_of(m)->pins = 1;
        break;
    case 3:
        frame_of(m)->holds = 1;
        break;
    case 4:
        frame_of(m)->live = 1;
        break;
    case 5:
        frame_free(d, m); /* twice */
        break;
    case 6:
        d = NULL; /* not the owner */
        break;
    case 7:
        frame_map_put(frame_of(m));
        break;
    default:
        frame_unhold(frame_of(m));
        break;
    }
    frame_free(d, m);
}
END_TEST

/* Random use against a model: who has what, and nobody sees another's bytes or a TLB entry to it.
 */
START_TEST(test_random)
{
    static mfn_t have[2][512];
    unsigned int count[2] = { 0, 0 };
    struct domain *d[2];

    machine_start(700);
    machine_seed((uint64_t)_i + 1);
    for (int i = 0; i < 2; i++) {
        d[i] = machine_domain(400, 8, 0);
    }
    uint64_t base[2] = { d[0]->used, d[1]->used };
    for (int step = 0; step < 20000; step++) {
        unsigned int who = (unsigned int)machine_random(2);
        unsigned int *n = &count[who];

        if (machine_random(50) == 0) {
            epoch_flush();
        }
        for (uint64_t pieces = machine_random(_i == 0 ? 1 : 12); pieces > 0; pieces--) {
            (void)frame_clear_step();
        }
        if (machine_random(2) == 0 && *n < 512) {
            mfn_t m = frame_alloc(d[who], FRAME_RAM);

            if (mfn_is_none(m)) {
                must(d[who]->used == 400 || frame_free_count() == 0);
                must(frame_limbo_count() == 0);
                continue;
            }
            must(all_bytes(m, 0));
            memset(frame_va(m), (int)who + 1, 4096);
            have[who][(*n)++] = m;
        } else if (*n != 0) {
            unsigned int i = (unsigned int)machine_random(*n);
            mfn_t m = have[who][i];

            must(all_bytes(m, (uint8_t)(who + 1)));
            if (machine_random(2) == 0) {
                frame_map_get(frame_of(m));
                frame_map_put(frame_of(m));
            }
            frame_free(d[who], m);
            have[who][i] = have[who][--*n];
        }
        must(d[0]->used + d[1]->used + frame_free_count() == machine_frames);
        must(d[0]->used + d[1]->used ==
             base[0] + base[1] + count[0] + count[1] + frame_limbo_count());
    }
}
END_TEST

START_TEST(test_memory_map)
{
    machine_start(64);
    must(frame_is_memory(0, 1) && frame_is_memory(63, 1) && !frame_is_memory(64, 100));
    must(!frame_is_memory(16, 3) && frame_is_memory(16, 4) && frame_is_memory(15, 2));
    must(frame_is_memory(0, 1u << 30));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("frame");
    TCase *tests = tcase_create("frame");

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_all_frames_are_had_once_and_zeroed);
    tcase_add_test(tests, test_quota_is_the_limit);
    tcase_add_test(tests, test_transfer_moves_the_charge);
    tcase_add_test(tests, test_epoch);
    tcase_add_test(tests, test_limbo);
    tcase_add_test(tests, test_stamp_wraps);
    tcase_add_test(tests, test_no_limbo_after_flush);
    tcase_add_test(tests, test_alloc_forces_the_epoch);
    tcase_add_test(tests, test_limbo_is_bounded);
    tcase_add_test(tests, test_clearing);
    tcase_add_test(tests, test_clearing_aside);
    tcase_add_test(tests, test_forced_while_one_comes_in);
    tcase_add_test(tests, test_long_in_limbo);
    tcase_add_test(tests, test_placed_by_chance);
    tcase_add_loop_test_raise_signal(tests, test_misuse, 6, 0, 9);
    tcase_add_loop_test(tests, test_random, 0, 5);
    tcase_add_test(tests, test_memory_map);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
