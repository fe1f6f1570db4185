/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of grants against a model: create, map into windows, map those into spaces, copy, unmap,
 * end, revoke, and the death of either side; DMA pins and what a revoke does about them.
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

#include "cpu.h"
#include "epoch.h"
#include "grant.h"
#include "guestmem.h"
#include "hv_domain.h"
#include "p2m.h"
#include "resource.h"
#include "space_table.h"

#define FRAMES  8192u
#define RAM     600u
#define WINDOWS 8200u /* more than a leaf's tag can tell apart */
#define R       HV_MAP_READ
#define RW      (HV_MAP_READ | HV_MAP_WRITE)
#define WIN     HV_GFN_WINDOW
#define DEVICE  0x18u

static struct domain *root, *a, *b; /* a lends, b borrows */
static struct space *space_b;

static gfn_t gfn(uint64_t n)
{
    return (gfn_t){ n };
}

static void start(void)
{
    machine_start(FRAMES);
    root = machine_domain(200, 1, 0);
    must(resource_give_all(root) == 0);
    a = machine_domain(2000, RAM, 100);
    b = machine_domain(2000, RAM, WINDOWS);
    must(p2m_populate(a, gfn(0), 512) == 512 && p2m_populate(b, gfn(0), 64) == 64);
    must(resource_assign(root, b, HV_ASSIGN_DEVICE, DEVICE, 0) == 0);
    must(space_create(b) == 1);
    space_b = space_find(b, 1);
    machine_run(b, space_b);
}

static int64_t map_at(int64_t ref, uint64_t window, uint32_t rights, uint64_t count,
                      uint64_t address)
{
    struct hv_grant_map m = { a->id,           (uint64_t)ref, window, 3, (uint16_t)rights,
                              (uint16_t)count, address };

    return grant_map(b, &m, 1);
}

/* 1 or the error. */
static int64_t map_grant(int64_t ref, uint64_t window, uint32_t rights)
{
    const struct grant *g = grant_find(a, (uint64_t)ref);

    return map_at(ref, window, rights, g != NULL ? g->count : 1, 0);
}

static int64_t release(uint64_t window)
{
    return grant_unmap(b, &window, 1);
}

static int64_t map_page(struct space *s, uint64_t va, uint64_t g, uint32_t rights)
{
    struct hv_map_run run = { va, g, 1, rights };
    int64_t done = space_map(s, &run, 1);

    space_flush(s);
    return done;
}

static void unmap_page(struct space *s, uint64_t va)
{
    struct hv_map_run run = { va, 0, 1, 0 };

    must(space_unmap(s, &run, 1) == 1);
    space_flush(s);
}

static struct frame *lent(uint64_t g)
{
    return frame_of(p2m_ram(a, gfn(g)));
}

START_TEST(test_create_checks)
{
    start();
    must(grant_create(a, b->id, gfn(0), 1, R) > 0);
    must(grant_create(a, b->id, gfn(0), 0, R) == -HV_EINVAL);
    must(grant_create(a, b->id, gfn(0), HV_MAX_GRANT_PAGES + 1, R) == -HV_EINVAL);
    must(grant_create(a, b->id, gfn(0), ~(uint64_t)0, R) == -HV_EINVAL);
    must(grant_create(a, b->id, gfn(0), HV_MAX_GRANT_PAGES, R) > 0);
    must(p2m_populate(a, gfn(512), 1) == 1);
    must(grant_create(a, b->id, gfn(0), HV_MAX_GRANT_PAGES + 1, R) == -HV_EINVAL);
    must(p2m_give_back(a, gfn(512), 1) == 1);
    must(grant_create(a, b->id, gfn(1), HV_MAX_GRANT_PAGES, R) == -HV_EINVAL); /* a hole */
    must(grant_create(a, b->id, gfn(RAM), 1, R) == -HV_EINVAL);
    must(grant_create(a, b->id, gfn(~(uint64_t)0), 2, R) == -HV_EINVAL);
    must(grant_create(a, b->id, gfn(WIN), 1, R) == -HV_EINVAL);
    must(grant_create(a, b->id, gfn(HV_GFN_SHARED), 1, R) == -HV_EINVAL);
    must(grant_create(a, b->id, gfn(HV_GFN_MMIO + 0xfd000), 1, R) == -HV_EINVAL);
    for (uint64_t r = 0; r < 16; r++) {
        must((grant_create(a, b->id, gfn(0), 1, r) > 0) == (r == R || r == RW));
    }
    must(grant_create(a, b->id, gfn(0), 1, (uint64_t)1 << 32 | R) == -HV_EINVAL);
    must(grant_create(a, a->id, gfn(0), 1, R) == -HV_EINVAL); /* oneself */
    must(grant_create(a, 99, gfn(0), 1, R) == -HV_EINVAL);    /* nobody */
    must(p2m_give_back(a, gfn(0), 1) == -HV_EBUSY);
    machine_audit();
}
END_TEST

START_TEST(test_references)
{
    int64_t ref, again;

    start();
    ref = grant_create(a, b->id, gfn(0), 1, R);
    must(grant_find(a, (uint64_t)ref) != NULL && grant_find(b, (uint64_t)ref) == NULL);
    must(grant_find(a, 0) == NULL && grant_find(a, ~(uint64_t)0) == NULL);
    must(grant_find(a, (uint64_t)ref + 1) == NULL); /* another slot */
    must(grant_find(a, (uint64_t)ref + (1u << HV_GRANT_SLOT_BITS)) == NULL);
    must(grant_end(a, (uint64_t)ref, false) == 0);
    must(grant_end(a, (uint64_t)ref, false) == -HV_EINVAL); /* stale */
    again = grant_create(a, b->id, gfn(0), 1, R);
    must(again == ref + (1 << HV_GRANT_SLOT_BITS)); /* the slot's next generation */
    must(grant_end(a, (uint64_t)ref, true) == -HV_EINVAL);
    must(map_grant(ref, WIN, R) == -HV_EINVAL && map_grant(again, WIN, R) == 1);
    machine_audit();
}
END_TEST

