/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leaves of 2 MiB: when they come, what splits them and what does not, their counts and the flush
 * that their frames wait for, memory that ends at a split; and random map, unmap, protect, copy and
 * query, aligned or not, against a flat model.
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
#define QUOTA  6000u
#define BLOCK  512u
#define RAM    (4 * BLOCK) /* three blocks, and one of single frames */
#define SINGLE (3 * BLOCK)
#define R      HV_MAP_READ
#define W      HV_MAP_WRITE
#define X      HV_MAP_EXEC
#define VA     0x40000000ul

static struct domain *d;
static struct space *s0, *s1, *s2;

static gfn_t gfn(uint64_t n)
{
    return (gfn_t){ n };
}

static struct frame *ram(uint64_t g)
{
    return frame_of(p2m_ram(d, gfn(g)));
}

static struct superframe *block(uint64_t g)
{
    return superframe_of(ram(g));
}

static void start(void)
{
    machine_start(FRAMES);
    d = machine_domain(QUOTA, RAM + 8, 64);
    must(resource_give_all(d) == 0);
    for (uint64_t g = 0; g < SINGLE; g += BLOCK) {
        must(p2m_populate(d, gfn(g), RAM - g) == BLOCK);
    }
    /* Backwards, and one by one: never a superframe. */
    for (uint64_t g = RAM; g-- > SINGLE;) {
        must(p2m_populate(d, gfn(g), 1) == 1);
    }
    must(space_create(d) == 1 && space_create(d) == 2);
    s0 = space_find(d, 0);
    s1 = space_find(d, 1);
    s2 = space_find(d, 2);
    machine_run(d, s1);
}

/* As the hypercalls do it. A call may stop early, at a bound. */
enum verb { MAP, UNMAP, PROTECT };

static int64_t call(enum verb verb, struct space *s, struct hv_map_run run)
{
    uint64_t budget = space_budget(s, 0);
    int64_t done = !space_range_ok(s, run.address, run.count) ? -HV_EINVAL
                   : verb == MAP                              ? space_map_runs(s, &run, 1)
                   : verb == UNMAP                            ? space_unmap(s, &run, budget)
                                                              : space_protect(s, &run, budget);

    space_flush(s);
    return done;
}

static int64_t map(struct space *s, uint64_t va, uint64_t g, uint64_t count, uint32_t rights)
{
    return call(MAP, s, (struct hv_map_run){ va, g, (uint32_t)count, rights });
}

static int64_t unmap(struct space *s, uint64_t va, uint64_t count)
{
    return call(UNMAP, s, (struct hv_map_run){ va, 0, (uint32_t)count, 0 });
}

static int64_t protect(struct space *s, uint64_t va, uint64_t count, uint32_t rights)
{
    return call(PROTECT, s, (struct hv_map_run){ va, 0, (uint32_t)count, rights });
}

static int64_t copy(struct space *to, struct space *from, uint64_t va, uint64_t count,
                    bool protects)
{
    int64_t done = space_copy(to, from, va, count, protects);

    space_flush(from);
    space_flush(to);
    return done;
}

static int query(struct space *s, uint64_t va, uint64_t count, uint8_t *out, bool clear)
{
    int error = space_query(s, va, count, out, clear);

    space_flush(s);
    return error;
}

/* The entry of level 2 when it is a leaf, or NULL. */
static pte_t *large_at(struct space *s, uint64_t va)
{
    pte_t *e;

    table_stretch(s, va, 1, &e);
    return e != NULL && is_large(*e) ? e : NULL;
}

START_TEST(test_one_leaf_one_count)
{
    uint64_t used;
    mfn_t m;

    start();
    must(p2m_ram(d, gfn(0)).n % BLOCK == 0 && p2m_ram(d, gfn(511)).n == p2m_ram(d, gfn(0)).n + 511);
    used = d->used;
    must(map(s1, VA, 0, BLOCK, R | W) == BLOCK);
    must(large_at(s1, VA) != NULL && d->used == used + 2); /* L3 and L2 tables */
    must(*large_at(s1, VA) == (p2m_ram(d, gfn(0)).n << 12 | PTE_PRESENT | PTE_USER | PTE_WRITE |
                               PTE_NX | PTE_RAM | PTE_LARGE));
    must(block(0)->maps == 1 && ram(0)->maps == 0 && frame_maps(ram(77)) == 1);
    must(machine_touch(VA + 511 * 4096 + 5, true, &m) && m.n == p2m_ram(d, gfn(511)).n);
    must(p2m_give_back(d, gfn(77), 1) == -HV_EBUSY);
    machine_audit();
    /* The same frames in another space, and in the kernel half without execute. */
    must(map(s2, VA, 0, BLOCK, R | X) == BLOCK && map(s0, HV_KERNEL_START, 0, BLOCK, R) == BLOCK);
    must(block(0)->maps == 3 && map(s0, HV_KERNEL_START, 0, BLOCK, R | W | X) == -HV_EINVAL);
    must(unmap(s1, VA, BLOCK) == BLOCK && unmap(s2, VA, BLOCK) == BLOCK);
    must(p2m_give_back(d, gfn(77), 1) == -HV_EBUSY);
    must(unmap(s0, HV_KERNEL_START, BLOCK) == BLOCK && block(0)->maps == 0);
    must(p2m_give_back(d, gfn(77), 1) == 1);
    machine_audit();
}
END_TEST

