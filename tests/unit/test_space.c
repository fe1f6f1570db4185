/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces against a map model: random map, unmap, protect, switch and flush, with the audit
 * recounting everything, a TLB that remembers, and memory running out at every allocation.
 *
 * sources: tests/unit/host_machine.c hyp/core/frame.c hyp/core/epoch.c hyp/core/p2m.c
 * sources: hyp/core/space.c hyp/core/space_table.c hyp/core/space_leaf.c hyp/core/grant.c
 * sources: hyp/core/dma.c hyp/core/resource.c hyp/core/guestmem.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c hyp/lib/lock.c
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_machine.h"

#include "arch/pte.h"
#include "audit.h"
#include "cpu.h"
#include "epoch.h"
#include "grant.h"
#include "p2m.h"
#include "resource.h"
#include "space_table.h"

#define FRAMES 8192u
#define RAM    64u
#define R      HV_MAP_READ
#define W      HV_MAP_WRITE
#define X      HV_MAP_EXEC
#define K      HV_KERNEL_IMAGE

static struct domain *d;
static struct space *s0, *s1;

static gfn_t gfn(uint64_t n)
{
    return (gfn_t){ n };
}

static void start(void)
{
    machine_start(FRAMES);
    d = machine_domain(4000, RAM, 200);
    must(resource_give_all(d) == 0);
    must(p2m_populate(d, gfn(0), RAM - 4) == RAM - 4);
    must(space_create(d) == 1);
    s0 = space_find(d, 0);
    s1 = space_find(d, 1);
    machine_run(d, s1);
}

/* As the hypercall does it: the range is asked first, the flush comes last. */
static int64_t map(struct space *s, uint64_t va, uint64_t g, uint64_t count, uint32_t rights)
{
    struct hv_map_run run = { va, g, (uint32_t)count, rights };
    int64_t done = space_range_ok(s, va, count) ? space_map(s, &run, HV_MAX_MAP_PAGES) : -HV_EINVAL;

    space_flush(s);
    return done;
}

/* The same pages, each a run of its own in one batch: what takes the short way where it can. */
static int64_t map_batch(struct space *s, uint64_t va, uint64_t g, uint64_t count, uint32_t rights)
{
    struct hv_map_run runs[HV_MAX_MAP_RUNS];

    for (uint64_t i = 0; i < count; i++) {
        runs[i] = (struct hv_map_run){ va + i * 4096, g + i, 1, rights };
    }
    return space_map_runs(s, runs, count);
}

static int64_t unmap(struct space *s, uint64_t va, uint64_t count)
{
    struct hv_map_run run = { va, 0, (uint32_t)count, 0 };
    int64_t done =
        space_range_ok(s, va, count) ? space_unmap(s, &run, HV_MAX_MAP_PAGES) : -HV_EINVAL;

    space_flush(s);
    return done;
}

static int64_t protect(struct space *s, uint64_t va, uint64_t count, uint32_t rights)
{
    struct hv_map_run run = { va, 0, (uint32_t)count, rights };
    int64_t done =
        space_range_ok(s, va, count) ? space_protect(s, &run, HV_MAX_MAP_PAGES) : -HV_EINVAL;

    space_flush(s);
    return done;
}

static struct frame *ram(uint64_t g)
{
    return frame_of(p2m_ram(d, gfn(g)));
}

/* A space that has a leaf table and has not taken the short way yet: what it remembers of the RAM
 * is nothing, for no GFN. */
START_TEST(test_remembers_no_ram_at_first)
{
    static const uint64_t none[] = { HV_MAX_RAM_PAGES,       HV_MAX_RAM_PAGES + 1,
                                     HV_MAX_RAM_PAGES + 511, HV_MAX_RAM_PAGES + 512,
                                     HV_MAX_RAM_PAGES - 1,   512 };

    start();
    must(map(s1, 0x10000, 0, 2, R) == 2);
    for (unsigned int i = 0; i < ARRAY_LEN(none); i++) {
        must(map_batch(s1, 0x20000, none[i], 1, R | W) == -HV_EINVAL);
        must(leaf_at(s1, 0x20000) == 0);
    }
    must(map_batch(s1, 0x20000, 1, 1, R | W) == 1);
    must(pte_frame(leaf_at(s1, 0x20000)) == p2m_ram(d, gfn(1)).n);
    machine_audit();
}
END_TEST

START_TEST(test_ranges)
{
    start();
    must(space_range_ok(s1, 0, 1) && space_range_ok(s1, HV_USER_END - 4096, 1));
    must(!space_range_ok(s1, HV_USER_END - 4096, 2)); /* the last page below the hole */
    must(!space_range_ok(s1, HV_USER_END, 1) && !space_range_ok(s1, (uint64_t)1 << 47, 1));
    must(!space_range_ok(s1, 1, 1) && !space_range_ok(s1, 4095, 1) && !space_range_ok(s1, 0, 0));
    must(!space_range_ok(s1, HV_KERNEL_START, 1) && !space_range_ok(s1, ~(uint64_t)0xfff, 1));
    must(!space_range_ok(s1, 0xffff840000000000, 1) && !space_range_ok(s1, 4096, ~(uint64_t)0));
    must(space_range_ok(s1, 0, HV_USER_END / 4096) &&
         !space_range_ok(s1, 0, HV_USER_END / 4096 + 1));
    must(space_range_ok(s0, HV_KERNEL_START, 1) && space_range_ok(s0, ~(uint64_t)0xfff, 1));
    must(!space_range_ok(s0, ~(uint64_t)0xfff, 2)); /* wraps to the user half */
    must(!space_range_ok(s0, HV_KERNEL_START - 4096, 1) && !space_range_ok(s0, 0, 1));
    must(!space_range_ok(s0, 0xffff840000000000, 1) && !space_range_ok(s0, K + 8, 1));
    must(space_range_ok(s0, HV_KERNEL_START, (uint64_t)8 << 27));
    must(!space_range_ok(s0, HV_KERNEL_START, ((uint64_t)8 << 27) + 1));
}
END_TEST