/* A slot whose generation has reached its end is never used again. */
START_TEST(test_generation_end)
{
    int64_t ref, last, other;
    struct grant *g;

    start();
    ref = grant_create(a, b->id, gfn(0), 1, R);
    g = grant_find(a, (uint64_t)ref);
    g->generation = GRANT_GENERATION_MAX - 1;
    must(grant_end(a, GRANT_GENERATION_MAX << HV_GRANT_SLOT_BITS, false) == -HV_EINVAL);
    must(grant_end(a, (GRANT_GENERATION_MAX - 1) << HV_GRANT_SLOT_BITS, false) == 0);
    last = grant_create(a, b->id, gfn(0), 1, R);
    must((uint64_t)last >> HV_GRANT_SLOT_BITS == GRANT_GENERATION_MAX);
    must(grant_end(a, (uint64_t)last, false) == 0 && g->count == 0);
    other = grant_create(a, b->id, gfn(0), 1, R);
    must(((uint64_t)other & 0xffffff) == 1);
    must(grant_end(a, (uint64_t)last, false) == -HV_EINVAL);
    machine_audit();
}
END_TEST

START_TEST(test_table_full)
{
    uint64_t before;

    start();
    before = a->used;
    for (unsigned int i = 0; i < HV_MAX_GRANTS; i++) {
        must(grant_create(a, b->id, gfn(i % 512), 1, R) > 0);
    }
    must(a->used == before + HV_MAX_GRANTS / 64);
    must(grant_create(a, b->id, gfn(0), 1, R) == -HV_ENOSPC);
    must(grant_end(a, (uint64_t)1 << HV_GRANT_SLOT_BITS | 77, false) == 0);
    must(((uint64_t)grant_create(a, b->id, gfn(0), 1, R) & 0xffffff) == 77);
    machine_audit();
    must(machine_kill(a) > HV_MAX_GRANTS); /* a step each: each could have 512 pages */
    machine_bury(a);
    machine_audit();
}
END_TEST

/* Ended slots go in larger steps, and none of the live ones below them is forgotten. */
START_TEST(test_destroy_ended_slots)
{
    start();
    for (uint64_t i = 0; i < 300; i++) {
        must(grant_create(a, b->id, gfn(i), 1, R) > 0);
    }
    for (uint64_t i = 20; i < 300; i++) {
        must(grant_end(a, (uint64_t)1 << HV_GRANT_SLOT_BITS | i, false) == 0);
    }
    machine_kill(a);
    machine_audit();
    machine_bury(a);
    machine_audit();
}
END_TEST

START_TEST(test_create_out_of_memory)
{
    start();
    a->quota = a->used;
    must(grant_create(a, b->id, gfn(0), 1, R) == -HV_ENOMEM && lent(0)->grants == 0);
    a->quota++;
    must(grant_create(a, b->id, gfn(0), 1, R) > 0);
    machine_audit();
}
END_TEST

START_TEST(test_map_checks)
{
    struct hv_grant_map m;
    int64_t ref, big;

    start();
    ref = grant_create(a, b->id, gfn(0), 4, R);
    big = grant_create(a, root->id, gfn(8), 1, RW); /* for another */
    must(map_grant(ref, WIN, RW) == -HV_EINVAL);    /* more than granted */
    must(map_grant(ref, WIN, 0) == -HV_EINVAL && map_grant(ref, WIN, 4) == -HV_EINVAL);
    must(map_grant(big, WIN, R) == -HV_EINVAL);
    must(map_grant(ref, WIN - 1, R) == -HV_EINVAL && map_grant(ref, 0, R) == -HV_EINVAL);
    must(map_grant(ref, WIN + WINDOWS - 3, R) == -HV_EINVAL);
    must(map_grant(ref, ~(uint64_t)0, R) == -HV_EINVAL);
    m = (struct hv_grant_map){ a->id, (uint64_t)ref, WIN, 77, R, 4, 0 };
    must(grant_map(b, &m, 1) == -HV_EINVAL); /* no port of b's */
    m = (struct hv_grant_map){ 99, (uint64_t)ref, WIN, 3, R, 4, 0 };
    must(grant_map(b, &m, 1) == -HV_EDEAD);
    must(map_grant(ref, WIN + WINDOWS - 4, R) == 1);
    must(map_grant(ref, WIN, R) == -HV_EBUSY); /* one window at a time */
    ref = grant_create(a, b->id, gfn(0), 2, R);
    must(map_grant(ref, WIN + WINDOWS - 5, R) == -HV_EINVAL); /* runs into a taken one */
    must(map_grant(ref, WIN + WINDOWS - 6, R) == 1);
    must(release(WIN + WINDOWS - 5) == -HV_EINVAL); /* not the first page */
    must(release(WIN) == -HV_EINVAL && release(0) == -HV_EINVAL);
    must(release(WIN + WINDOWS) == -HV_EINVAL);
    must(release(WIN + WINDOWS - 6) == 1);
    must(map_grant(ref, WIN, R) == 1); /* again, elsewhere */
    machine_audit();
}
END_TEST