/* What a leaf of 2 MiB takes; without any of it there are 512 of 4 KiB. */
START_TEST(test_when)
{
    start();
    must(map(s1, VA, 0, BLOCK - 1, R) == BLOCK - 1 && !large_at(s1, VA)); /* too few */
    must(map(s1, VA + 4096 + 2 * LEAF_SPAN, 0, BLOCK, R) == BLOCK);       /* the address */
    must(!large_at(s1, VA + 2 * LEAF_SPAN) && !large_at(s1, VA + 3 * LEAF_SPAN));
    must(map(s1, VA + 4 * LEAF_SPAN, 1, BLOCK, R) == BLOCK); /* the GFN */
    must(!large_at(s1, VA + 4 * LEAF_SPAN));
    must(map(s1, VA + 6 * LEAF_SPAN, SINGLE, BLOCK, R) == BLOCK); /* the frames */
    must(!large_at(s1, VA + 6 * LEAF_SPAN));
    must(map(s1, VA + 8 * LEAF_SPAN, 0, 2 * BLOCK + 7, R) == 2 * BLOCK); /* the bound of a call */
    must(large_at(s1, VA + 8 * LEAF_SPAN) && large_at(s1, VA + 9 * LEAF_SPAN));
    must(map(s1, VA + 12 * LEAF_SPAN - 4096, BLOCK - 1, BLOCK + 9, R) == BLOCK + 9); /* in a run */
    must(large_at(s1, VA + 12 * LEAF_SPAN) && !large_at(s1, VA + 13 * LEAF_SPAN));
    /* A table that is there stays. */
    must(map(s1, VA, 0, BLOCK, R) == BLOCK && !large_at(s1, VA));
    machine_audit();
    /* A block of which one page was given back and had again elsewhere. */
    must(unmap(s1, VA, 14 * BLOCK) == 2 * BLOCK);
    must(unmap(s1, 0, 1u << 30) == 2 * BLOCK);
    while (block(0)->maps + ram(5)->maps != 0) {
        must(unmap(s1, VA, BLOCK) == BLOCK && unmap(s1, VA + 2 * LEAF_SPAN, 2 * BLOCK) > 0);
        must(unmap(s1, VA + 4 * LEAF_SPAN, 2 * BLOCK) > 0 &&
             unmap(s1, VA + 8 * LEAF_SPAN, BLOCK) > 0);
    }
    must(p2m_give_back(d, gfn(5), 1) == 1);
    (void)frame_alloc(NULL, FRAME_META);
    must(map(s1, VA, 0, BLOCK, R) == 5 && !large_at(s1, VA));
    must(p2m_populate(d, gfn(5), 1) == 1 && map(s1, VA, 0, BLOCK, R) == BLOCK);
    must(!large_at(s1, VA));
    machine_audit();
}
END_TEST

/* Map, unmap and protect of the first, a middle and the last page; the others keep what they say,
 * marks included, and what the running vCPU may do changes at once. */
START_TEST(test_split)
{
    static pte_t before[BLOCK];
    const uint64_t page = _i % 3 == 0 ? 0 : _i % 3 == 1 ? 200 : 511, va = VA + page * 4096;
    uint64_t used;
    mfn_t m;

    start();
    must(map(s1, VA, 0, BLOCK, R | W) == BLOCK);
    *large_at(s1, VA) |= PTE_ACCESSED | PTE_DIRTY;
    must(machine_touch(va, true, &m) && machine_touch(VA + 100 * 4096, true, &m));
    for (uint64_t i = 0; i < BLOCK; i++) {
        before[i] = leaf_at(s1, VA + i * 4096);
        must(pte_frame(before[i]) == p2m_ram(d, gfn(i)).n && !is_large(before[i]));
    }
    used = d->used;
    switch (_i / 3) {
    case 0:
        must(unmap(s1, va, 1) == 1 && !machine_touch(va, false, &m));
        must(leaf_at(s1, va) == 0 && ram(page)->maps == 0);
        must(p2m_give_back(d, gfn(page), 1) == 1);
        break;
    case 1:
        must(protect(s1, va, 1, R | X) == 1 && !machine_touch(va, true, &m));
        must(machine_touch(va, false, &m) && m.n == pte_frame(before[page]));
        must((leaf_at(s1, va) ^ before[page]) == (PTE_WRITE | PTE_NX));
        break;
    case 2:
        must(map(s1, va, SINGLE + 3, 1, R) == 1 && machine_touch(va, false, &m));
        must(m.n == p2m_ram(d, gfn(SINGLE + 3)).n && !machine_touch(va, true, &m));
        must(ram(page)->maps == 0 && ram(SINGLE + 3)->maps == 1);
        break;
    default: /* what is not RAM */
        must(map(s1, va, HV_GFN_MMIO + 0xfd000, 1, R) == 1 &&
             pte_frame(leaf_at(s1, va)) == 0xfd000);
        must(ram(page)->maps == 0);
    }
    must(!machine_tlb_has((mfn_t){ pte_frame(before[page]) }) || _i / 3 == 1);
    must(!machine_tlb_has((mfn_t){ pte_frame(before[100]) })); /* all of it went */
    must(d->used == used + (_i / 3 != 0) && block(1)->maps == 0 && large_at(s1, VA) == NULL);
    for (uint64_t i = 0; i < BLOCK; i++) {
        if (i != page) {
            must(leaf_at(s1, VA + i * 4096) == before[i] && ram(i)->maps == 1);
        }
    }
    machine_audit();
    must(unmap(s1, VA, BLOCK) == BLOCK);
    must(machine_kill(d) > 0);
    machine_bury(d);
    must(frame_free_count() == machine_frames);
}
END_TEST

