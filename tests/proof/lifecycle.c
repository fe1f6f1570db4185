/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every sequence of operations, up to a length, on the life of frames, leaves, grants, windows and
 * DMA pins, with the hypervisor's own sources over the machine of host_machine.h.
 *
 * Domain A has a page and lends it, B has a page, a window and a device. After each operation its
 * result and all that can be seen are compared with a model that knows nothing of frames, tables
 * or epochs; the audit recounts everything; no TLB entry may allow what no leaf does; and a frame
 * that a leaf named or that was a table is not free before the whole TLB was flushed. At each new
 * state all is ended, and memory must be what it was.
 *
 * Breadth first; a state is known by its hash: the model, and of each frame what the hypervisor
 * records, with its stamp as passed or not. The number of the frame does not count: two states that
 * differ in nothing else go on in the same way.
 *
 * sources: tests/unit/host_machine.c hyp/core/frame.c hyp/core/epoch.c hyp/core/p2m.c
 * sources: hyp/core/space.c hyp/core/space_table.c hyp/core/space_leaf.c hyp/core/grant.c
 * sources: hyp/core/dma.c hyp/core/resource.c hyp/core/guestmem.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c hyp/lib/lock.c
 * finds: unmap-stamps-nothing mapped-frame-not-counted granted-frame-not-counted pin-not-counted
 * finds: reference-without-its-generation map-a-grant-twice map-into-a-taken-window
 * finds: release-leaves-mapped revoke-tells-nobody zap-without-a-flush unmap-keeps-the-grant
 * finds: release-a-pinned-window revoked-window-still-a-buffer replaced-without-its-data
 * finds: pin-of-a-twice-granted-frame pinned-page-granted-twice give-back-of-a-mapped-page
 * finds: populate-over-a-page table-freed-without-stamp flush-passes-one-stamp-too-many
 */
#include "host_machine.h"

#include "audit.h"
#include "cpu.h"
#include "epoch.h"
#include "grant.h"
#include "guestmem.h"
#include "hv_domain.h"
#include "p2m.h"
#include "resource.h"
#include "space_table.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAMES   120u
#define DEPTH    64u
#define STATES   ((uint32_t)1 << 22)
#define RW       (HV_MAP_READ | HV_MAP_WRITE)
#define AT_A     (HV_KERNEL_START + 0x200000) /* A's page */
#define AT_WIN   (HV_KERNEL_START + 0x400000) /* B's window */
#define AT_B     0x600000ul                   /* B's own page, in the user half of its space 1 */
#define WIN      HV_GFN_WINDOW
#define DEVICE   0x18u
#define PORT     3u
#define ANY_FREE 8u /* with fewer frames than that, any call may say that there is no memory */

/* ---- the model ---- */

struct model {
    bool alive_a, alive_b;
    uint8_t runs; /* 0: nobody, 1: A, 2: B */
    bool page_a, page_b;
    uint8_t in_a, in_b; /* what was written there last */
    uint8_t leaf_a;     /* 1: to read, 2: to write as well */
    bool leaf_win, leaf_b;
    bool grant, other_grant, old; /* old: there is a reference to a grant that has ended */
    uint8_t window;               /* 1: with the grant, 2: revoked */
    uint8_t pin;                  /* 1: of A's page, 2: of a frame that was replaced */
    uint8_t told;                 /* the last operation told B of a revoke */
};

/* What only the caller knows. */
struct names {
    uint64_t ref, other_ref, old_ref, device_address;
};

static struct model model;
static struct names names;
static struct domain *root, *a, *b;

/* ---- operations: each changes the model and returns whether the hypervisor did as it says ---- */

#define ENOMEM_TOO 1 /* given to `did`: the call may be out of memory */

static int64_t wanted, got;

static bool did(int64_t result, int64_t expected, int flags)
{
    wanted = expected;
    got = result;
    return result == expected || (flags == ENOMEM_TOO && result == -HV_ENOMEM && expected > 0 &&
                                  frame_free_count() + frame_limbo_count() < ANY_FREE);
}

static bool done(void)
{
    return got == wanted && got >= 0;
}