/* A window page is the granted frame, once, with the grant's rights, and is not lent on. */
START_TEST(test_window_pages)
{
    int64_t ref, writable;
    mfn_t m;

    start();
    ref = grant_create(a, b->id, gfn(0), 2, R);
    writable = grant_create(a, b->id, gfn(5), 2, RW);
    must(map_grant(ref, WIN, R) == 1 && map_grant(writable, WIN + 4096, RW) == 1);
    must(map_page(space_b, 0x1000, WIN, R | HV_MAP_WRITE) == -HV_EINVAL);
    must(map_page(space_b, 0x1000, WIN, HV_MAP_EXEC) == -HV_EINVAL);
    must(map_page(space_b, 0x1000, WIN, R) == 1);
    must(map_page(space_b, 0x2000, WIN, R) == -HV_EBUSY); /* once */
    must(map_page(b->spaces[0], HV_KERNEL_IMAGE, WIN, R) == -HV_EBUSY);
    must(map_page(space_b, 0x1000, WIN, R) == 1); /* over itself */
    must(lent(0)->maps == 1);
    must(map_page(space_b, 0x2000, WIN + 4096, RW) == 1); /* the same tag as WIN */
    must(machine_touch(0x1000, false, &m) && m.n == p2m_ram(a, gfn(0)).n);
    must(machine_touch(0x2000, true, &m) && m.n == p2m_ram(a, gfn(5)).n);
    struct hv_map_run run = { 0x1000, 0, 1, R | HV_MAP_WRITE };
    must(space_protect(space_b, &run, 1) == -HV_EINVAL); /* a right that it does not carry */
    run.address = 0x2000;
    must(space_protect(space_b, &run, 1) == 1);
    space_flush(space_b);
    machine_audit();
    must(grant_end(a, (uint64_t)ref, false) == -HV_EBUSY);
    must(grant_create(b, a->id, gfn(WIN), 1, R) == -HV_EINVAL);
    must(p2m_populate(b, gfn(WIN), 1) == -HV_EINVAL && p2m_give_back(b, gfn(WIN), 1) == -HV_EINVAL);
    must(map_page(space_b, 0x1000, 0, R) == 1); /* RAM over the window */
    must(lent(0)->maps == 0 && release(WIN) == 1);
    must(grant_end(a, (uint64_t)ref, false) == 0);
    unmap_page(space_b, 0x2000);
    must(release(WIN + 4096) == 1);
    must(machine_raises == 0);
    machine_audit();
}
END_TEST

/* The peer is told when the call has waited for all processors, once. */
static bool revoke(int64_t ref)
{
    unsigned int raises = machine_raises;

    must(grant_end(a, (uint64_t)ref, true) == 0 && machine_raises == raises);
    must(grant_tell(7) == 7 && machine_raises == raises + 1);
    must(grant_tell(-HV_EBUSY) == -HV_EBUSY);
    return machine_raises == raises + 1 && machine_raised == b && machine_raised_port == 3;
}

/* Revoke: whatever the peer does, the owner has its memory back, and the peer is told. */
START_TEST(test_revoke)
{
    int64_t ref;
    mfn_t m, mine;
    uint8_t byte = 1;

    start();
    must(space_create(b) == 2);
    ref = grant_create(a, b->id, gfn(0), 3, RW);
    mine = p2m_ram(a, gfn(0));
    must(map_grant(ref, WIN + 7, RW) == 1);
    must(map_page(space_b, 0x1000, WIN + 7, RW) == 1);
    must(map_page(b->spaces[0], HV_KERNEL_IMAGE, WIN + 8, RW) == 1);
    must(map_page(b->spaces[2], 0x1000, WIN + 9, RW) == 1);
    must(machine_touch(0x1000, true, &m) && machine_touch(HV_KERNEL_IMAGE, true, &m));
    must(guest_copy_out(b, (gpa_t){ (WIN + 7) * 4096 }, &byte, 1) == 0);
    must(revoke(ref));
    must(!machine_touch(0x1000, false, &m) && !machine_touch(HV_KERNEL_IMAGE, false, &m));
    must(leaf_at(b->spaces[2], 0x1000) == 0 && !machine_tlb_has(mine));
    must(guest_copy_out(b, (gpa_t){ (WIN + 7) * 4096 }, &byte, 1) == -HV_EFAULT);
    must(map_page(space_b, 0x1000, WIN + 7, R) == -HV_EFAULT);
    must(lent(0)->maps == 0 && lent(0)->grants == 0);
    must(p2m_give_back(a, gfn(0), 1) == 1);
    machine_audit();
    /* The window stays taken until the peer lets go. */
    ref = grant_create(a, b->id, gfn(1), 1, RW);
    must(map_grant(ref, WIN + 7, R) == -HV_EINVAL && map_grant(ref, WIN + 9, R) == -HV_EINVAL);
    must(release(WIN + 7) == 1);
    must(map_grant(ref, WIN + 7, R) == 1);
    machine_audit();
}
END_TEST