/* What is asked of all of it does not split it. */
START_TEST(test_whole)
{
    static uint8_t out[2 * BLOCK];
    mfn_t m;

    start();
    must(map(s1, VA, 0, 2 * BLOCK, R | W) == 2 * BLOCK);
    must(machine_touch(VA + 8192, true, &m));
    must(protect(s1, VA, 2 * BLOCK, R) == 2 * BLOCK && large_at(s1, VA));
    must(!machine_touch(VA + 8192, true, &m) && machine_touch(VA + 8192, false, &m));
    /* Another block in its place: the old one is let go. */
    must(map(s1, VA, 2 * BLOCK, BLOCK, R | X) == BLOCK && large_at(s1, VA));
    must(block(0)->maps == 0 && block(2 * BLOCK)->maps == 1);
    must(machine_touch(VA + 8192, false, &m) && m.n == p2m_ram(d, gfn(2 * BLOCK + 2)).n);
    machine_audit();
    /* Single frames in its place. */
    must(map(s1, VA, SINGLE, BLOCK, R) == BLOCK && !large_at(s1, VA));
    must(block(2 * BLOCK)->maps == 0 && ram(2 * BLOCK)->maps == 0);
    machine_audit();
    /* Marks: each page says the same; a part of it that is cleared leaves the others theirs. */
    *large_at(s1, VA + LEAF_SPAN) |= PTE_ACCESSED | PTE_DIRTY;
    must(query(s1, VA, 2 * BLOCK, out, false) == 0 && large_at(s1, VA + LEAF_SPAN));
    for (unsigned int i = 0; i < BLOCK; i++) {
        must(out[i] == R && out[BLOCK + i] == (R | HV_QUERY_ACCESSED | HV_QUERY_DIRTY));
    }
    must(machine_touch(VA + LEAF_SPAN, false, &m));
    must(query(s1, VA + LEAF_SPAN, BLOCK, out, true) == 0 && large_at(s1, VA + LEAF_SPAN));
    must(out[0] == (R | HV_QUERY_ACCESSED | HV_QUERY_DIRTY) && out[511] == out[0]);
    must(!machine_tlb_has(m)); /* its bits would not be set anew */
    must(query(s1, VA + LEAF_SPAN, BLOCK, out, true) == 0 && out[0] == R && out[511] == R);
    *large_at(s1, VA + LEAF_SPAN) |= PTE_ACCESSED | PTE_DIRTY;
    must(query(s1, VA + LEAF_SPAN + 4096, 1, out, false) == 0 && large_at(s1, VA + LEAF_SPAN));
    must(query(s1, VA + LEAF_SPAN + 4096, 1, out, true) == 0 && !large_at(s1, VA + LEAF_SPAN));
    must(out[0] == (R | HV_QUERY_ACCESSED | HV_QUERY_DIRTY));
    must(query(s1, VA + LEAF_SPAN, BLOCK, out, true) == 0);
    must(out[1] == R && out[0] == (R | HV_QUERY_ACCESSED | HV_QUERY_DIRTY) && out[2] == out[0]);
    machine_audit();
}
END_TEST