/* Which rights each kind of frame takes, in each half. */
START_TEST(test_rights)
{
    const uint64_t mmio = HV_GFN_MMIO + 0xfd000, shared = HV_GFN_SHARED;

    start();
    for (uint32_t r = 0; r < 10; r++) {
        bool known = r != 0 && r <= 7;
        bool wx = (r & (W | X)) == (W | X);

        must(map(s1, 0x1000, 1, 1, r) == (known ? 1 : -HV_EINVAL));
        must(map(s0, K, 1, 1, r) == (known && !wx ? 1 : -HV_EINVAL));
        must(map(s0, K + 0x1000, shared, 1, r) == (known && !(r & X) ? 1 : -HV_EINVAL));
        must(map(s1, 0x2000, shared, 1, r) == -HV_EINVAL);
        must(map(s0, K + 0x2000, mmio, 1, r) == (known && !(r & X) ? 1 : -HV_EINVAL));
        must(map(s1, 0x2000, mmio, 1, r) == (known && !(r & X) ? 1 : -HV_EINVAL));
        must(protect(s1, 0x1000, 1, r) == (known ? 1 : -HV_EINVAL));
        must(protect(s0, K, 1, r) == (known && !wx ? 1 : -HV_EINVAL));
        must(protect(s0, K + 0x1000, 1, r) == (known && !(r & X) ? 1 : -HV_EINVAL));
        must(protect(s1, 0x2000, 1, r) == (known && !(r & X) ? 1 : -HV_EINVAL));
        machine_audit();
    }
    must(map(s1, 0x3000, HV_GFN_MMIO + 5, 1, R) == -HV_EPERM); /* RAM by the back door */
    must(map(s1, 0x3000, HV_GFN_MMIO + 0xfee00, 1, R) == -HV_EPERM);
    must(map(s1, 0x3000, RAM - 1, 1, R) == -HV_EINVAL); /* empty */
    must(map(s1, 0x3000, RAM, 1, R) == -HV_EINVAL);
    must(map(s1, 0x3000, ~(uint64_t)0, 1, R) < 0);
    must(map(s1, 0x3000, HV_GFN_WINDOW, 1, R) == -HV_EINVAL);
}
END_TEST

START_TEST(test_leaf_bits)
{
    start();
    must(map(s1, 0x5000, 3, 1, R) == 1);
    must(leaf_at(s1, 0x5000) ==
         (p2m_ram(d, gfn(3)).n << 12 | PTE_PRESENT | PTE_USER | PTE_NX | PTE_RAM));
    must(map(s1, 0x5000, 3, 1, X) == 1);
    must(leaf_at(s1, 0x5000) == (p2m_ram(d, gfn(3)).n << 12 | PTE_PRESENT | PTE_USER | PTE_RAM));
    must(map(s1, 0x5000, HV_GFN_MMIO + 0xfd000, 1, R | W) == 1);
    must(leaf_at(s1, 0x5000) == ((uint64_t)0xfd000 << 12 | PTE_PRESENT | PTE_USER | PTE_WRITE |
                                 PTE_NX | PTE_UNCACHED | PTE_MMIO));
    /* The tag of a window goes through the entry and back. */
    for (uint64_t tag = 0; tag <= PTE_TAG_MASK; tag++) {
        must(pte_tag_of(pte_tag(tag) | PTE_FRAME | PTE_NX | 0x7ff) == tag);
        must((pte_tag(tag) & (PTE_FRAME | PTE_NX | PTE_KIND | 0x1ff)) == 0);
    }
}
END_TEST

/* What is in which view: users' pages never executable in the kernel view, hyp's slots in both. */
START_TEST(test_views)
{
    const pte_t *user, *kernel;

    start();
    must(map(s1, 0x5000, 3, 1, R | X) == 1 && map(s0, K, 4, 1, R | X) == 1);
    user = frame_va(s1->l4_user);
    kernel = frame_va(s1->l4_kernel);
    must(user[0] != 0 && (user[0] & PTE_NX) == 0 && kernel[0] == (user[0] | PTE_NX));
    must(user[511] == 0 && kernel[511] != 0);
    must(user[260] == kernel[260] && user[260] != 0);
    must(d->vcpu[0]->root_user == s1->l4_user.n << 12);
    must(d->vcpu[0]->root_kernel == s1->l4_kernel.n << 12);
    machine_audit();
    must(unmap(s1, 0x5000, 1) == 1);
    must(user[0] == 0 && kernel[0] == 0);
}
END_TEST

/* map over a present leaf: the old frame is let go, and no TLB has it when the call returns. */
START_TEST(test_replace)
{
    unsigned int flushes, page_flushes;
    mfn_t m;

    start();
    must(map(s1, 0x5000, 1, 1, R | W) == 1);
    must(machine_touch(0x5000, true, &m) && m.n == p2m_ram(d, gfn(1)).n);
    flushes = machine_flushes;
    page_flushes = machine_page_flushes;
    must(map(s1, 0x5000, 2, 1, R) == 1);
    must(machine_flushes == flushes && machine_page_flushes == page_flushes + 1);
    must(ram(1)->maps == 0 && ram(2)->maps == 1);
    must(machine_touch(0x5000, false, &m) && m.n == p2m_ram(d, gfn(2)).n);
    must(!machine_touch(0x5000, true, &m));
    /* Not present to present needs no flush; a batch needs one. */
    page_flushes = machine_page_flushes;
    must(map(s1, 0x6000, 2, 4, R) == 4);
    must(machine_flushes == flushes && machine_page_flushes == page_flushes);
    must(map(s1, 0x6000, 3, 4, R) == 4);
    must(machine_flushes == flushes + 1 && machine_page_flushes == page_flushes);
    must(map(s1, 0x6000, 3, 1, R) == 1 && ram(3)->maps == 1); /* by itself */
    must(machine_touch(0x6000, false, &m) && m.n == p2m_ram(d, gfn(3)).n);
    must(map_batch(s1, 0x6000, 7, 1, R) == 1);
    must(machine_touch(0x6000, false, &m) && m.n == p2m_ram(d, gfn(7)).n);
    must(map_batch(s1, 0x6000, 8, 4, R) == 4);
    must(machine_touch(0x6000, false, &m) && m.n == p2m_ram(d, gfn(8)).n);
    machine_audit();
}
END_TEST

/* A space that is not loaded has nothing in the TLB; the kernel half always may. */
START_TEST(test_flush_where_needed)
{
    unsigned int flushes;
    mfn_t m;

    start();
    must(space_create(d) == 2);
    must(map(s1, 0x5000, 1, 4, R | W) == 4 && map(s0, K, 1, 4, R | W) == 4);
    must(machine_touch(0x5000, true, &m) && machine_touch(K, true, &m));
    must(unmap(s1, 0x5000, 4) == 4 && unmap(s0, K, 4) == 4);
    must(!machine_touch(0x5000, true, &m) && !machine_touch(K, true, &m));
    must(map(s1, 0x5000, 1, 4, R | W) == 4);
    machine_run(d, space_find(d, 2));
    flushes = machine_flushes + machine_page_flushes;
    must(unmap(s1, 0x5000, 4) == 4);
    must(machine_flushes + machine_page_flushes == flushes);
    /* What it named still waits for a flush after the unmapping. */
    must(p2m_give_back(d, gfn(1), 1) == 1 && frame_limbo_count() > 0);
    machine_audit();
}
END_TEST