/* Mapping at an address in the same call: the shortest way and the general one. */
START_TEST(test_map_at_address)
{
    uint64_t k = HV_KERNEL_IMAGE, used;
    int64_t one, many, ro;
    mfn_t m;

    start();
    one = grant_create(a, b->id, gfn(0), 1, RW);
    many = grant_create(a, b->id, gfn(10), 6, RW);
    ro = grant_create(a, b->id, gfn(20), 1, R);
    must(map_page(b->spaces[0], k + 0x8000, 0, R) == 1); /* the table is there */
    must(map_at(one, WIN, RW, 2, k) == -HV_EINVAL);      /* another number of pages */
    must(map_at(many, WIN, RW, 5, k) == -HV_EINVAL && map_at(many, WIN, RW, 0, k) == -HV_EINVAL);
    must(map_at(one, WIN, RW, 1, k) == 1);
    must(machine_touch(k, true, &m) && m.n == p2m_ram(a, gfn(0)).n && lent(0)->maps == 1);
    must(map_at(ro, WIN + 1, R, 1, k + 0x1000) == 1);
    must(machine_touch(k + 0x1000, false, &m) && !machine_touch(k + 0x1000, true, &m));
    must(map_page(space_b, 0x1000, WIN, RW) == -HV_EBUSY); /* it has its leaf */
    must(map_at(many, WIN + 2, RW, 6, k + 0x5000) == 1);   /* over the page of RAM too */
    must(frame_of(p2m_ram(b, gfn(0)))->maps == 0);
    for (uint64_t i = 0; i < 6; i++) {
        must(machine_touch(k + 0x5000 + i * 4096, true, &m) && m.n == p2m_ram(a, gfn(10 + i)).n);
    }
    machine_audit();
    /* Unmap takes the leaves along, wherever they are. */
    unmap_page(b->spaces[0], k + 0x6000);
    must(map_page(space_b, 0x1000, WIN + 3, RW) == 1);
    must(release(WIN + 2) == 1 && release(WIN) == 1 && release(WIN + 1) == 1);
    must(!machine_touch(k, false, &m) && !machine_touch(k + 0x5000, false, &m));
    must(leaf_at(space_b, 0x1000) == 0 && lent(0)->maps == 0 && lent(11)->maps == 0);
    machine_audit();

    /* What cannot be mapped there is not in its window either. */
    must(map_at(one, WIN, RW, 1, 0x1000) == -HV_EINVAL); /* the user half */
    must(map_at(one, WIN, RW, 1, k + 1) == -HV_EINVAL);
    must(map_at(many, WIN, RW, 6, ~(uint64_t)4095) == -HV_EINVAL); /* beyond the last page */
    frame_reclaim_all();
    used = b->used;
    b->quota = used + 1; /* two tables are missing for k + 1 GiB */
    must(map_at(one, WIN, RW, 1, k + (1 << 30)) == -HV_ENOMEM);
    must(map_at(many, WIN, RW, 6, k + (1 << 30)) == -HV_ENOMEM);
    must(b->used == used && lent(0)->maps == 0);
    must(map_at(many, WIN, RW, 6, k + 0x200000 - 0x3000) == -HV_ENOMEM); /* half of it */
    b->quota = 2000;
    must(map_at(one, WIN, RW, 1, k + (1 << 30)) == 1);
    must(release(WIN) == 1);
    frame_reclaim_all();
    must(b->used == used); /* the tables that were made for it are gone */
    must(grant_end(a, (uint64_t)one, false) == 0 && grant_end(a, (uint64_t)many, false) == 0);
    must(machine_raises == 0);
    machine_audit();
}
END_TEST

/* A batch does what is before the entry that fails, and no more than two grants of 512 pages. */
START_TEST(test_batches)
{
    struct hv_grant_map m[8];
    struct hv_grant_copy c[4];
    uint64_t windows[8];

    start();
    for (uint64_t i = 0; i < 8; i++) {
        int64_t ref = grant_create(a, b->id, gfn(0), i < 4 ? 512 : 1, RW);

        windows[i] = WIN + i * 512;
        m[i] = (struct hv_grant_map){
            a->id, (uint64_t)ref, windows[i], 3, RW, i < 4 ? 512 : 1, HV_KERNEL_IMAGE + i * 0x200000
        };
    }
    must(grant_map(b, m, 8) == 2 && grant_map(b, m + 2, 6) == 2 && grant_map(b, m + 4, 4) == 4);
    machine_audit();
    must(grant_unmap(b, windows, 8) == 2 && grant_unmap(b, windows + 2, 6) == 2);
    must(grant_unmap(b, windows + 4, 4) == 4);
    machine_audit();
    for (uint64_t bad = 0; bad < 4; bad++) {
        uint64_t right = m[4 + bad].ref, window = windows[4 + bad];

        m[4 + bad].ref = 0;
        must(grant_map(b, m + 4, 4) == (bad != 0 ? (int64_t)bad : -HV_EINVAL));
        m[4 + bad].ref = right;
        must(grant_map(b, m + 4 + bad, 4 - bad) == 4 - (int64_t)bad);
        windows[4 + bad] = 0;
        must(grant_unmap(b, windows + 4, 4) == (bad != 0 ? (int64_t)bad : -HV_EINVAL));
        windows[4 + bad] = window;
        must(grant_unmap(b, windows + 4 + bad, 4 - bad) == 4 - (int64_t)bad);
        for (uint64_t i = 0; i < 4; i++) {
            c[i] = (struct hv_grant_copy){ a->id, m[4 + i].ref, 8 * i, 9 * 4096, 8, 1 };
            c[i].bytes = i == bad ? 0 : 8;
        }
        must(grant_copy(b, c, 4) == (bad != 0 ? (int64_t)bad : -HV_EINVAL));
        machine_audit();
    }
    /* An owner or a port that is not the first entry's is looked for again. */
    m[5].owner = root->id;
    must(grant_map(b, m + 4, 4) == 1);
    m[5].owner = 99;
    must(grant_map(b, m + 5, 3) == -HV_EDEAD);
    m[5].owner = a->id;
    m[6].port = 77;
    must(grant_map(b, m + 5, 3) == 1 && grant_map(b, m + 6, 2) == -HV_EINVAL);
    m[4].owner = HV_SELF;
    must(grant_map(b, m + 4, 1) == -HV_EDEAD);
    machine_audit();
}
END_TEST

/* A second processor with a vCPU of the peer's loaded, while the owner that revokes, or another
 * vCPU of the peer's that unmaps, has not waited yet: what the peer does where the window was waits
 * for that processor, too. */