static int64_t map(struct space *s, uint64_t va, uint64_t gfn, uint32_t rights)
{
    const struct hv_map_run run = { va, gfn, 1, rights };

    return space_map_runs(s, &run, 1);
}

static int64_t change(struct space *s, uint64_t va, uint32_t rights)
{
    const struct hv_map_run run = { va, 0, 1, rights };
    int64_t n = rights != 0 ? space_protect(s, &run, 1) : space_unmap(s, &run, 1);

    space_flush(s);
    return n;
}

/* The running vCPU reads or writes: it can when the leaf says so, and finds what is there. */
static bool touch(uint64_t va, uint8_t value, uint8_t rights, uint8_t *content)
{
    mfn_t m;

    for (uint8_t write = 0; write < 2; write++) {
        bool can = machine_touch(va, write, &m);

        if (!did(can, rights > write, 0)) {
            return false;
        }
        if (can && *(uint8_t *)frame_va(m) != *content) {
            return false;
        }
        if (can && write) {
            *content = *(uint8_t *)frame_va(m) = value;
        }
    }
    return true;
}

static bool a_populates(void)
{
    bool ok = did(p2m_populate(a, (gfn_t){ 0 }, 1), model.page_a ? -HV_EINVAL : 1, ENOMEM_TOO);

    if (done()) {
        model.page_a = true;
        model.in_a = 0;
    }
    return ok;
}

static bool a_gives_back(void)
{
    bool busy = model.leaf_a || model.grant || model.other_grant || model.pin == 1;
    bool ok = did(p2m_give_back(a, (gfn_t){ 0 }, 1),
                  !model.page_a ? -HV_EINVAL
                  : busy        ? -HV_EBUSY
                                : 1,
                  0);

    model.page_a = model.page_a && !done();
    return ok;
}

static bool a_maps(void)
{
    bool ok = did(map(a->spaces[0], AT_A, 0, RW), model.page_a ? 1 : -HV_EINVAL, ENOMEM_TOO);

    model.leaf_a = done() ? 2 : model.leaf_a;
    return ok;
}

static bool a_protects(void)
{
    model.leaf_a = model.leaf_a ? 1 : 0;
    return did(change(a->spaces[0], AT_A, HV_MAP_READ), 1, 0);
}

static bool a_unmaps(void)
{
    model.leaf_a = 0;
    return did(change(a->spaces[0], AT_A, 0), 1, 0);
}

static bool a_runs(void)
{
    model.runs = 1;
    machine_run(a, a->spaces[0]);
    return true;
}

static bool a_touches(void)
{
    return touch(AT_A, 1, model.leaf_a, &model.in_a);
}

static bool a_grants(void)
{
    int64_t ref = grant_create(a, b->id, (gfn_t){ 0 }, 1, RW);
    bool busy = model.pin == 1 && model.other_grant;
    bool ok = did(ref > 0 ? 1 : ref,
                  !model.page_a || !model.alive_b ? -HV_EINVAL
                  : busy                          ? -HV_EBUSY
                                                  : 1,
                  ENOMEM_TOO);

    if (done()) {
        model.grant = true;
        names.ref = (uint64_t)ref;
    }
    return ok;
}

/* A second grant of the same page, which nobody maps. */
static bool a_grants_again(void)
{
    int64_t ref = grant_create(a, b->id, (gfn_t){ 0 }, 1, HV_MAP_READ);
    bool busy = model.pin == 1 && model.grant;
    bool ok = did(ref > 0 ? 1 : ref,
                  !model.page_a || !model.alive_b ? -HV_EINVAL
                  : busy                          ? -HV_EBUSY
                                                  : 1,
                  ENOMEM_TOO);

    if (done()) {
        model.other_grant = true;
        names.other_ref = (uint64_t)ref;
    }
    return ok;
}

static bool a_ends_other(void)
{
    model.other_grant = false;
    return did(grant_tell(grant_end(a, names.other_ref, false)), 0, 0);
}

/* What a revoke leaves of the peer's. */
static void revoked(void)
{
    model.told = model.window == 1 && model.alive_b;
    if (model.window == 1) {
        model.window = 2;
        model.leaf_win = false;
        model.pin = model.pin == 1 ? 2 : model.pin;
    }
    if (model.grant) {
        model.old = true;
        names.old_ref = names.ref;
    }
    model.grant = false;
}