/* The frames of a leaf that is gone wait for a flush, whichever of them is given back. */
START_TEST(test_frames_wait_for_the_flush)
{
    start();
    must(map(s2, VA, 0, BLOCK, R) == BLOCK && unmap(s2, VA, BLOCK) == BLOCK); /* not loaded */
    must(p2m_give_back(d, gfn(300), 1) == 1 && frame_limbo_count() > 0);
    must(p2m_give_back(d, gfn(0), 1) == 1 && ram(1)->state == FRAME_RAM);
    for (uint64_t g = 1; g < 200; g++) {
        mfn_t m = p2m_ram(d, gfn(g));

        must(p2m_give_back(d, gfn(g), 1) == 1 && frame_of(m)->state == FRAME_LIMBO);
    }
    epoch_flush();
    frame_reclaim();
    must(frame_limbo_count() == 0);
    must(p2m_give_back(d, gfn(201), 1) == 1 && frame_limbo_count() == 0);
    machine_audit();
}
END_TEST

/* There is no frame for the table that a split takes: nothing has changed; what needs none works.
 */
START_TEST(test_out_of_memory)
{
    static uint8_t out[BLOCK], same[BLOCK];
    const pte_t marks = PTE_ACCESSED | PTE_DIRTY;
    pte_t leaf;

    start();
    must(map(s1, VA, 0, 2 * BLOCK, R | W) == 2 * BLOCK && map(s2, VA + 8192, SINGLE, 1, R) == 1);
    *large_at(s1, VA) |= marks;
    leaf = *large_at(s1, VA);
    frame_reclaim_all();
    d->quota = d->used;
    must(unmap(s1, VA, 1) == -HV_ENOMEM && unmap(s1, VA + 4096, BLOCK) == -HV_ENOMEM);
    must(protect(s1, VA + 511 * 4096, 1, R) == -HV_ENOMEM);
    must(map(s1, VA + 4096, SINGLE, 1, R) == -HV_ENOMEM);
    must(map(s1, VA, SINGLE, BLOCK, R) == -HV_ENOMEM);
    must(map(s1, VA + 4096, HV_GFN_MMIO + 0xfd000, 1, R) == -HV_ENOMEM);
    must(copy(s2, s1, VA + 4096, 1, true) == -HV_ENOMEM);
    must(copy(s2, s1, VA, BLOCK, true) == -HV_ENOMEM); /* a table is in its place */
    memset(same, 0xa5, sizeof(same));
    memset(out, 0xa5, sizeof(out));
    must(query(s1, VA + 4096, 1, out, true) == -HV_ENOMEM);
    must(query(s1, VA, BLOCK - 1, out, true) == -HV_ENOMEM && memcmp(out, same, sizeof(out)) == 0);
    must(*large_at(s1, VA) == leaf && block(0)->maps == 1 && d->used == d->quota);
    /* Up to where a split would be. */
    must(unmap(s1, VA, BLOCK + 1) == BLOCK && map(s1, VA, 0, BLOCK, R | W) == BLOCK);
    must(protect(s1, VA, BLOCK + 1, R) == BLOCK && query(s1, VA, BLOCK, out, true) == 0);
    must(unmap(s1, VA, BLOCK) == BLOCK && large_at(s1, VA + LEAF_SPAN));
    machine_audit();
    d->quota++;
    must(unmap(s1, VA + LEAF_SPAN, 1) == 1 && unmap(s1, VA + LEAF_SPAN, BLOCK) == BLOCK);
    machine_audit();
}
END_TEST

START_TEST(test_fork)
{
    mfn_t m;

    start();
    must(map(s1, VA, 0, 2 * BLOCK, R | W) == 2 * BLOCK && machine_touch(VA, true, &m));
    *large_at(s1, VA) |= PTE_ACCESSED | PTE_DIRTY;
    must(copy(s2, s1, VA, 2 * BLOCK, true) == 2 * BLOCK);
    must(!machine_touch(VA, true, &m) && machine_touch(VA, false, &m));
    must(large_at(s1, VA) && large_at(s2, VA) && block(0)->maps == 2);
    must((*large_at(s1, VA) & PTE_WRITE) == 0);
    must(*large_at(s2, VA) == (*large_at(s1, VA) & ~(PTE_ACCESSED | PTE_DIRTY)));
    machine_audit();
    /* A writer gets a page of its own; the other side has what it had. */
    must(map(s2, VA + 7 * 4096, SINGLE, 1, R | W) == 1 && large_at(s1, VA) && !large_at(s2, VA));
    must(block(0)->maps == 1 && ram(7)->maps == 0 && ram(8)->maps == 1 && frame_maps(ram(8)) == 2);
    /* Onto a table: leaf by leaf; onto a large leaf; and one page of it. */
    must(copy(s2, s1, VA, BLOCK, false) == BLOCK && !large_at(s1, VA) && ram(7)->maps == 2);
    must(ram(SINGLE)->maps == 0);
    must(map(s1, VA + LEAF_SPAN, 0, BLOCK, R) == BLOCK && large_at(s2, VA + LEAF_SPAN));
    must(copy(s2, s1, VA + LEAF_SPAN, BLOCK, false) == BLOCK && block(BLOCK)->maps == 0);
    must(large_at(s1, VA + LEAF_SPAN) && large_at(s2, VA + LEAF_SPAN) && block(0)->maps == 2);
    must(copy(s2, s1, VA + LEAF_SPAN + 4096, 1, true) == 1);
    must(!large_at(s1, VA + LEAF_SPAN) && !large_at(s2, VA + LEAF_SPAN) && block(0)->maps == 0);
    machine_audit();
    /* A call does two of them, and stops before the part of a third. */
    must(map(s1, VA + 8 * LEAF_SPAN, 0, 2 * BLOCK, R) == 2 * BLOCK);
    must(map(s1, VA + 10 * LEAF_SPAN, 0, 2 * BLOCK, R) == 2 * BLOCK);
    must(copy(s2, s1, VA + 8 * LEAF_SPAN, 4 * BLOCK, true) == 2 * BLOCK);
    must(copy(s2, s1, VA + 7 * LEAF_SPAN, 5 * BLOCK, true) == 2 * BLOCK);
    must(large_at(s1, VA + 9 * LEAF_SPAN) && large_at(s1, VA + 10 * LEAF_SPAN));
    machine_audit();
}
END_TEST