START_TEST(test_peer_overtakes_the_revoke)
{
    static struct cpu other;
    int64_t ref, next;

    start();
    ref = grant_create(a, b->id, gfn(0), 1, RW);
    next = grant_create(a, b->id, gfn(1), 1, RW);
    must(map_at(ref, WIN, RW, 1, HV_KERNEL_IMAGE) == 1);
    cpus[1] = &other;
    cpu_count = 2;
    other.id = 1;
    other.vcpu = b->vcpu[0];
    epoch_flush();
    other.epoch_seen = epoch_count;
    this_cpu()->vcpu = root->vcpu[0];
    if (_i == 3) {
        unmap_page(b->spaces[0], HV_KERNEL_IMAGE); /* by itself: the table goes with it */
    } else {
        must(grant_tell(grant_end(a, (uint64_t)ref, true)) == 0);
    }
    /* Another vCPU of the peer's. */
    this_cpu()->vcpu = b->vcpu[0];
    this_cpu()->epoch_due = 0;
    if (_i == 0) {
        must(release(WIN) == 1 && this_cpu()->epoch_due == EPOCH_ALL);
    } else if (_i != 2) {
        must(map_at(next, WIN + 1, RW, 1, HV_KERNEL_IMAGE + (_i == 3 ? 4096 : 0)) == 1 &&
             this_cpu()->epoch_due == 2);
    } else {
        must(map_page(b->spaces[0], HV_KERNEL_IMAGE, 3, RW) == 1 && this_cpu()->epoch_due == 2);
    }
    /* And the next call, as long as it has not passed. */
    this_cpu()->epoch_due = 0;
    must(map_page(b->spaces[0], HV_KERNEL_IMAGE + 0x4000, 4, RW) == 1 &&
         this_cpu()->epoch_due == 2);
    other.epoch_seen = ++epoch_count;
    this_cpu()->epoch_due = 0;
    must(map_page(b->spaces[0], HV_KERNEL_IMAGE + 0x5000, 5, RW) == 1);
    must(this_cpu()->epoch_due == 0);
    cpu_count = 1;
    machine_audit();
}
END_TEST

/* A peer that ends while the owner's call waits is past being told. */
START_TEST(test_revoke_of_an_ended_peer)
{
    int64_t ref;

    start();
    ref = grant_create(a, b->id, gfn(0), 1, RW);
    must(map_grant(ref, WIN, RW) == 1);
    must(grant_end(a, (uint64_t)ref, true) == 0);
    b->state = HV_DOMAIN_DYING;
    must(grant_tell(0) == 0 && machine_raises == 0);
    b->state = HV_DOMAIN_RUNNING;
    must(grant_tell(0) == 0 && machine_raises == 0);
    machine_audit();
}
END_TEST

START_TEST(test_revoke_unmapped)
{
    int64_t ref;

    start();
    ref = grant_create(a, b->id, gfn(0), 3, RW);
    must(grant_tell(grant_end(a, (uint64_t)ref, true)) == 0 && machine_raises == 0);
    must(map_grant(ref, WIN, R) == -HV_EINVAL);
}
END_TEST

START_TEST(test_copy)
{
    uint8_t *mine, *theirs;
    struct hv_grant_copy c;
    int64_t ref, ro;

    start();
    ref = grant_create(a, b->id, gfn(4), 2, RW);
    ro = grant_create(a, b->id, gfn(4), 2, R);
    mine = frame_va(p2m_ram(b, gfn(9)));
    theirs = frame_va(p2m_ram(a, gfn(5)));
    memset(theirs, 7, 4096);
    c = (struct hv_grant_copy){ a->id, (uint64_t)ro, 4096, 9 * 4096, 4096, 0 };
    must(grant_copy(b, &c, 1) == 1 && memcmp(mine, theirs, 4096) == 0);
    memset(mine, 9, 4096);
    c = (struct hv_grant_copy){ a->id, (uint64_t)ref, 4096 + 100, 9 * 4096 + 3, 13, 1 };
    must(grant_copy(b, &c, 1) == 1);
    must(theirs[99] == 7 && theirs[100] == 9 && theirs[112] == 9 && theirs[113] == 7);

    const struct {
        struct hv_grant_copy c;
        int error;
    } bad[] = {
        { { a->id, (uint64_t)ro, 0, 9 * 4096, 8, 1 }, -HV_EINVAL },     /* read-only */
        { { a->id, (uint64_t)ref, 0, 9 * 4096, 8, 2 }, -HV_EINVAL },    /* flags */
        { { a->id, (uint64_t)ref, 0, 9 * 4096, 0, 0 }, -HV_EINVAL },    /* nothing */
        { { a->id, (uint64_t)ref, 1, 9 * 4096, 4096, 0 }, -HV_EINVAL }, /* crosses there */
        { { a->id, (uint64_t)ref, 8192, 9 * 4096, 1, 0 }, -HV_EINVAL }, /* beyond the grant */
        { { a->id, (uint64_t)ref, ~(uint64_t)0, 9 * 4096, 1, 0 }, -HV_EINVAL },
        { { a->id, (uint64_t)ref, 0, 9 * 4096 + 1, 4096, 0 }, -HV_EFAULT }, /* crosses here */
        { { a->id, (uint64_t)ref, 0, 100 * 4096, 8, 0 }, -HV_EFAULT },      /* no memory */
        { { a->id, 1, 0, 9 * 4096, 8, 0 }, -HV_EINVAL },
        { { 99, (uint64_t)ref, 0, 9 * 4096, 8, 0 }, -HV_EDEAD },
    };
    for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
        must(grant_copy(b, &bad[i].c, 1) == bad[i].error);
    }
    c = (struct hv_grant_copy){ a->id, (uint64_t)ref, 0, 0, 8, 0 };
    must(grant_copy(root, &c, 1) == -HV_EINVAL); /* not the peer */
}
END_TEST