START_TEST(test_protect)
{
    mfn_t m;

    start();
    must(map(s1, 0x5000, 1, 2, R | W) == 2);
    must(machine_touch(0x5000, true, &m));
    must(protect(s1, 0x4000, 4, R) == 4); /* holes count as done */
    must(!machine_touch(0x5000, true, &m) && machine_touch(0x5000, false, &m));
    must(ram(1)->maps == 1);
    must(protect(s1, 0x5000, 1, R | W) == 1 && machine_touch(0x5000, true, &m));
    must(protect(s1, (uint64_t)1 << 40, 1024, R) == 1024); /* no tables there, none made */
    must(leaf_at(s1, (uint64_t)1 << 40) == 0);
    machine_audit();
}
END_TEST

START_TEST(test_space_numbers)
{
    start();
    for (int64_t i = 2; i < HV_MAX_SPACES; i++) {
        must(space_create(d) == i);
    }
    must(space_create(d) == -HV_ENOSPC);
    must(space_find(d, HV_MAX_SPACES) == NULL && space_find(d, ~(uint64_t)0) == NULL);
    must(space_find_any(d, HV_MAX_SPACES) == NULL);
    must(space_destroy_step(d, s1) == -HV_EBUSY); /* loaded */
    must(space_find(d, 1) == s1);
    must(space_destroy_step(d, space_find(d, 77)) == 0);
    must(space_find(d, 77) == NULL && space_create(d) == 77);
    machine_audit();
}
END_TEST

/* Switching takes the old space's translations along; the space that was left can go, and its tops
 * wait for a flush like every table. */
START_TEST(test_switch)
{
    struct space *s2;
    struct frame *tops[2];
    mfn_t m;

    start();
    must(space_create(d) == 2);
    s2 = space_find(d, 2);
    must(map(s1, 0x5000, 1, 1, R) == 1 && map(s2, 0x5000, 2, 1, R) == 1);
    must(machine_touch(0x5000, false, &m) && m.n == p2m_ram(d, gfn(1)).n);
    space_load(d->vcpu[0], s2);
    must(machine_touch(0x5000, false, &m) && m.n == p2m_ram(d, gfn(2)).n);
    must(s1->loaded == 0 && s2->loaded == 1 && space_destroy_step(d, s2) == -HV_EBUSY);
    tops[0] = frame_of(s1->l4_user);
    tops[1] = frame_of(s1->l4_kernel);
    while (space_destroy_step(d, s1) == 1) {
    }
    must(tops[0]->state == FRAME_LIMBO && tops[1]->state == FRAME_LIMBO);
    epoch_flush();
    frame_reclaim();
    must(tops[0]->state == FRAME_FREE && tops[1]->state == FRAME_FREE);
    machine_audit();
    tops[0] = frame_of(d->kernel_l3[7]);
    machine_kill(d);
    must(tops[0]->state == FRAME_LIMBO);
}
END_TEST

/* A space with leaves far apart goes in bounded steps, and takes nothing but destroy meanwhile. */
START_TEST(test_destroy)
{
    uint64_t used, limbo;
    struct space *s2;
    int steps = 0;

    start();
    used = d->used;
    must(space_create(d) == 2);
    s2 = space_find(d, 2);
    for (uint64_t i = 0; i < 30; i++) {
        must(map(s2, i << 36 | i << 28 | i << 20, i, 20, R | W) == 20);
    }
    must(map(s2, HV_USER_END - 4096, 0, 1, R) == 1);
    machine_audit();
    while (space_destroy_step(d, s2) == 1) {
        must(space_find(d, 2) == NULL && space_find_any(d, 2) == s2);
        machine_audit();
        steps++;
    }
    must(steps > 10 && space_find_any(d, 2) == NULL);
    for (uint64_t i = 0; i < RAM - 4; i++) {
        must(ram(i)->maps == 0);
    }
    limbo = frame_limbo_count();
    must(d->used == used + limbo && limbo > 60);
    epoch_flush();
    frame_reclaim();
    must(d->used == used);
    machine_audit();
}
END_TEST

/* ENOMEM at each allocation: nothing half done, no empty table, and the same call works later. */
START_TEST(test_out_of_memory)
{
    const uint64_t va[] = { 0x7f0000000000, 0x7f0000000000 + ((uint64_t)1 << 30), 0x200000 - 4096 };

    start();
    for (unsigned int i = 0; i < ARRAY_LEN(va); i++) {
        for (uint64_t room = 0;; room++) {
            uint64_t used;
            int64_t done;

            frame_reclaim_all();
            used = d->used;
            d->quota = used + room;
            done = map(s1, va[i], 5, 2, R); /* the last one straddles two leaf tables */
            d->quota = 4000;
            machine_audit();
            if (done == 2) {
                break;
            }
            must(room < 6);
            if (done == 1) {
                must(leaf_at(s1, va[i]) != 0 && unmap(s1, va[i], 1) == 1);
            } else {
                must(done == -HV_ENOMEM && d->used == used && leaf_at(s1, va[i]) == 0);
            }
        }
    }
    /* And of creating a space: 3 frames or nothing. */
    frame_reclaim_all();
    for (uint64_t room = 0; room < 3; room++) {
        d->quota = d->used + room;
        must(space_create(d) == -HV_ENOMEM);
        frame_reclaim_all();
        must(d->quota == d->used + room);
    }
    d->quota = d->used + 3;
    must(space_create(d) == 2);
}
END_TEST

/* A call that starts with no budget left does nothing; one with little does that much. */
START_TEST(test_budget)
{
    struct hv_map_run run = { 0x10000, 0, 20, R };

    start();
    must(space_map(s1, &run, 7) == 7 && leaf_at(s1, 0x16000) != 0 && leaf_at(s1, 0x17000) == 0);
    must(space_protect(s1, &run, 3) == 3);
    must(space_unmap(s1, &run, 5) == 5 && leaf_at(s1, 0x15000) != 0);
    must(unmap(s1, 0, 1u << 31) == HV_MAX_MAP_PAGES); /* the bound on one call */
    must(leaf_at(s1, 0x16000) == 0);
    machine_audit();
}
END_TEST

/* Every way in which an entry can be wrong, behind one that has warmed up the short way; the entry
 * in front of it is done, the one behind it is not. */