/* A space of them goes in steps, none of which splits. */
START_TEST(test_destroy)
{
    uint64_t used;
    int steps = 0;

    start();
    for (uint64_t i = 0; i < 12; i++) {
        must(map(s2, VA + i * 3 * LEAF_SPAN + (i << 31), i % 3 * BLOCK, BLOCK, R) == BLOCK);
    }
    must(map(s2, VA + LEAF_SPAN, SINGLE, 40, R) == 40);
    machine_audit();
    used = d->used;
    while (space_destroy_step(d, s2) == 1) {
        machine_audit();
        must(++steps < 60 && d->used <= used);
    }
    must(steps >= 12 && block(0)->maps == 0 && block(BLOCK)->maps == 0 && ram(0)->maps == 0);
    machine_audit();
}
END_TEST

/* A pinned page of a leaf is revoked only when the leaf is gone. */
START_TEST(test_revoke_of_a_pinned_page)
{
    struct domain *peer;
    struct hv_dma_run run[1];
    int64_t ref;

    start();
    peer = machine_domain(400, 8, 64);
    must(resource_assign(d, peer, HV_ASSIGN_DEVICE, 0x18, 0) == 0);
    must(map(s0, HV_KERNEL_START, 0, BLOCK, R | W) == BLOCK && block(0)->maps == 1);
    ref = grant_create(d, peer->id, gfn(9), 1, R | W);
    must(ref > 0);
    must(grant_map(peer,
                   &(struct hv_grant_map){ .owner = d->id,
                                           .ref = (uint64_t)ref,
                                           .window = HV_GFN_WINDOW,
                                           .port = 1,
                                           .rights = R | W,
                                           .count = 1 },
                   1) == 1);
    must(dma_map(peer, 0x18, (gfn_t){ HV_GFN_WINDOW }, 1, run) == 1);
    must(grant_end(d, (uint64_t)ref, true) == -HV_EBUSY);
    must(unmap(s0, HV_KERNEL_START + 9 * 4096, 1) == 1);
    must(grant_end(d, (uint64_t)ref, true) == 0 && ram(8)->state == FRAME_RAM);
    must(p2m_ram(d, gfn(9)).n != p2m_ram(d, gfn(8)).n + 1);
    machine_audit();
    /* The block is none any more. */
    must(unmap(s0, HV_KERNEL_START, BLOCK) == BLOCK);
    must(map(s0, HV_KERNEL_START, 0, BLOCK, R | W) == BLOCK && !large_at(s0, HV_KERNEL_START));
    machine_audit();
}
END_TEST

/* A batch whose every run splits two leaves stops before it takes longer than others. */
START_TEST(test_batch_bound)
{
    struct hv_map_run runs[HV_MAX_MAP_RUNS];
    int64_t done = 0;

    start();
    for (uint64_t i = 0; i < 2 * HV_MAX_MAP_RUNS; i++) {
        must(map(s1, VA + i * LEAF_SPAN, i % 3 * BLOCK, BLOCK, R | W) == BLOCK);
    }
    for (uint64_t i = 0; i < HV_MAX_MAP_RUNS; i++) {
        runs[i] = (struct hv_map_run){ VA + (2 * i + 1) * LEAF_SPAN - 4096, SINGLE, 2, R };
    }
    done = space_map_runs(s1, runs, HV_MAX_MAP_RUNS);
    must(done == HV_MAX_MAP_PAGES / 8);
    for (uint64_t i = 0; i < 2 * HV_MAX_MAP_RUNS; i++) {
        must((large_at(s1, VA + i * LEAF_SPAN) == NULL) == (i < (uint64_t)done));
    }
    /* A page each is not too much. */
    machine_audit();
    for (uint64_t i = 0; i < HV_MAX_MAP_RUNS; i++) {
        runs[i] = (struct hv_map_run){ VA + (HV_MAX_MAP_RUNS + i) * LEAF_SPAN, SINGLE, 1, R };
    }
    must(space_map_runs(s1, runs, HV_MAX_MAP_RUNS) == HV_MAX_MAP_RUNS);
    machine_audit();
}
END_TEST