/* Either side dies at any point: the other one is left in order, and all memory comes back. */
START_TEST(test_death)
{
    uint64_t free_before;
    int64_t ref;
    mfn_t m;

    start();
    ref = grant_create(a, b->id, gfn(0), 100, RW);
    must(map_grant(ref, WIN, RW) == 1);
    for (uint64_t i = 0; i < 50; i++) {
        must(map_page(space_b, 0x10000 + i * 8192, WIN + i, RW) == 1);
    }
    must(machine_touch(0x10000, true, &m));
    free_before = frame_free_count();
    if (_i == 0) {
        uint64_t used = a->used;

        must(machine_kill(a) > 0);
        must(machine_raises == 1 && machine_raised == b);
        must(!machine_touch(0x10000, false, &m));
        machine_bury(a);
        must(frame_free_count() > free_before + used - 1);
        must(release(WIN) == 1); /* though its owner is gone */
        machine_audit();
        machine_kill(b);
        machine_bury(b);
    } else {
        machine_kill(b);
        must(machine_raises == 0 && lent(0)->maps == 0 && lent(0)->grants == 1);
        machine_bury(b);
        machine_audit();
        must(grant_end(a, (uint64_t)ref, false) == 0); /* no longer mapped */
        must(p2m_give_back(a, gfn(0), 100) == 100);
        machine_audit();
        machine_kill(a);
        machine_bury(a);
    }
    machine_audit();
}
END_TEST

/* ---- DMA ---- */

static struct hv_dma_run runs[HV_MAX_DMA_PAGES];

static int64_t pin(uint64_t g, uint64_t count)
{
    return dma_map(b, DEVICE, gfn(g), count, runs);
}

START_TEST(test_dma_map)
{
    uint64_t used, pages = 0;
    int64_t n;

    start();
    must(pin(0, 0) == -HV_EINVAL && pin(0, HV_MAX_DMA_PAGES + 1) == -HV_EINVAL);
    must(pin(0, ~(uint64_t)0) == -HV_EINVAL);
    must(pin(HV_GFN_SHARED, 1) == -HV_EINVAL && pin(HV_GFN_MMIO + 0xfd000, 1) == -HV_EINVAL);
    must(resource_assign(root, b, HV_ASSIGN_MMIO, HV_GFN_MMIO + 0xfd000, 1) == 0);
    must(pin(HV_GFN_MMIO + 0xfd000, 1) == -HV_EINVAL); /* though it is b's */
    must(pin(RAM, 1) == -HV_EINVAL && pin(WIN, 1) == -HV_EINVAL);
    must(b->resources->dma == NULL); /* for none of these */
    used = b->used;
    n = pin(0, 64);
    must(n > 0 && b->used == used + 64 + 2); /* reserves, table, a frame of pins */
    for (int64_t i = 0; i < n; i++) {
        for (uint64_t p = 0; p < runs[i].pages; p++, pages++) {
            must(runs[i].address / 4096 + p == p2m_ram(b, gfn(pages)).n);
        }
        must(i == 0 || runs[i].address != runs[i - 1].address + runs[i - 1].pages * 4096);
    }
    must(pages == 64);
    must(p2m_give_back(b, gfn(0), 1) == -HV_EBUSY);
    machine_audit();
    must(pin(60, 10) == -HV_EINVAL); /* GFN 64 is empty: all or nothing */
    must(frame_of(p2m_ram(b, gfn(60)))->pins == 1 && b->used == used + 66);
    must(dma_unmap(b, DEVICE + 1, runs[0].address, 1) == -HV_EINVAL);
    must(dma_unmap(b, DEVICE, runs[0].address + 1, 1) == -HV_EINVAL);
    must(dma_unmap(b, DEVICE, runs[0].address, 0) == -HV_EINVAL);
    must(dma_unmap(b, DEVICE, runs[0].address, HV_MAX_DMA_PAGES + 1) == -HV_EINVAL);
    must(dma_unmap(b, DEVICE, 0, 1) == -HV_EINVAL);
    must(dma_unmap(b, DEVICE, ~(uint64_t)4095, 1) == -HV_EINVAL);
    for (uint64_t g = 0; g < 64; g++) {
        must(dma_unmap(b, DEVICE, p2m_ram(b, gfn(g)).n * 4096, 1) == 1);
    }
    must(dma_unmap(b, DEVICE, p2m_ram(b, gfn(0)).n * 4096, 1) == -HV_EINVAL);
    must(b->used == used + 2 && p2m_give_back(b, gfn(0), 1) == 1);
    machine_audit();
}
END_TEST

/* Neighbours in memory come as one run. */
START_TEST(test_dma_runs)
{
    mfn_t next;

    start();
    must(resource_assign(root, a, HV_ASSIGN_DEVICE, DEVICE + 8, 0) == 0);
    /* GFN 0 gets some frame that has a free one behind it, GFN 1 that one. */
    do {
        must(p2m_give_back(a, gfn(0), 1) == 1);
        (void)frame_alloc(NULL, FRAME_META); /* not the same one again */
        must(p2m_populate(a, gfn(0), 1) == 1);
        next.n = p2m_ram(a, gfn(0)).n + 1;
    } while (!frame_valid(next.n) || frame_of(next)->state != FRAME_FREE);
    must(p2m_give_back(a, gfn(1), 1) == 1);
    while (p2m_populate(a, gfn(1), 1) == 1 && p2m_ram(a, gfn(1)).n != next.n) {
        must(p2m_give_back(a, gfn(1), 1) == 1);
        (void)frame_alloc(NULL, FRAME_META);
    }
    must(dma_map(a, DEVICE + 8, gfn(0), 2, runs) == 1);
    must(runs[0].pages == 2 && runs[0].address == p2m_ram(a, gfn(0)).n * 4096);
    must(dma_unmap(a, DEVICE + 8, runs[0].address, 2) == 2);
    /* A table without pins is no reason to wait. */
    must(!dma_in_use(a));
    machine_kill(a);
    machine_bury(a);
    machine_audit();
}
END_TEST

START_TEST(test_dma_out_of_memory)
{
    uint64_t used;

    start();
    /* Pinning the first page takes a table, a frame of pins and a reserve, or nothing. */
    b->quota = used = b->used;
    for (uint64_t room = 0; pin(0, 1) != 1; room++) {
        must(room < 3 && pin(0, 1) == -HV_ENOMEM && b->used == used);
        machine_audit();
        b->quota++;
    }
    used = b->used;
    for (uint64_t room = 0; room < 8; room++) {
        b->quota = used + room;
        must(pin(1, 8) == -HV_ENOMEM && b->used == used);
        machine_audit();
    }
    b->quota = used + 8;
    must(pin(1, 8) > 0);
}
END_TEST