START_TEST(test_batch_refuses)
{
    const uint64_t top = HV_USER_END - 8192;
    const struct {
        struct hv_map_run run;
        int error;
    } bad[] = {
        { { top + 8192, 1, 1, R }, -HV_EINVAL }, /* the last page below the hole */
        { { top + 1, 1, 1, R }, -HV_EINVAL },    /* not aligned */
        { { top + 4095, 1, 1, R }, -HV_EINVAL },
        { { HV_KERNEL_START, 1, 1, R }, -HV_EINVAL },
        { { 0xffff840000000000, 1, 1, R }, -HV_EINVAL },
        { { top, 1, 0, R }, -HV_EINVAL }, /* no page */
        { { top, 1, 3, R }, -HV_EINVAL }, /* runs into the last page */
        { { top, 1, 1, 0 }, -HV_EINVAL }, /* no right */
        { { top, 1, 1, 8 }, -HV_EINVAL },
        { { top, 1, 1, ~0u }, -HV_EINVAL },
        { { top, RAM - 1, 1, R }, -HV_EINVAL }, /* empty */
        { { top, RAM, 1, R }, -HV_EINVAL },     /* beyond the end, in the same 512 */
        { { top, 512, 1, R }, -HV_EINVAL },
        { { top, ~(uint64_t)0, 1, R }, -HV_EPERM },
        { { top, HV_GFN_WINDOW, 1, R }, -HV_EINVAL },
        { { top, HV_GFN_MMIO + 5, 1, R }, -HV_EPERM },
    };

    start();
    must(map(s1, top, 0, 2, R | W) == 2);
    for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
        struct hv_map_run runs[3] = { { top, 2, 1, R }, bad[i].run, { top + 4096, 3, 1, R } };

        must(space_map_runs(s1, runs, 3) == 1);
        must(pte_frame(leaf_at(s1, top)) == p2m_ram(d, gfn(2)).n);
        must(pte_frame(leaf_at(s1, top + 4096)) == p2m_ram(d, gfn(1)).n);
        must(space_map_runs(s1, &runs[1], 2) == bad[i].error);
        must(pte_frame(leaf_at(s1, top)) == p2m_ram(d, gfn(2)).n);
        must(map(s1, top, 0, 2, R | W) == 2);
        machine_audit();
    }
    /* A run that stops early ends the call, though the next one would do. */
    struct hv_map_run part[2] = { { 0x10000, RAM - 6, 4, R }, { 0x20000, 1, 1, R } };
    must(space_map_runs(s1, part, 2) == 2 && leaf_at(s1, 0x20000) == 0);
    /* Write and execute: in the user half alone. */
    struct hv_map_run wx = { top, 2, 1, R | W | X };
    must(space_map_runs(s1, &wx, 1) == 1);
    must(map(s0, K, 0, 2, R) == 2);
    wx.address = K;
    must(space_map_runs(s0, &wx, 1) == -HV_EINVAL);
    wx.address = K - 4096; /* below what is remembered, and no table there */
    wx.rights = R;
    must(space_map_runs(s0, &wx, 1) == 1);
    machine_audit();
}
END_TEST

/* The bound on one call holds over all of its runs, whichever way each went. */
START_TEST(test_batch_bound)
{
    struct hv_map_run runs[HV_MAX_MAP_RUNS];

    start();
    must(map(s1, 0, 0, 1, R) == 1);
    for (unsigned int i = 0; i < HV_MAX_MAP_RUNS; i++) {
        runs[i] = (struct hv_map_run){ i * 0x40000, i % 50, i % 2 == 0 ? 1 : 10, R };
    }
    must(space_map_runs(s1, runs, HV_MAX_MAP_RUNS) == 64 + 640);
    for (unsigned int i = 0; i < HV_MAX_MAP_RUNS; i++) {
        runs[i] = (struct hv_map_run){ i < 100 ? i * 0x40000 : 0, 0, i < 100 ? 11 : 1, R };
    }
    must(space_map_runs(s1, runs, HV_MAX_MAP_RUNS) == HV_MAX_MAP_PAGES);
    machine_audit();
}
END_TEST

/* ---- copy and query ---- */

static int64_t copy(struct space *to, struct space *from, uint64_t va, uint64_t count, bool protect)
{
    int64_t done = space_copy(to, from, va, count, protect);

    space_flush(from);
    space_flush(to);
    return done;
}

static struct space *another_space(void)
{
    int64_t id = space_create(d);

    must(id > 0);
    return space_find(d, (uint64_t)id);
}

/* What the processor does when it uses a page. */
static void use_page(struct space *s, uint64_t va, bool write)
{
    pte_t *e = &leaf_table(s, va)[pte_index(va, 1)];

    *e |= PTE_ACCESSED | (write ? PTE_DIRTY : 0);
}

/* Rights go along, holes stay, what stood in the target is replaced where something comes; with
 * `protect` neither side may write, and the side that runs knows at once. */
START_TEST(test_copy)
{
    struct space *s2;
    mfn_t m;

    start();
    s2 = another_space();
    must(map(s1, 0x5000, 1, 1, R | W) == 1 && map(s1, 0x6000, 2, 1, R | X) == 1);
    must(map(s1, 0x8000, 3, 1, R | W | X) == 1);
    must(map(s2, 0x6000, 9, 1, R) == 1 && map(s2, 0x7000, 10, 1, R | W) == 1);
    must(machine_touch(0x5000, true, &m));
    use_page(s1, 0x5000, true);
    must(copy(s2, s1, 0x5000, 4, false) == 4);
    machine_audit();
    must(leaf_at(s2, 0x5000) == (leaf_at(s1, 0x5000) & ~(PTE_ACCESSED | PTE_DIRTY)));
    must(leaf_at(s1, 0x5000) & PTE_DIRTY);
    must(leaf_at(s2, 0x6000) == leaf_at(s1, 0x6000) && leaf_at(s2, 0x8000) == leaf_at(s1, 0x8000));
    must(pte_frame(leaf_at(s2, 0x7000)) == p2m_ram(d, gfn(10)).n);
    must(ram(1)->maps == 2 && ram(9)->maps == 0 && ram(10)->maps == 1);
    must(machine_touch(0x5000, true, &m)); /* nothing was taken */
    must(copy(s2, s1, 0x5000, 4, true) == 4);
    must(!machine_touch(0x5000, true, &m) && machine_touch(0x5000, false, &m));
    must((leaf_at(s1, 0x5000) & PTE_WRITE) == 0 && (leaf_at(s2, 0x5000) & PTE_WRITE) == 0);
    must((leaf_at(s1, 0x8000) & (PTE_WRITE | PTE_NX)) == 0 && leaf_at(s2, 0x8000) != 0);
    must(leaf_at(s1, 0x5000) & PTE_DIRTY);
    must(ram(1)->maps == 2);
    must(protect(s1, 0x5000, 1, R | W) == 1 && machine_touch(0x5000, true, &m));
    machine_audit();
}
END_TEST