static bool a_ends(void)
{
    bool ok = did(grant_tell(grant_end(a, names.ref, false)), model.window == 1 ? -HV_EBUSY : 0, 0);

    if (done()) {
        revoked();
    }
    return ok;
}

static bool a_revokes(void)
{
    bool stuck = model.pin == 1 && model.leaf_a;
    bool ok = did(grant_tell(grant_end(a, names.ref, true)), stuck ? -HV_EBUSY : 0, 0);

    if (done()) {
        revoked();
    }
    return ok;
}

static bool a_ends_old(void)
{
    return did(grant_end(a, names.old_ref, true), -HV_EINVAL, 0);
}

static int64_t map_grant(uint64_t ref)
{
    const struct hv_grant_map m = { a->id, ref, WIN, PORT, RW, 1, 0 };

    return grant_map(b, &m, 1);
}

static bool b_maps_grant(void)
{
    bool ok = did(map_grant(names.ref),
                  !model.alive_a      ? -HV_EDEAD
                  : !model.grant      ? -HV_EINVAL
                  : model.window == 1 ? -HV_EBUSY
                  : model.window == 2 ? -HV_EINVAL
                                      : 1,
                  0);

    model.window = done() ? 1 : model.window;
    return ok;
}

static bool b_maps_old_grant(void)
{
    return did(map_grant(names.old_ref), !model.alive_a ? -HV_EDEAD : -HV_EINVAL, 0);
}

static bool b_unmaps_grant(void)
{
    const uint64_t window = WIN;
    bool ok = did(grant_unmap(b, &window, 1),
                  model.window == 0 ? -HV_EINVAL
                  : model.pin != 0  ? -HV_EBUSY
                                    : 1,
                  0);

    if (done()) {
        model.window = 0;
        model.leaf_win = false;
    }
    return ok;
}

static bool b_maps_window(void)
{
    static const int64_t result[] = { -HV_EINVAL, 1, -HV_EFAULT };
    bool ok = did(map(b->spaces[0], AT_WIN, WIN, RW), result[model.window], ENOMEM_TOO);

    model.leaf_win = done() || model.leaf_win;
    return ok;
}

static bool b_unmaps_window(void)
{
    model.leaf_win = false;
    return did(change(b->spaces[0], AT_WIN, 0), 1, 0);
}

static bool b_touches_window(void)
{
    return touch(AT_WIN, 2, model.leaf_win ? 2 : 0, &model.in_a);
}

static bool b_pins(void)
{
    static const int64_t result[] = { -HV_EINVAL, 1, -HV_EFAULT };
    int64_t expected = result[model.window];
    struct hv_dma_run run = { 0 };
    bool ok;

    if (expected == 1 && model.grant && model.other_grant) {
        expected = -HV_EBUSY;
    }
    ok = did(dma_map(b, DEVICE, (gfn_t){ WIN }, 1, &run), expected, ENOMEM_TOO);
    if (done()) {
        model.pin = 1;
        names.device_address = run.address;
    }
    return ok;
}

static bool b_unpins(void)
{
    model.pin = 0;
    return did(dma_unmap(b, DEVICE, names.device_address, 1), 1, 0);
}

static bool device_writes(void)
{
    *(uint8_t *)(frame_direct + names.device_address) = 3;
    model.in_a = model.pin == 1 ? 3 : model.in_a;
    return true;
}

static bool b_populates(void)
{
    bool ok = did(p2m_populate(b, (gfn_t){ 0 }, 1), model.page_b ? -HV_EINVAL : 1, ENOMEM_TOO);

    if (done()) {
        model.page_b = true;
        model.in_b = 0;
    }
    return ok;
}

static bool b_gives_back(void)
{
    bool ok = did(p2m_give_back(b, (gfn_t){ 0 }, 1),
                  !model.page_b  ? -HV_EINVAL
                  : model.leaf_b ? -HV_EBUSY
                                 : 1,
                  0);

    model.page_b = model.page_b && !done();
    return ok;
}

static bool b_maps(void)
{
    bool ok = did(map(b->spaces[1], AT_B, 0, RW), model.page_b ? 1 : -HV_EINVAL, ENOMEM_TOO);

    model.leaf_b = done() || model.leaf_b;
    return ok;
}