/* Revoke of a pinned frame: the owner gets a copy, the device keeps the old one, the bill is even.
 */
START_TEST(test_revoke_pinned)
{
    uint64_t used_a, used_b, total;
    int64_t ref, two;
    mfn_t old, m;
    uint8_t *bytes;

    start();
    ref = grant_create(a, b->id, gfn(3), 2, RW);
    must(map_grant(ref, WIN, RW) == 1);
    must(map_page(space_b, 0x1000, WIN, RW) == 1);
    must(pin(WIN, 1) == 1 && pin(WIN, 1) == 1); /* twice */
    old = p2m_ram(a, gfn(3));
    must(runs[0].address == old.n * 4096);
    two = grant_create(a, b->id, gfn(4), 1, R);
    must(grant_create(a, b->id, gfn(3), 1, R) == -HV_EBUSY); /* pinned through a grant */
    must(pin(WIN + 1, 1) == -HV_EBUSY);                      /* covered by two grants */
    must(grant_end(a, (uint64_t)two, false) == 0);
    must(release(WIN) == -HV_EBUSY);

    must(map_page(a->spaces[0], HV_KERNEL_IMAGE, 3, RW) == 1);
    must(grant_end(a, (uint64_t)ref, true) == -HV_EBUSY); /* the owner's own leaf */
    must(machine_touch(0x1000, true, &m));                /* nothing has happened */
    unmap_page(a->spaces[0], HV_KERNEL_IMAGE);
    frame_hold(lent(3));
    must(grant_end(a, (uint64_t)ref, true) == -HV_EBUSY);
    frame_unhold(lent(3));
    must(resource_assign(root, a, HV_ASSIGN_DEVICE, DEVICE + 8, 0) == 0);
    must(dma_map(a, DEVICE + 8, gfn(3), 1, runs) == 1); /* the owner's own device */
    must(grant_end(a, (uint64_t)ref, true) == -HV_EBUSY);
    must(dma_unmap(a, DEVICE + 8, old.n * 4096, 1) == 1);

    memset(frame_va(old), 0x5a, 4096);
    used_a = a->used;
    used_b = b->used;
    total = frame_free_count();
    must(grant_end(a, (uint64_t)ref, true) == 0);
    m = p2m_ram(a, gfn(3));
    bytes = frame_va(m);
    must(m.n != old.n && bytes[0] == 0x5a && bytes[4095] == 0x5a);
    must(frame_of(old)->state == FRAME_QUARANTINE && b->quarantined == 1);
    must(a->used == used_a && b->used == used_b && frame_free_count() == total);
    must(!machine_touch(0x1000, false, &m));
    must(p2m_give_back(a, gfn(3), 1) == 1); /* the owner has it back, whatever the peer does */
    machine_audit();

    memset(frame_va(old), 0x11, 4096); /* the device writes: to nobody's memory */
    must(dma_unmap(b, DEVICE, old.n * 4096, 1) == 1 && frame_of(old)->state == FRAME_QUARANTINE);
    must(dma_unmap(b, DEVICE, old.n * 4096, 1) == 1);
    must(frame_of(old)->state != FRAME_QUARANTINE && b->quarantined == 0);
    must(release(WIN) == 1);
    machine_audit();
}
END_TEST

/* The owner dies while the peer's device has the frame; then the peer dies, then it is reset. */
START_TEST(test_death_pinned)
{
    int64_t ref;
    mfn_t old;

    start();
    ref = grant_create(a, b->id, gfn(3), 4, RW);
    must(map_grant(ref, WIN, RW) == 1 && pin(WIN, 3) > 0 && pin(5, 2) > 0);
    must(map_page(a->spaces[0], HV_KERNEL_IMAGE, 3, RW) == 1);
    old = p2m_ram(a, gfn(3));
    if (_i == 0) { /* owner first */
        machine_kill(a);
        machine_bury(a);
        must(b->quarantined == 3 && frame_owner(frame_of(old)) == b);
        machine_audit();
        machine_kill(b);
        must(b->quarantined == 5 && dma_in_use(b)); /* and two of its own */
        machine_audit();
    } else { /* peer first: its window stays, for the owner's sake */
        machine_kill(b);
        must(b->quarantined == 2 && dma_in_use(b));
        machine_audit();
        must(grant_end(a, (uint64_t)ref, false) == -HV_EBUSY);
        if (_i == 1) {
            unmap_page(a->spaces[0], HV_KERNEL_IMAGE);
            must(grant_end(a, (uint64_t)ref, true) == 0);
            must(p2m_ram(a, gfn(3)).n != old.n && b->quarantined == 5);
            machine_audit();
        }
    }
    while (dma_reset_step(b)) {
    }
    must(!dma_in_use(b) && b->quarantined == 0);
    machine_audit();
    if (_i == 2) { /* the device was reset before the owner asked: nothing was replaced */
        must(p2m_ram(a, gfn(3)).n == old.n);
        must(grant_end(a, (uint64_t)ref, false) == 0);
    }
    machine_bury(b);
    machine_audit();
}
END_TEST

START_TEST(test_pin_table_full)
{
    uint64_t done = 0;

    machine_start(32768);
    root = machine_domain(30000, 64, 0);
    b = machine_domain(20000, 64, 0);
    must(p2m_populate(b, gfn(0), 64) == 64);
    while (done < DMA_PINS) {
        must(pin(0, 64) > 0);
        done += 64;
    }
    must(pin(0, 1) == -HV_ENOSPC);
    must(dma_unmap(b, DEVICE, p2m_ram(b, gfn(9)).n * 4096, 1) == 1 && pin(3, 1) == 1);
    machine_audit();
    machine_kill(b);
    while (dma_reset_step(b)) {
    }
    machine_bury(b);
    machine_audit();
}
END_TEST