/* The target may be the one that runs, and what it had there must not be used any more. */
START_TEST(test_copy_into_the_loaded_space)
{
    struct space *s2;
    mfn_t m;

    start();
    s2 = another_space();
    must(map(s2, 0x5000, 1, 2, R) == 2 && map(s1, 0x5000, 3, 2, R | W) == 2);
    must(machine_touch(0x6000, true, &m) && m.n == p2m_ram(d, gfn(4)).n);
    must(copy(s1, s2, 0x5000, 2, false) == 2);
    must(!machine_touch(0x6000, true, &m) && machine_touch(0x6000, false, &m));
    must(m.n == p2m_ram(d, gfn(2)).n && ram(3)->maps == 0 && ram(4)->maps == 0);
    machine_audit();
}
END_TEST

/* A window has one leaf at most: it stays on its side, writable as it was, and where something else
 * is put over one its record is free again. */
START_TEST(test_copy_and_windows)
{
    struct domain *owner;
    struct space *s2;
    struct window *w;
    int64_t ref;

    start();
    s2 = another_space();
    owner = machine_domain(200, 8, 0);
    must(p2m_populate(owner, gfn(0), 1) == 1);
    ref = grant_create(owner, d->id, gfn(0), 1, R | W);
    must(ref > 0);
    must(grant_map(d,
                   &(struct hv_grant_map){ .owner = owner->id,
                                           .ref = (uint64_t)ref,
                                           .window = HV_GFN_WINDOW,
                                           .port = 1,
                                           .rights = R | W,
                                           .count = 1 },
                   1) == 1);
    w = p2m_window_at(d, 0);
    must(map(s1, 0x5000, HV_GFN_WINDOW, 1, R | W) == 1 && map(s1, 0x6000, 1, 1, R) == 1);
    must(map(s1, 0x4000, 3, 1, R | W) == 1);
    must(copy(s2, s1, 0x5000, 2, true) == 2 && copy(s2, s1, 0x4000, 3, true) == 3);
    must((leaf_at(s1, 0x5000) & PTE_WRITE) && leaf_at(s2, 0x5000) == 0);
    must(w->space == s1 && frame_of(w->mfn)->maps == 1);
    machine_audit();
    must(map(s2, 0x5000, 2, 1, R) == 1 && copy(s1, s2, 0x5000, 1, false) == 1);
    must(w->space == NULL && frame_of(w->mfn)->maps == 0 && ram(2)->maps == 2);
    machine_audit();
}
END_TEST

/* MMIO is left out, untouched on its own side. */
START_TEST(test_copy_leaves_out)
{
    struct space *s2;
    pte_t mmio;

    start();
    s2 = another_space();
    must(map(s1, 0x5000, HV_GFN_MMIO + 0xfd000, 1, R | W) == 1);
    mmio = leaf_at(s1, 0x5000);
    must(copy(s2, s1, 0x5000, 1, true) == 1);
    must(leaf_at(s1, 0x5000) == mmio && leaf_at(s2, 0x5000) == 0 && s2->leaf_pages == 0);
    machine_audit(); /* no empty table */
    must(map(s1, 0x6000, 1, 1, R | W) == 1 && copy(s2, s1, 0x4000, 9, true) == 9);
    must(leaf_at(s1, 0x5000) == mmio && leaf_at(s2, 0x5000) == 0 && leaf_at(s2, 0x6000) != 0);
    machine_audit();
}
END_TEST

/* A unit is an entry or a hole of any size: a whole half goes in few calls. */
START_TEST(test_copy_bound)
{
    const uint64_t half = HV_USER_END >> 12;
    struct space *s2;
    uint64_t page = 0, calls = 0;

    start();
    s2 = another_space();
    must(copy(s2, s1, 0, half, true) == (int64_t)half);
    for (uint64_t i = 0; i < 30; i++) {
        must(map(s1, i << 36 | i << 28 | i << 20, i, 20, R | W) == 20);
    }
    must(map(s1, 100 * 4096, 0, 40, R | W) == 40 && map(s1, HV_USER_END - 4096, 7, 1, R) == 1);
    while (page < half) {
        int64_t done = copy(s2, s1, page << 12, half - page, true);

        must(done > 0);
        page += (uint64_t)done;
        calls++;
        machine_audit();
    }
    must(page == half && calls > 10 && calls < 40);
    for (uint64_t i = 0; i < 30; i++) {
        for (uint64_t n = 0; n < 20; n++) {
            uint64_t va = (i << 36 | i << 28 | i << 20) + n * 4096;

            must(leaf_at(s2, va) == leaf_at(s1, va) && (leaf_at(s1, va) & PTE_WRITE) == 0);
        }
    }
    must(leaf_at(s2, HV_USER_END - 4096) == leaf_at(s1, HV_USER_END - 4096));
    /* Leaves behind each other: as many as the bound says, in one call. */
    for (uint64_t i = 0; i < 30; i++) {
        must(map(s1, 0x10000000 + i * 40 * 4096, 0, 40, R | W) == 40);
    }
    must(copy(s2, s1, 0x10000000, 1200, true) == HV_MAX_COPY_PAGES);
    must(leaf_at(s2, 0x10000000 + 1023 * 4096) != 0 && leaf_at(s2, 0x10000000 + 1024 * 4096) == 0);
    must(leaf_at(s1, 0x10000000 + 1024 * 4096) & PTE_WRITE);
}
END_TEST

/* ENOMEM at each allocation: what was done is whole, and nothing else has changed. */
START_TEST(test_copy_out_of_memory)
{
    const uint64_t va = ((uint64_t)1 << 39) - 2 * 4096; /* over a border of the top */

    start();
    must(map(s1, va, 5, 4, R | W) == 4);
    for (uint64_t room = 0;; room++) {
        struct space *s2 = another_space();
        uint64_t used;
        int64_t done;

        frame_reclaim_all();
        used = d->used;
        d->quota = used + room;
        done = copy(s2, s1, va - 4096, 6, true);
        d->quota = 4000;
        machine_audit();
        must(done == (room < 3 ? 1 : room < 6 ? 3 : 6));
        must(room >= 3 || d->used == used);
        for (int64_t i = 0; i < 4; i++) {
            uint64_t at = va + (uint64_t)i * 4096;

            must((leaf_at(s2, at) != 0) == (i + 1 < done));
            must(((leaf_at(s1, at) & PTE_WRITE) == 0) == (i + 1 < done));
        }
        if (done == 1) { /* the hole in front of it is not progress enough to hide the error */
            d->quota = d->used + room;
            must(copy(s2, s1, va, 4, true) == -HV_ENOMEM);
            d->quota = 4000;
        }
        must(protect(s1, va, 4, R | W) == 4);
        while (space_destroy_step(d, s2) == 1) {
        }
        if (done == 6) {
            break;
        }
        must(room < 7);
    }
    machine_audit();
}
END_TEST