static bool b_unmaps(void)
{
    model.leaf_b = false;
    return did(change(b->spaces[1], AT_B, 0), 1, 0);
}

static bool b_runs(void)
{
    model.runs = 2;
    machine_run(b, b->spaces[1]);
    return true;
}

static bool b_touches(void)
{
    return touch(AT_B, 4, model.leaf_b ? 2 : 0, &model.in_b);
}

static bool a_dies(void)
{
    (void)machine_kill(a);
    revoked();
    model.alive_a = model.page_a = model.other_grant = model.old = false;
    model.leaf_a = model.in_a = 0;
    model.runs = model.runs == 1 ? 0 : model.runs;
    return true;
}

static bool b_dies(void)
{
    (void)machine_kill(b);
    model.alive_b = model.page_b = model.leaf_b = model.leaf_win = false;
    model.in_b = 0;
    model.window = model.pin == 0 ? 0 : model.window;
    model.runs = model.runs == 2 ? 0 : model.runs;
    return true;
}

static bool device_reset(void)
{
    while (dma_reset_step(b) || p2m_destroy_step(b)) {
    }
    model.pin = model.window = 0;
    return true;
}

/* `needs`: bits of what has to be so for the operation to be one that can be made. */
enum needs {
    A = 1, /* A lives */
    B = 2, /* B lives */
    RUNS_A = 4,
    RUNS_B = 8,
    GRANT = 16, /* there is a reference */
    NO_GRANT = 32,
    OTHER = 64,
    NO_OTHER = 128,
    PIN = 256,
    NO_PIN = 512,
    DEAD_B = 1024,
    OLD = 2048,
};

static const struct op {
    const char *name;
    bool (*make)(void);
    unsigned int needs;
} ops[] = {
    { "A populates its page", a_populates, A },
    { "A gives it back", a_gives_back, A },
    { "A maps it", a_maps, A },
    { "A takes the right to write away", a_protects, A },
    { "A unmaps it", a_unmaps, A },
    { "A runs", a_runs, A },
    { "A reads and writes", a_touches, A | RUNS_A },
    { "A grants its page", a_grants, A | NO_GRANT },
    { "A grants it again", a_grants_again, A | NO_OTHER },
    { "A ends the second grant", a_ends_other, A | OTHER },
    { "A ends the grant", a_ends, A | GRANT },
    { "A revokes it", a_revokes, A | GRANT },
    { "A ends a grant that has ended", a_ends_old, A | OLD },
    { "B maps the grant", b_maps_grant, B | GRANT },
    { "B maps a grant that has ended", b_maps_old_grant, B | OLD },
    { "B unmaps the grant", b_unmaps_grant, B },
    { "B maps the window", b_maps_window, B },
    { "B unmaps the window", b_unmaps_window, B },
    { "B reads and writes in the window", b_touches_window, B | RUNS_B },
    { "B pins the window", b_pins, B | NO_PIN },
    { "B unpins it", b_unpins, B | PIN },
    { "the device writes", device_writes, PIN },
    { "B populates its page", b_populates, B },
    { "B gives it back", b_gives_back, B },
    { "B maps it", b_maps, B },
    { "B unmaps it", b_unmaps, B },
    { "B runs", b_runs, B },
    { "B reads and writes", b_touches, B | RUNS_B },
    { "A dies", a_dies, A },
    { "B dies", b_dies, B },
    { "the device is reset", device_reset, DEAD_B },
};
#define OPS (sizeof(ops) / sizeof(ops[0]))

static bool possible(const struct op *o)
{
    unsigned int is = (model.alive_a ? A : 0u) | (model.alive_b ? B : (unsigned int)DEAD_B) |
                      (model.runs == 1 ? RUNS_A : 0u) | (model.runs == 2 ? RUNS_B : 0u) |
                      (model.grant ? GRANT : (unsigned int)NO_GRANT) |
                      (model.other_grant ? OTHER : (unsigned int)NO_OTHER) |
                      (model.pin ? PIN : (unsigned int)NO_PIN) | (model.old ? OLD : 0u);

    return (o->needs & ~is) == 0;
}