/* ---- against a model ---- */

#define GRANTS 40u

static struct {
    int64_t ref; /* 0: none */
    uint64_t gfn, count, window;
    bool mapped, revoked;
} model[GRANTS];

static bool windows_taken(uint64_t first, uint64_t count)
{
    for (unsigned int i = 0; i < GRANTS; i++) {
        if ((model[i].mapped || model[i].revoked) && first < model[i].window + model[i].count &&
            model[i].window < first + count) {
            return true;
        }
    }
    return false;
}

static bool leaf_of(unsigned int i)
{
    for (uint64_t p = 0; p < model[i].count; p++) {
        if (p2m_window_at(b, model[i].window - WIN + p)->space != NULL) {
            return true;
        }
    }
    return false;
}

static void random_map(unsigned int i)
{
    uint64_t window = WIN + machine_random(3) * 4096 + machine_random(60);
    bool taken = windows_taken(window, model[i].count);
    uint64_t address = machine_random(2) * (HV_KERNEL_IMAGE + machine_random(2000) * 4096);
    int64_t done = map_at(model[i].ref, window, RW, model[i].count, address);

    if (model[i].mapped) {
        must(done == -HV_EBUSY);
    } else if (taken || window + model[i].count > WIN + WINDOWS) {
        must(done == -HV_EINVAL);
    } else {
        must(done == 1);
        model[i].window = window;
        model[i].mapped = true;
    }
}

static void random_end(unsigned int i)
{
    bool force = machine_random(2) != 0;
    unsigned int raises = machine_raises;
    int64_t error = grant_tell(grant_end(a, (uint64_t)model[i].ref, force));

    must(error == (model[i].mapped && !force ? -HV_EBUSY : 0));
    if (error == 0) {
        must(machine_raises == raises + (model[i].mapped ? 1 : 0));
        model[i].ref = 0;
        model[i].revoked = model[i].mapped;
        model[i].mapped = false;
    }
}

static void random_unmap(unsigned int i)
{
    must(release(model[i].window) == 1 && !leaf_of(i));
    model[i].mapped = model[i].revoked = false;
}

static void random_leaf(unsigned int i)
{
    uint64_t page = machine_random(model[i].count), g = model[i].window + page;
    uint64_t va = 0x100000 + machine_random(100) * 4096;
    const struct window *w = p2m_window_at(b, g - WIN);
    bool elsewhere = w->space != NULL && w->address != va;
    int64_t done;
    mfn_t m;

    if (machine_random(3) == 0) {
        unmap_page(space_b, va);
        must(!machine_touch(va, false, &m));
        return;
    }
    done = map_page(space_b, va, g, RW);
    must(done == (model[i].revoked ? -HV_EFAULT : elsewhere ? -HV_EBUSY : 1));
    if (done == 1) {
        must(machine_touch(va, true, &m) && m.n == p2m_ram(a, gfn(model[i].gfn + page)).n);
    }
}

START_TEST(test_random_against_model)
{
    start();
    machine_seed((uint64_t)_i + 40);
    memset(model, 0, sizeof(model));
    for (int step = 0; step < 20000; step++) {
        unsigned int i = (unsigned int)machine_random(GRANTS);
        uint64_t what = machine_random(8);

        if (model[i].revoked && what < 4) {
            random_unmap(i);
        } else if (model[i].ref == 0 && !model[i].revoked) {
            model[i].gfn = machine_random(500);
            model[i].count = 1 + machine_random(12);
            model[i].ref = grant_create(a, b->id, gfn(model[i].gfn), model[i].count, RW);
            must(model[i].ref > 0);
        } else if (model[i].mapped || model[i].revoked) {
            if (what < 5) {
                random_leaf(i);
            } else if (model[i].mapped && what < 7) {
                random_end(i);
            } else {
                random_unmap(i);
            }
        } else if (what < 6) {
            random_map(i);
        } else {
            random_end(i);
        }
        if (step % 500 == 0) {
            machine_audit();
        }
    }
    machine_audit();
    machine_kill(_i % 2 == 0 ? a : b);
    machine_audit();
    machine_kill(_i % 2 == 0 ? b : a);
    machine_bury(a);
    machine_bury(b);
    machine_audit();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grant");
    TCase *tests = tcase_create("grant");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_create_checks);
    tcase_add_test(tests, test_references);
    tcase_add_test(tests, test_generation_end);
    tcase_add_test(tests, test_table_full);
    tcase_add_test(tests, test_destroy_ended_slots);
    tcase_add_test(tests, test_create_out_of_memory);
    tcase_add_test(tests, test_map_checks);
    tcase_add_test(tests, test_window_pages);
    tcase_add_test(tests, test_revoke);
    tcase_add_test(tests, test_map_at_address);
    tcase_add_test(tests, test_batches);
    tcase_add_loop_test(tests, test_peer_overtakes_the_revoke, 0, 4);
    tcase_add_test(tests, test_revoke_of_an_ended_peer);
    tcase_add_test(tests, test_revoke_unmapped);
    tcase_add_test(tests, test_copy);
    tcase_add_loop_test(tests, test_death, 0, 2);
    tcase_add_test(tests, test_dma_map);
    tcase_add_test(tests, test_dma_runs);
    tcase_add_test(tests, test_dma_out_of_memory);
    tcase_add_test(tests, test_revoke_pinned);
    tcase_add_loop_test(tests, test_death_pinned, 0, 3);
    tcase_add_test(tests, test_pin_table_full);
    tcase_add_loop_test(tests, test_random_against_model, 0, 4);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