START_TEST(test_query)
{
    uint8_t out[12];
    mfn_t m;

    start();
    must(map(s1, 0x5000, 1, 1, R | W) == 1 && map(s1, 0x6000, 2, 1, R | X) == 1);
    must(map(s1, 0x7000, 3, 1, R) == 1 && map(s1, 0x9000, HV_GFN_MMIO + 0xfd000, 1, R) == 1);
    must(machine_touch(0x5000, true, &m) && machine_touch(0x7000, false, &m));
    use_page(s1, 0x5000, true);
    use_page(s1, 0x7000, false);
    for (int clear = 0; clear < 3; clear++) {
        const uint8_t used = clear == 2 ? 0 : HV_QUERY_ACCESSED;
        const uint8_t written = clear == 2 ? 0 : HV_QUERY_ACCESSED | HV_QUERY_DIRTY;
        unsigned int flushes = machine_flushes;

        memset(out, 0xa5, sizeof(out));
        space_query(s1, 0x4000, 7, out, clear > 0);
        space_flush(s1);
        must(out[0] == 0 && out[1] == (R | W | written) && out[2] == (R | X));
        must(out[3] == (R | used) && out[4] == 0 && out[5] == (R | HV_QUERY_NOT_RAM));
        must(out[6] == 0 && out[7] == 0xa5);
        must(machine_flushes == flushes + (clear == 1));
        must(machine_tlb_has(p2m_ram(d, gfn(1))) == (clear == 0));
    }
    machine_audit();
    /* One page: its translation alone goes. */
    must(machine_touch(0x5000, true, &m) && machine_touch(0x7000, false, &m));
    use_page(s1, 0x5000, true);
    space_query(s1, 0x5000, 1, out, true);
    space_flush(s1);
    must(out[0] == (R | W | HV_QUERY_ACCESSED | HV_QUERY_DIRTY));
    must(!machine_tlb_has(p2m_ram(d, gfn(1))) && machine_tlb_has(p2m_ram(d, gfn(3))));
    /* Where there is no table at all. */
    memset(out, 0xa5, sizeof(out));
    space_query(s1, (uint64_t)1 << 40, 12, out, true);
    for (unsigned int i = 0; i < 12; i++) {
        must(out[i] == 0);
    }
    must(map(s0, K, 4, 1, R | W) == 1);
    space_query(s0, K - 4096, 3, out, false);
    must(out[0] == 0 && out[1] == (R | W) && out[2] == 0);
}
END_TEST

START_TEST(test_walk)
{
    mfn_t m;
    struct vcpu *v;

    start();
    v = d->vcpu[0];
    must(map(s1, 0x5000, 1, 1, R) == 1 && map(s0, K, 2, 1, R | W) == 1);
    must(map(s1, 0x6000, HV_GFN_MMIO + 0xfd000, 1, R | W) == 1);
    must(space_walk(v, 0x5fff, false, &m) == 0 && m.n == p2m_ram(d, gfn(1)).n);
    must(space_walk(v, 0x5000, true, &m) == -HV_EPERM);
    must(space_walk(v, K + 8, true, &m) == 0 && m.n == p2m_ram(d, gfn(2)).n);
    must(space_walk(v, 0x6000, false, &m) == -HV_EFAULT); /* no memory */
    must(space_walk(v, 0x7000, false, &m) == -HV_EFAULT);
    must(space_walk(v, HV_USER_END, false, &m) == -HV_EFAULT);
    must(space_walk(v, 0xffff840000000000, false, &m) == -HV_EFAULT); /* the direct map */
    must(space_walk(v, (uint64_t)1 << 47, false, &m) == -HV_EFAULT);
}
END_TEST

/* ---- against a model ---- */

#define PAGES 4096u /* modelled user pages, in 8 far clusters of 512 around table borders */

static struct {
    uint64_t gfn; /* + 1; 0: hole */
    uint32_t rights;
} model[2][PAGES];

static uint64_t va_of(unsigned int half, uint64_t page)
{
    uint64_t cluster = page / 512, base = half == 0 ? HV_KERNEL_START : 0;

    /* each cluster begins 256 pages below a border of 2 MiB, 1 GiB or 512 GiB */
    return base + ((uint64_t)1 << (21 + 9 * (cluster % 3))) * (cluster / 3 + 1) +
           (page % 512) * 4096 - ((uint64_t)256 << 12);
}

static void check_model(unsigned int half, struct space *s)
{
    for (uint64_t i = 0; i < PAGES; i++) {
        pte_t e = leaf_at(s, va_of(half, i));
        uint32_t r = model[half][i].rights;

        if (model[half][i].gfn == 0) {
            must(e == 0);
            continue;
        }
        must(pte_frame(e) == p2m_ram(d, gfn(model[half][i].gfn - 1)).n);
        must(((e & PTE_WRITE) != 0) == ((r & W) != 0) && ((e & PTE_NX) == 0) == ((r & X) != 0));
    }
}

static void check_maps(void)
{
    int32_t maps[RAM] = { 0 };

    for (unsigned int half = 0; half < 2; half++) {
        for (uint64_t i = 0; i < PAGES; i++) {
            if (model[half][i].gfn != 0) {
                maps[model[half][i].gfn - 1]++;
            }
        }
    }
    for (uint64_t g = 0; g < RAM - 4; g++) {
        must(ram(g)->maps == maps[g]);
    }
}

/* An access sees what the model says: a stale TLB entry would show here. */
static void access_page(unsigned int half, uint64_t page)
{
    bool write = machine_random(2) != 0, hit;
    mfn_t m;

    hit = machine_touch(va_of(half, page), write, &m);
    if (model[half][page].gfn == 0 || (write && !(model[half][page].rights & W))) {
        must(!hit);
    } else {
        must(hit && m.n == p2m_ram(d, gfn(model[half][page].gfn - 1)).n);
    }
}