/* ---- blocks of frames ---- */

START_TEST(test_populate)
{
    struct domain *other;
    uint64_t room, n;

    start();
    other = machine_domain(3000, 2 * BLOCK + 40, 0);
    /* A block, but not of what is not empty, not aligned or too little. */
    must(p2m_populate(other, gfn(8), BLOCK) == BLOCK);
    must(p2m_ram(other, gfn(8)).n % BLOCK != 0 || p2m_ram(other, gfn(519)).n % BLOCK != 511);
    must(p2m_populate(other, gfn(0), BLOCK) == 8 &&
         p2m_populate(other, gfn(0), BLOCK) == -HV_EINVAL);
    must(p2m_give_back(other, gfn(0), BLOCK) == BLOCK && p2m_give_back(other, gfn(512), 8) == 8);
    must(p2m_populate(other, gfn(0), 2 * BLOCK + 41) == -HV_EINVAL && other->populated == 0);
    must(p2m_populate(other, gfn(0), 2 * BLOCK) == BLOCK && other->populated == BLOCK);
    for (n = 0; n < BLOCK; n++) {
        const uint64_t *page = frame_va(p2m_ram(other, gfn(n)));

        must(p2m_ram(other, gfn(n)).n == p2m_ram(other, gfn(0)).n + n);
        must(page[0] == 0 && page[511] == 0);
    }
    machine_audit();
    /* Not beyond the quota: a block takes 512, and the table of a new leaf one more. */
    for (room = 510; room < 514; room++) {
        other->quota = other->used + room;
        n = (uint64_t)p2m_populate(other, gfn(BLOCK), BLOCK);
        must(n == (room < 512 ? room : BLOCK));
        must(other->used == other->quota - (room - n) && other->populated == BLOCK + n);
        machine_audit();
        must(p2m_give_back(other, gfn(BLOCK), n) == (int64_t)n);
        frame_reclaim_all();
    }
    machine_kill(other);
    machine_bury(other);
}
END_TEST

/* Whatever was taken singly and in whichever order it came back: all of it is whole again. */
START_TEST(test_blocks_come_together)
{
    static uint32_t all[FRAMES];
    struct domain *owner;
    uint64_t whole = 0, n = 0;
    mfn_t m;

    machine_start(FRAMES);
    machine_seed((uint64_t)_i + 60);
    owner = machine_domain(FRAMES, 8, 0);
    for (int round = 0; round < 2; round++) {
        for (uint64_t blocks = 0;; blocks++) {
            m = frame_alloc_block(owner);
            if (mfn_is_none(m)) {
                must(round == 0 || blocks == whole);
                whole = blocks;
                break;
            }
            must(m.n % BLOCK == 0);
            for (uint64_t i = 0; i < BLOCK; i++) {
                must(frame_table[m.n + i].state == FRAME_RAM && !frame_table[m.n + i].clean);
                memset(frame_va((mfn_t){ m.n + i }), 0xff, 4096);
                all[n++] = (uint32_t)(m.n + i);
            }
        }
        must(whole >= FRAMES / BLOCK - 4);
        while (m = frame_alloc(owner, FRAME_RAM), !mfn_is_none(m)) {
            all[n++] = (uint32_t)m.n;
        }
        for (; n > 0; n--) {
            uint64_t i = machine_random(n);

            frame_free(owner, (mfn_t){ all[i] });
            all[i] = all[n - 1];
            if (machine_random(4) == 0) {
                (void)frame_clear_step();
            }
        }
        machine_audit();
        /* And singly, none of them twice. */
        while (m = frame_alloc(owner, FRAME_META), !mfn_is_none(m)) {
            must(*(uint64_t *)frame_va(m) == 0);
            *(uint64_t *)frame_va(m) = 1;
            all[n++] = (uint32_t)m.n;
        }
        must(mfn_is_none(frame_alloc_block(owner)));
        while (n > 0) {
            frame_free(owner, (mfn_t){ all[--n] });
        }
    }
    /* One that is out breaks one block alone. */
    m = frame_alloc(owner, FRAME_META);
    for (n = 0; !mfn_is_none(frame_alloc_block(owner)); n++) {
    }
    must(n + 1 >= whole && n <= whole);
}
END_TEST

/* ---- against a model ---- */

#define PAGES (4 * BLOCK)

static struct {
    uint64_t gfn; /* + 1; 0: hole */
    uint32_t rights;
    uint8_t marks;
} model[3][PAGES];