/* ---- what can be seen ---- */

static const char *wrong;

static bool same(bool equal, const char *what)
{
    if (!equal && wrong == NULL) {
        wrong = what;
    }
    return equal;
}

static bool leaf_is(struct space *s, uint64_t va, uint8_t rights, mfn_t m)
{
    pte_t e = leaf_at(s, va);

    if (rights == 0) {
        return e == 0;
    }
    return e != 0 && pte_frame(e) == m.n && ((e & PTE_WRITE) != 0) == (rights == 2);
}

static void compare_a(void)
{
    mfn_t m = p2m_ram(a, (gfn_t){ 0 });
    const struct frame *f;

    if (!model.alive_a) {
        return;
    }
    same(!mfn_is_none(m) == model.page_a, "A's page");
    same(leaf_is(a->spaces[0], AT_A, model.leaf_a, m), "A's leaf");
    same((model.grant && grant_find(a, names.ref) != NULL) == model.grant, "the grant");
    same(!model.old || grant_find(a, names.old_ref) == NULL, "a grant that has ended");
    if (mfn_is_none(m)) {
        return;
    }
    f = frame_of(m);
    same(f->state == FRAME_RAM && frame_owner(f) == a, "the owner of A's page");
    same(f->maps == (model.leaf_a != 0) + model.leaf_win, "the leaves of A's page");
    same(f->grants == model.grant + model.other_grant, "the grants of A's page");
    same(f->pins == (model.pin == 1), "the pins of A's page");
    same(*(uint8_t *)frame_va(m) == model.in_a, "what is in A's page");
}

static void compare_window(void)
{
    const struct window *w;

    if (!model.alive_b && model.pin == 0) {
        return;
    }
    w = p2m_window_at(b, 0);
    same((w->rights != 0) == (model.window != 0), "the window");
    same((w->grant != NULL && w->rights != 0) == (model.window == 1), "the window's grant");
    same(model.window != 1 || w->mfn.n == p2m_ram(a, (gfn_t){ 0 }).n, "the window's frame");
}

static void compare_b(void)
{
    mfn_t m = p2m_ram(b, (gfn_t){ 0 });

    same(dma_in_use(b) == (model.pin != 0), "the pins");
    same(b->quarantined == (model.pin == 2), "the quarantine");
    if (model.pin == 2) {
        const struct frame *f = &frame_table[names.device_address / HV_PAGE_SIZE];

        same(f->state == FRAME_QUARANTINE && frame_owner(f) == b && f->pins == 1,
             "the frame that the device has");
    }
    if (!model.alive_b) {
        return;
    }
    same(!mfn_is_none(m) == model.page_b, "B's page");
    same(leaf_is(b->spaces[1], AT_B, model.leaf_b ? 2 : 0, m), "B's leaf");
    same(leaf_is(b->spaces[0], AT_WIN, model.leaf_win ? 2 : 0, p2m_ram(a, (gfn_t){ 0 })),
         "the window's leaf");
    same(mfn_is_none(m) || *(uint8_t *)frame_va(m) == model.in_b, "what is in B's page");
}

/* The number of the flush that has to come since a frame was last in reach of the TLB; and what
 * each frame was before the operation. */
static uint32_t reach[FRAMES];
static uint8_t was[FRAMES];

static void note_reach(void)
{
    for (uint32_t m = 0; m < frame_table_count; m++) {
        const struct frame *f = &frame_table[m];

        was[m] = f->state;
        if (f->maps != 0 || f->state == FRAME_TABLE) {
            reach[m] = machine_flushes + 1;
        }
    }
}

static void compare_tlb(void)
{
    mfn_t m;

    for (uint32_t n = 0; n < frame_table_count; n++) {
        const struct frame *f = &frame_table[n];

        if (f->state == FRAME_FREE || (f->state != was[n] && was[n] == FRAME_LIMBO)) {
            same(reach[n] <= machine_flushes, "a frame that a TLB may name is used again");
        }
        if (machine_tlb_has((mfn_t){ n })) {
            same(f->maps != 0, "a TLB entry without a leaf");
        }
    }
    if (model.runs == 1) {
        same(machine_touch(AT_A, true, &m) == (model.leaf_a == 2), "A's TLB");
    } else if (model.runs == 2) {
        same(machine_touch(AT_WIN, true, &m) == model.leaf_win, "B's TLB of the window");
        same(machine_touch(AT_B, true, &m) == model.leaf_b, "B's TLB");
    }
}