/* One random call; the model follows by what the call says that it did. */
static void random_call(void)
{
    unsigned int half = (unsigned int)machine_random(2);
    struct space *s = half == 0 ? s0 : s1;
    uint64_t page = machine_random(PAGES), count = 1 + machine_random(30);
    uint64_t g = machine_random(RAM - 2), verb = machine_random(3);
    uint32_t rights = (uint32_t)(1 + machine_random(7));
    int64_t done, expect;

    if (page % 512 + count > 512) {
        count = 512 - page % 512;
    }
    expect = (int64_t)count;
    if (verb != 0 && half == 0 && (rights & (W | X)) == (W | X)) {
        expect = -HV_EINVAL;
    } else if (verb == 2 && g + count > RAM - 4) {
        expect = g < RAM - 4 ? (int64_t)(RAM - 4 - g) : -HV_EINVAL;
    }
    done = verb == 0                ? unmap(s, va_of(half, page), count)
           : verb == 1              ? protect(s, va_of(half, page), count, rights)
           : machine_random(2) == 0 ? map(s, va_of(half, page), g, count, rights)
                                    : map_batch(s, va_of(half, page), g, count, rights);
    must(done == expect);
    for (int64_t i = 0; i < done; i++) {
        uint64_t at = page + (uint64_t)i;

        if (verb == 2) {
            model[half][at].gfn = g + (uint64_t)i + 1;
        } else if (verb == 0) {
            model[half][at].gfn = 0;
        }
        model[half][at].rights = rights;
    }
    for (uint64_t i = 0; i < count; i += 3) {
        access_page(half, page + i);
    }
}

START_TEST(test_random_against_model)
{
    start();
    memset(model, 0, sizeof(model));
    machine_seed((uint64_t)_i + 20);
    for (int step = 0; step < 4000; step++) {
        random_call();
        for (int i = 0; i < 4; i++) {
            access_page((unsigned int)machine_random(2), machine_random(PAGES));
        }
        if (step % 200 == 0) {
            check_model(0, s0);
            check_model(1, s1);
            check_maps();
            machine_audit();
        }
    }
    must(machine_kill(d) > 0);
    machine_bury(d);
    must(frame_free_count() == machine_frames);
}
END_TEST

/*
 * Memory runs out at each entry of each batch verb: every amount of room from none to enough, for a
 * batch in which many entries want tables. What the call says that it did is done, nothing else is,
 * and no frame is charged that a recount does not find.
 */
#define OOM_RUNS 12u

/* Each a different distance from the one before: tables at every level, and none. */
static uint64_t oom_va(uint64_t i)
{
    static const uint64_t far[] = {
        0,       1,         0x200,     0x201,     0x40000,   0x40001,
        0x40200, 0x8000000, 0x8000001, 0x8000200, 0x8040000, 0x10000000
    };

    return (far[i] << 12) + ((uint64_t)3 << 39);
}

START_TEST(test_out_of_memory_in_batches)
{
    struct hv_map_run runs[OOM_RUNS];
    int64_t last = -HV_ENOMEM, done = 0;

    start();
    for (uint64_t room = 0; done < (int64_t)OOM_RUNS * 2; room++) {
        struct space *s2 = another_space();
        uint64_t used;

        for (uint64_t i = 0; i < OOM_RUNS; i++) {
            /* Alone at the batch's short way, and in pairs at the general one. */
            runs[i] = (struct hv_map_run){ oom_va(i), 2 * i, _i == 0 ? 1 : 2, R | W };
        }
        frame_reclaim_all();
        used = d->used;
        d->quota = used + room;
        done = space_map_runs(s2, runs, OOM_RUNS);
        d->quota = 4000;
        machine_audit();
        must(done == -HV_ENOMEM || done > 0);
        must(room < 40 && done >= last);
        must(done != -HV_ENOMEM || d->used == used);
        last = done;
        for (uint64_t i = 0, page = 0; i < OOM_RUNS; i++) {
            for (uint64_t n = 0; n < runs[i].count; n++, page++) {
                pte_t e = leaf_at(s2, oom_va(i) + n * 4096);

                if (i + 1 < OOM_RUNS && oom_va(i) + n * 4096 == oom_va(i + 1))
                    continue; /* the next run replaces it, or has */
                must((e != 0) == ((int64_t)page < done));
                must(e == 0 || pte_frame(e) == p2m_ram(d, gfn(2 * i + n)).n);
            }
        }
        while (space_destroy_step(d, s2) == 1) {
        }
        frame_reclaim_all();
        must(d->used == used - 3); /* its record and tops too */
        if (_i == 0 && done == (int64_t)OOM_RUNS) {
            return;
        }
    }
}
END_TEST

/* The same of populate, with the tables of the P2M, and of pinning for DMA, which is all or none.
 */
START_TEST(test_out_of_memory_elsewhere)
{
    struct hv_dma_run dma[8];
    int64_t done = 0;

    start();
    for (uint64_t room = 0; done != 4; room++) {
        struct domain *other = machine_domain(600, 1100, 0);
        uint64_t used = other->used;

        other->quota = used + room;
        done = p2m_populate(other, gfn(510), 4); /* the last of one table, the first of the next */
        must(done == (room < 2 ? -HV_ENOMEM : room < 3 ? 1 : room < 5 ? 2 : room < 6 ? 3 : 4));
        must(other->populated == (done < 0 ? 0 : (uint64_t)done));
        must(other->used <= other->quota && (done > 0 || other->used == used));
        for (uint64_t i = 0; i < 4; i++) {
            must(mfn_is_none(p2m_ram(other, gfn(510 + i))) == ((int64_t)i >= done));
        }
        machine_audit();
        machine_kill(other);
        machine_bury(other);
    }
    for (uint64_t room = 0;; room++) {
        uint64_t used;

        frame_reclaim_all();
        used = d->used;
        d->quota = used + room;
        done = dma_map(d, 0x18, gfn(4), 8, dma);
        d->quota = 4000;
        machine_audit();
        if (done > 0) {
            break;
        }
        must(done == -HV_ENOMEM && room < 12 && d->used <= used + 2); /* its tables stay */
        for (uint64_t i = 4; i < 12; i++) {
            must(ram(i)->pins == 0);
        }
    }
}
END_TEST

/* Three user spaces and copies between them, against a model; the one that is loaded is looked at
 * through the TLB. */
#define COPIES 1536u

static struct {
    uint64_t gfn; /* + 1; 0: hole */
    uint32_t rights;
} twin[3][COPIES];
static struct space *twins[3];

static uint64_t twin_va(uint64_t page)
{
    return ((uint64_t)1 << 30) - ((uint64_t)700 << 12) + (page << 12);
}