static struct space *space_of(unsigned int n)
{
    return n == 0 ? s0 : n == 1 ? s1 : s2;
}

/* Four stretches of 2 MiB; the border of two L2 tables lies in the middle. */
static uint64_t va_of(unsigned int n, uint64_t page)
{
    return (n == 0 ? HV_KERNEL_START : 0) + ((uint64_t)1 << 30) - 2 * LEAF_SPAN + page * 4096;
}

/* Aligned in one of two, whole in one of two of these. */
static void range(uint64_t *first, uint64_t *count)
{
    *first = machine_random(PAGES);
    *count = 1 + machine_random(machine_random(2) == 0 ? 600 : 20);
    if (machine_random(2) == 0) {
        *first -= *first % BLOCK;
        *count = machine_random(2) == 0 ? BLOCK * (1 + machine_random(2)) : *count;
    }
    *count = *count < PAGES - *first ? *count : PAGES - *first;
}

static void mark(unsigned int n, uint64_t page, uint8_t bits)
{
    uint64_t va = va_of(n, page), first = page, count = 1;
    pte_t *e;

    table_stretch(space_of(n), va, 1, &e);
    if (e == NULL || *e == 0) {
        return;
    }
    if (is_large(*e)) {
        first = page & ~(uint64_t)511;
        count = BLOCK;
    }
    *e |= bits & HV_QUERY_DIRTY ? PTE_ACCESSED | PTE_DIRTY : PTE_ACCESSED;
    for (uint64_t i = first; i < first + count; i++) {
        model[n][i].marks |= bits;
    }
}

static void check(unsigned int n)
{
    for (uint64_t i = 0; i < PAGES; i++) {
        pte_t e = leaf_at(space_of(n), va_of(n, i));

        must((e != 0) == (model[n][i].gfn != 0));
        if (e != 0) {
            must(pte_frame(e) == p2m_ram(d, gfn(model[n][i].gfn - 1)).n);
            must(((e & PTE_WRITE) != 0) == ((model[n][i].rights & W) != 0));
            must(((e & PTE_NX) == 0) == ((model[n][i].rights & X) != 0));
        }
    }
}

static void check_counts(void)
{
    static int32_t maps[RAM];

    memset(maps, 0, sizeof(maps));
    for (unsigned int n = 0; n < 3; n++) {
        for (uint64_t i = 0; i < PAGES; i++) {
            if (model[n][i].gfn != 0) {
                maps[model[n][i].gfn - 1]++;
            }
        }
    }
    for (uint64_t g = 0; g < RAM; g++) {
        must(frame_maps(ram(g)) == maps[g]);
    }
}

static void random_query(unsigned int n, uint64_t first, uint64_t count, bool clear)
{
    static uint8_t out[HV_MAX_QUERY_PAGES];

    count = count < HV_MAX_QUERY_PAGES ? count : HV_MAX_QUERY_PAGES;
    must(query(space_of(n), va_of(n, first), count, out, clear) == 0);
    for (uint64_t i = 0; i < count; i++) {
        uint8_t expect =
            model[n][first + i].gfn == 0
                ? 0
                : (uint8_t)(model[n][first + i].rights | R | model[n][first + i].marks);

        must(out[i] == expect);
        if (clear) {
            model[n][first + i].marks = 0;
        }
    }
}

static int64_t random_call(unsigned int n, enum verb verb, uint64_t first, uint64_t count)
{
    uint32_t rights = (uint32_t)(1 + machine_random(n == 0 ? 5 : 7));
    uint64_t g = machine_random(2) == 0 ? machine_random(RAM) : machine_random(4) * BLOCK;
    int64_t done;

    count = verb == MAP && count > RAM - g ? RAM - g : count;
    done = call(verb, space_of(n),
                (struct hv_map_run){ va_of(n, first), verb == MAP ? g : 0, (uint32_t)count,
                                     verb == UNMAP ? 0 : rights });
    must(done == (int64_t)(count < HV_MAX_MAP_PAGES ? count : HV_MAX_MAP_PAGES));
    for (uint64_t i = 0; i < (uint64_t)done; i++) {
        if (verb == MAP) {
            model[n][first + i].gfn = g + i + 1;
            model[n][first + i].marks = 0;
        } else if (verb == UNMAP) {
            model[n][first + i].gfn = 0;
        }
        model[n][first + i].rights = rights;
    }
    return done;
}

static void random_copy(uint64_t first, uint64_t count)
{
    unsigned int from = 1 + (unsigned int)machine_random(2), to = 3 - from;
    bool protects = machine_random(2) == 0;
    int64_t done = copy(space_of(to), space_of(from), va_of(1, first), count, protects);

    must(done > 0 && done <= (int64_t)count);
    for (uint64_t i = first; i < first + (uint64_t)done; i++) {
        if (model[from][i].gfn != 0) {
            model[from][i].rights &= protects ? ~W : ~0u;
            model[to][i] = model[from][i];
            model[to][i].marks = 0;
        }
    }
}