static bool compare(void)
{
    compare_a();
    compare_b();
    compare_window();
    compare_tlb();
    same(machine_raises == model.told, "the notice of a revoke");
    machine_log[0] = 0;
    if (audit_run() != 0) {
        same(false, machine_log);
    }
    return wrong == NULL;
}

/* ---- the state of everything, kept and brought back ---- */

extern char __data_start[], _end[]; /* of the linker: all variables of this program */

struct region {
    void *at;
    size_t bytes;
};

struct snapshot {
    char *copy;
};

static struct region regions[8];
static unsigned int region_count;

static void snapshot_of(void *at, size_t bytes)
{
    regions[region_count++] = (struct region){ at, bytes };
}

static void keep(struct snapshot *s)
{
    size_t bytes = 0;

    for (unsigned int i = 0; s->copy == NULL && i < region_count; i++) {
        bytes += regions[i].bytes;
    }
    if (s->copy == NULL) {
        s->copy = malloc(bytes);
    }
    bytes = 0;
    for (unsigned int i = 0; i < region_count; i++) {
        memcpy(s->copy + bytes, regions[i].at, regions[i].bytes);
        bytes += regions[i].bytes;
    }
}

/* The list of regions lies in one of them, and comes back as it is. */
static void bring_back(const struct snapshot *s)
{
    size_t bytes = 0;

    for (unsigned int i = 0; i < region_count; i++) {
        memcpy(regions[i].at, s->copy + bytes, regions[i].bytes);
        bytes += regions[i].bytes;
    }
}

/* ---- the search ---- */

struct node {
    uint32_t parent;
    uint32_t op;
};

/* Outside of what is brought back. */
struct search {
    uint32_t nodes, level_end;
    uint64_t steps;
    unsigned int depth;
    uint32_t at, op;
    struct node node[STATES];
    uint64_t seen[STATES * 2];
};

static struct search *search;

static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9e3779b97f4a7c15;
    return h ^ h >> 29;
}

/* What the hypervisor records of a frame, but for its number. */
static uint64_t frame_hash(uint32_t n)
{
    const struct frame *f = &frame_table[n];
    uint64_t h = mix(f->owner, f->state);

    h = mix(h, f->state == FRAME_FREE ? f->clean : 0);
    h = mix(h, (uint64_t)f->live << 32 | f->pins << 16 | f->grants);
    h = mix(h, (uint64_t)f->maps << 2 | epoch_passed(f->epoch) << 1 | (reach[n] > machine_flushes));
    return mix(h, machine_tlb_has((mfn_t){ n }));
}

static uint64_t state_hash(void)
{
    const uint8_t *bytes = (const uint8_t *)&model;
    uint64_t sum = 0, h = 1;

    for (size_t i = 0; i < sizeof(model); i++) {
        h = mix(h, bytes[i]);
    }
    for (uint32_t n = 0; n < frame_table_count; n++) {
        sum += frame_hash(n);
    }
    return mix(h, sum) | 1;
}

static bool is_new(uint64_t hash)
{
    uint64_t i = hash >> 20;

    while (search->seen[i % (STATES * 2)] != 0) {
        if (search->seen[i % (STATES * 2)] == hash) {
            return false;
        }
        i++;
    }
    search->seen[i % (STATES * 2)] = hash;
    return true;
}

static void tell_path(uint32_t n)
{
    if (n == 0) {
        return;
    }
    tell_path(search->node[n].parent);
    printf("    %s\n", ops[search->node[n].op].name);
}

static _Noreturn void fail(const char *why)
{
    printf("lifecycle: %s\n  after\n", why);
    tell_path(search->at);
    printf("    %s\n", search->op < OPS ? ops[search->op].name : "the end of both");
    fflush(stdout);
    _exit(1);
}

/* panic() ends in abort(). */
static void died(int signal)
{
    fail(signal == SIGABRT ? "a BUG of the hypervisor" : "a bad address in the hypervisor");
}