static void twin_call(void)
{
    uint64_t a = machine_random(3), b = machine_random(3), page = machine_random(COPIES);
    uint64_t count = 1 + machine_random(machine_random(4) == 0 ? 1000 : 30),
             verb = machine_random(4);
    uint32_t rights = (uint32_t)(1 + machine_random(7));
    uint64_t g = machine_random(RAM - 4);
    bool protects = machine_random(2) != 0;

    count = count < COPIES - page ? count : COPIES - page;
    if (verb == 0) {
        count = count < RAM - 4 - g ? count : RAM - 4 - g;
        must(map(twins[a], twin_va(page), g, count, rights) == (int64_t)count);
    } else if (verb == 1) {
        must(unmap(twins[a], twin_va(page), count) == (int64_t)count);
    } else if (verb == 2) {
        must(protect(twins[a], twin_va(page), count, rights) == (int64_t)count);
    } else if (a != b) {
        must(copy(twins[b], twins[a], twin_va(page), count, protects) == (int64_t)count);
    } else {
        space_load(d->vcpu[0], twins[a]);
    }
    for (uint64_t i = page; i < page + count; i++) {
        if (verb == 0) {
            twin[a][i].gfn = g + (i - page) + 1;
            twin[a][i].rights = rights;
        } else if (verb == 1) {
            twin[a][i].gfn = 0;
        } else if (verb == 2) {
            twin[a][i].rights = rights;
        } else if (a != b && twin[a][i].gfn != 0) {
            twin[a][i].rights &= protects ? ~W : ~0u;
            twin[b][i] = twin[a][i];
        }
    }
}

static void check_twins(void)
{
    for (unsigned int s = 0; s < 3; s++) {
        for (uint64_t i = 0; i < COPIES; i++) {
            pte_t e = leaf_at(twins[s], twin_va(i));

            must((e != 0) == (twin[s][i].gfn != 0));
            if (e != 0) {
                must(pte_frame(e) == p2m_ram(d, gfn(twin[s][i].gfn - 1)).n);
                must(((e & PTE_WRITE) != 0) == ((twin[s][i].rights & W) != 0));
                must(((e & PTE_NX) == 0) == ((twin[s][i].rights & X) != 0));
            }
        }
    }
}

static void access_twin(void)
{
    uint64_t page = machine_random(COPIES);
    bool write = machine_random(2) != 0, hit;
    unsigned int s = 0;
    mfn_t m;

    while (d->vcpu[0]->space != twins[s]) {
        s++;
    }
    hit = machine_touch(twin_va(page), write, &m);
    must(hit == (twin[s][page].gfn != 0 && (!write || (twin[s][page].rights & W))));
    must(!hit || m.n == p2m_ram(d, gfn(twin[s][page].gfn - 1)).n);
}

START_TEST(test_random_copies_against_model)
{
    start();
    memset(twin, 0, sizeof(twin));
    twins[0] = s1;
    twins[1] = another_space();
    twins[2] = another_space();
    machine_seed((uint64_t)_i + 40);
    for (int step = 0; step < 3000; step++) {
        twin_call();
        for (int i = 0; i < 20; i++) {
            access_twin();
        }
        if (step % 200 == 0) {
            check_twins();
            machine_audit();
        }
    }
    must(machine_kill(d) > 0);
    machine_bury(d);
    must(frame_free_count() == machine_frames);
}
END_TEST

/* The same while memory runs out again and again: whatever the calls answer, all counts hold. */
START_TEST(test_random_out_of_memory)
{
    start();
    machine_seed((uint64_t)_i + 30);
    for (int step = 0; step < 3000; step++) {
        uint64_t va = va_of(1, machine_random(PAGES)), count = 1 + machine_random(100);

        if (machine_random(8) == 0) {
            d->quota = d->used + machine_random(4);
        }
        if (machine_random(2) == 0) {
            int64_t done = map(s1, va, machine_random(20), count % 30 + 1, R | W);

            must(done > 0 || done == -HV_ENOMEM);
        } else {
            must(unmap(s1, va, count) == (int64_t)count);
        }
        if (step % 100 == 0) {
            machine_audit();
        }
    }
}
END_TEST

/* Every kind of error that can be planted is found and named. */
START_TEST(test_audit_finds)
{
    static const char *const kinds[] = {
        "maps",       "grant-count",     "pin-count",       "charge",   "live-count",  "leak",
        "double-use", "free-list",       "quarantine",      "no-grant", "shared-page", "mmio",
        "leaf-bits",  "shared-writable", "table-reachable", "views",    "write-exec",
    };
    char line[64];

    start();
    must(map(s0, K, 0, 8, R | W) == 8);
    machine_audit();
    strcpy(machine_plant, kinds[_i]);
    machine_log[0] = 0;
    must(!HYP_DEBUG || audit_run() > 0);
    snprintf(line, sizeof(line), "audit: %s: ", kinds[_i]);
    must(!HYP_DEBUG || strstr(machine_log, line) != NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("space");
    TCase *tests = tcase_create("space");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_ranges);
    tcase_add_test(tests, test_remembers_no_ram_at_first);
    tcase_add_test(tests, test_rights);
    tcase_add_test(tests, test_leaf_bits);
    tcase_add_test(tests, test_views);
    tcase_add_test(tests, test_replace);
    tcase_add_test(tests, test_flush_where_needed);
    tcase_add_test(tests, test_protect);
    tcase_add_test(tests, test_space_numbers);
    tcase_add_test(tests, test_switch);
    tcase_add_test(tests, test_destroy);
    tcase_add_test(tests, test_out_of_memory);
    tcase_add_test(tests, test_budget);
    tcase_add_test(tests, test_batch_refuses);
    tcase_add_test(tests, test_batch_bound);
    tcase_add_test(tests, test_copy);
    tcase_add_test(tests, test_copy_into_the_loaded_space);
    tcase_add_test(tests, test_copy_and_windows);
    tcase_add_test(tests, test_copy_leaves_out);
    tcase_add_test(tests, test_copy_bound);
    tcase_add_test(tests, test_copy_out_of_memory);
    tcase_add_test(tests, test_query);
    tcase_add_loop_test(tests, test_out_of_memory_in_batches, 0, 2);
    tcase_add_test(tests, test_out_of_memory_elsewhere);
    tcase_add_test(tests, test_walk);
    tcase_add_loop_test(tests, test_random_against_model, 0, 4);
    tcase_add_loop_test(tests, test_random_copies_against_model, 0, 3);
    tcase_add_loop_test(tests, test_random_out_of_memory, 0, 3);
    tcase_add_loop_test(tests, test_audit_finds, 0, 17);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