/* The running vCPU sees what the model says, through a TLB that remembers. */
static void access_page(void)
{
    unsigned int n = machine_random(2) == 0 ? 0 : d->vcpu[0]->space == s1 ? 1 : 2;
    uint64_t page = machine_random(PAGES);
    bool write = machine_random(2) != 0, hit;
    mfn_t m;

    hit = machine_touch(va_of(n, page), write, &m);
    must(hit == (model[n][page].gfn != 0 && (!write || (model[n][page].rights & W))));
    must(!hit || m.n == p2m_ram(d, gfn(model[n][page].gfn - 1)).n);
}

START_TEST(test_random_against_model)
{
    uint64_t large = 0, first, count;

    start();
    memset(model, 0, sizeof(model));
    machine_seed((uint64_t)_i + 70);
    for (int step = 0; step < 3000; step++) {
        unsigned int n = (unsigned int)machine_random(3);
        uint64_t what = machine_random(8);

        range(&first, &count);
        if (what == 0) {
            random_query(n, first, count, machine_random(2) == 0);
        } else if (what == 1) {
            random_copy(first, count);
        } else if (what == 2) {
            space_load(d->vcpu[0], machine_random(2) == 0 ? s1 : s2);
        } else if (what == 3 && machine_random(4) == 0) { /* tables are in the way of large ones */
            random_call(n, UNMAP, 0, PAGES / 2);
            random_call(n, UNMAP, PAGES / 2, PAGES / 2);
        } else {
            random_call(n, what < 4 ? UNMAP : what < 5 ? PROTECT : MAP, first, count);
        }
        for (int i = 0; i < 8; i++) {
            access_page();
            mark((unsigned int)machine_random(3), machine_random(PAGES),
                 machine_random(2) == 0 ? HV_QUERY_ACCESSED : HV_QUERY_ACCESSED | HV_QUERY_DIRTY);
        }
        for (uint64_t i = 0; i < PAGES; i += BLOCK) {
            large += large_at(space_of(n), va_of(n, i)) != NULL;
        }
        if (step % 20 == 0) {
            check(n);
        }
        if (step % 300 == 0) {
            check_counts();
            machine_audit();
        }
    }
    must(large > 60); /* of 12,000 places that were looked at */
    must(machine_kill(d) > 0);
    machine_bury(d);
    must(frame_free_count() == machine_frames);
}
END_TEST

/* The same while memory runs out again and again: whatever the calls answer, all counts hold. */
START_TEST(test_random_out_of_memory)
{
    static uint8_t out[HV_MAX_QUERY_PAGES];
    uint64_t first, count, refused = 0;

    start();
    machine_seed((uint64_t)_i + 80);
    for (int step = 0; step < 3000; step++) {
        unsigned int n = 1 + (unsigned int)machine_random(2);
        uint64_t what = machine_random(6);
        int64_t done;

        range(&first, &count);
        d->quota = machine_random(2) == 0 ? d->used + machine_random(3) : QUOTA;
        if (what == 0) {
            count = count < HV_MAX_QUERY_PAGES ? count : HV_MAX_QUERY_PAGES;
            done = query(space_of(n), va_of(n, first), count, out, true) == 0 ? 1 : -HV_ENOMEM;
        } else if (what == 1) {
            done = copy(space_of(n), space_of(3 - n), va_of(1, first), count, true);
        } else {
            uint64_t g = machine_random(4) * BLOCK;

            count = count < RAM - g ? count : RAM - g;
            done = call(what == 2   ? UNMAP
                        : what == 3 ? PROTECT
                                    : MAP,
                        space_of(n),
                        (struct hv_map_run){ va_of(n, first), what > 3 ? g : 0, (uint32_t)count,
                                             what == 2 ? 0 : R | W });
        }
        must(done > 0 || done == -HV_ENOMEM);
        refused += done < 0;
        if (step % 50 == 0) {
            machine_audit();
        }
    }
    must(refused > 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("large");
    TCase *tests = tcase_create("large");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_one_leaf_one_count);
    tcase_add_test(tests, test_when);
    tcase_add_loop_test(tests, test_split, 0, 12);
    tcase_add_test(tests, test_whole);
    tcase_add_test(tests, test_frames_wait_for_the_flush);
    tcase_add_test(tests, test_out_of_memory);
    tcase_add_test(tests, test_fork);
    tcase_add_test(tests, test_destroy);
    tcase_add_test(tests, test_revoke_of_a_pinned_page);
    tcase_add_test(tests, test_batch_bound);
    tcase_add_test(tests, test_populate);
    tcase_add_loop_test(tests, test_blocks_come_together, 0, 2);
    tcase_add_loop_test(tests, test_random_against_model, 0, 4);
    tcase_add_loop_test(tests, test_random_out_of_memory, 0, 2);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