static bool make(uint32_t op)
{
    note_reach();
    machine_raises = 0;
    model.told = 0;
    return ops[op].make();
}

static void replay(uint32_t n)
{
    if (n != 0) {
        replay(search->node[n].parent);
        (void)make(search->node[n].op);
    }
}

/* Ends everything: what was had is there again. */
static void end_all(void)
{
    uint64_t spare = machine_frames - root->used;

    search->op = OPS;
    if (model.alive_a) {
        (void)machine_kill(a);
    }
    if (model.alive_b) {
        (void)machine_kill(b);
    }
    for (struct domain *d = a; d != NULL; d = d == a ? b : NULL) {
        while (dma_reset_step(d) || p2m_destroy_step(d)) {
        }
        resource_destroy(d);
    }
    frame_reclaim_all();
    if (a->used != 0 || b->used != 0 || frame_free_count() != spare) {
        fail("memory is lost");
    }
}

/* One operation, from the state that `s` keeps. */
static void step(const struct snapshot *s, uint32_t n, uint32_t op)
{
    char why[256];

    bring_back(s);
    search->at = n;
    search->op = op;
    search->steps++;
    if (!make(op)) {
        snprintf(why, sizeof(why), "the result is %ld, the model says %ld", got, wanted);
        fail(why);
    }
    if (!compare()) {
        fail(wrong);
    }
    if (!is_new(state_hash())) {
        return;
    }
    if (search->nodes == STATES) {
        fail("more states than there is room for");
    }
    search->node[search->nodes++] = (struct node){ n, op };
    end_all();
}

static void expand(const struct snapshot *start, struct snapshot *here, uint32_t n)
{
    bring_back(start);
    replay(n);
    keep(here);
    for (uint32_t op = 0; op < OPS; op++) {
        if (op != 0) {
            bring_back(here);
        }
        if (possible(&ops[op])) {
            step(here, n, op);
        }
    }
}

/* ---- the machine ---- */

/* Two domains and as many free frames as are asked for; root has the rest. */
static void start_machine(uint64_t spare)
{
    machine_start(FRAMES);
    root = machine_domain(FRAMES, FRAMES, 0);
    if (resource_give_all(root) != 0) {
        abort();
    }
    a = machine_domain(40, 1, 0);
    b = machine_domain(40, 1, 1);
    if (space_create(b) != 1 || resource_assign(root, b, HV_ASSIGN_DEVICE, DEVICE, 0) != 0) {
        abort();
    }
    frame_reclaim_all();
    while (frame_free_count() > spare) {
        static uint64_t g;

        if (p2m_populate(root, (gfn_t){ g++ }, 1) != 1) {
            abort();
        }
    }
    model = (struct model){ .alive_a = true, .alive_b = true };
    snapshot_of(frame_direct, FRAMES * HV_PAGE_SIZE);
    snapshot_of(__data_start, (size_t)(_end - __data_start));
    for (struct domain *d = root; d != NULL; d = d == root ? a : d == a ? b : NULL) {
        snapshot_of(d, sizeof(*d));
        snapshot_of(d->vcpu[0], sizeof(*d->vcpu[0]));
    }
}

/* lifecycle DEPTH FREE-FRAMES: 0 when nothing was found. */
int main(int argc, char **argv)
{
    struct snapshot start = { NULL }, here = { NULL };
    unsigned int depth = argc == 3 ? (unsigned int)atoi(argv[1]) : 0;
    bool all = false;

    search = calloc(1, sizeof(*search));
    if (depth == 0 || depth > DEPTH || search == NULL) {
        return 2;
    }
    signal(SIGABRT, died);
    signal(SIGSEGV, died);
    start_machine((uint64_t)atoi(argv[2]));
    keep(&start);
    search->nodes = 1;
    (void)is_new(state_hash());
    for (uint32_t n = 0; search->depth < depth && !all; search->depth++) {
        uint32_t end = search->nodes;

        for (; n < end; n++) {
            expand(&start, &here, n);
        }
        all = search->nodes == end;
    }
    printf("%u states, %lu steps, %s %u\n", search->nodes, search->steps,
           all ? "all that there are, depth" : "depth", search->depth);
    return 0;
}
