/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=120
 *
 * Out of memory at every point of every call that takes some. A domain's quota is used up but for
 * n frames, for each n from what the call needs down to none: the call does as much as its
 * reference says, answers -HV_ENOMEM when that is nothing, and what it had begun with is given
 * back, so that n frames are left afterwards. With a frame more it goes on from there, to its end.
 * Then calls that need no memory are made without any.
 *
 * Once by root, on behalf of a domain without image, and once by a child for itself.
 */
#include "hvlib/builder.h"
#include "raw.h"
#include <hv_io.h>

#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define DEVICE 0x10u
#define ROOM   150u                /* frames that the filling can take */
#define PAGES  24u                 /* of RAM, for what maps, grants and pins */
#define BLOCK  512u                /* pages of a leaf of page tables, and of the table of RAM */
#define GIB    ((uint64_t)1 << 18) /* in pages */
#define TOP    ((uint64_t)1 << 27)

const char test_title[] = "a call without memory says so, and leaves nothing behind";

static uint64_t dom = HV_SELF; /* whose memory it is */
static uint64_t pages;         /* GFNs of its RAM */
static uint64_t filling;       /* the first of ROOM GFNs that are empty */
static uint64_t filled;
static uint64_t held; /* of the quota, by a domain below */
static void *buffer;

/* ---- frames that are left ---- */

/* Uses up what is left; returns how much that was. */
static uint64_t take_all(void)
{
    uint64_t before = filled;
    int64_t n;

    while ((n = hv_populate(dom, filling + filled, ROOM - filled)) > 0) {
        filled += (uint64_t)n;
        if (filled == ROOM)
            test_error("%u frames or more are left", ROOM);
    }
    CHECK_EQ(n, -HV_ENOMEM);
    CHECK_EQ(test_info(dom).used + held, test_info(dom).quota);
    return filled - before;
}

static void leave(uint64_t frames)
{
    if (frames > filled)
        test_error("only %lu frames of the filling, not %lu", filled, frames);
    if (frames > 0)
        CHECK_EQ(hv_give_back(dom, filling + filled - frames, frames), (int64_t)frames);
    filled -= frames;
}

/* ---- calls that do all or nothing ---- */

/* `make` needs `need` frames, of which `kept` stay with the domain for the next time when `undo`
 * has undone it. */
static void all_or_nothing(int64_t (*make)(void), void (*undo)(int64_t result), uint64_t need,
                           uint64_t kept)
{
    int64_t result = -HV_ENOMEM;

    take_all();
    for (uint64_t left = 0; left < need; left++) {
        leave(left);
        CHECK_EQ(make(), -HV_ENOMEM);
        CHECK_EQ(make(), -HV_ENOMEM);
        CHECK_EQ(take_all(), left);
    }
    leave(need);
    result = make();
    CHECK(result >= 0);
    CHECK_EQ(take_all(), 0);
    undo(result);
    CHECK_EQ(take_all(), need - kept);
}

static void nothing(int64_t result)
{
    (void)result;
}

static void close_port(int64_t port)
{
    NEED(hv_event_close(dom, (uint64_t)port));
}

static int64_t new_port(void)
{
    return hv_event_alloc(dom, dom);
}

static uint64_t last_port;

/* 64 ports are a frame: it is full. */
static void fill_ports(void)
{
    leave(filled);
    do {
        last_port = (uint64_t)NEED(new_port());
    } while (last_port % 64 != 63);
}

static int64_t bind_peer(void)
{
    return hv_event_bind(dom, HV_BIND_PEER, dom, last_port, 0);
}

static int64_t bind_domain(void)
{
    return hv_event_bind(dom, HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 0, 0);
}

static int64_t bind_message(void)
{
    return hv_event_bind(dom, HV_BIND_MSI, DEVICE, 0, hv_gpa(buffer));
}

static uint64_t peer;

static int64_t new_grant(void)
{
    return hv_grant_create(dom, peer, pages, 1, RW);
}

static void end_grant(int64_t ref)
{
    CHECK_EQ(hv_grant_end(dom, (uint64_t)ref, 0), 0);
}

/* So are 64 grants. */
static void fill_grants(void)
{
    leave(filled);
    while (((uint64_t)NEED(new_grant()) & ((1u << HV_GRANT_SLOT_BITS) - 1)) % 64 != 63)
        ;
}

static int64_t new_space(void)
{
    return hv_space_create(dom);
}

static void end_space(int64_t space)
{
    CHECK_EQ(hv_space_end(dom, (uint64_t)space), 0);
}

static void check_all_or_nothing(void)
{
    fill_ports();
    all_or_nothing(new_port, close_port, 1, 1);
    fill_ports();
    all_or_nothing(bind_peer, close_port, 1, 1);
    fill_ports();
    all_or_nothing(bind_domain, close_port, 1, 1);
    fill_ports();
    all_or_nothing(bind_message, close_port, 1, 1);
    fill_grants();
    all_or_nothing(new_grant, end_grant, 1, 1);
    all_or_nothing(new_space, end_space, 3, 0);
}

/* ---- ranges: as many pages as there are tables for ---- */

/* Two pages on each side of a border between two leaf tables, between two tables above these, and
 * between two of the next step; and how many tables each page is the first to need. */
#define RUNS  3u
#define SPOTS (4 * RUNS)
static const struct {
    uint64_t page, tables[4];
} place[RUNS] = {
    { 7 * TOP + 5 * GIB + 9 * BLOCK - 2, { 3, 0, 1, 0 } },
    { 9 * TOP + 3 * GIB - 2, { 3, 0, 2, 0 } },
    { 12 * TOP - 2, { 3, 0, 3, 0 } },
};

static uint64_t space, other_space;

static uint64_t spot(uint64_t n)
{
    return place[n / 4].page + n % 4;
}

/* The tables of the first `done` pages. */
static uint64_t cost(uint64_t done)
{
    uint64_t tables = 0;

    for (uint64_t n = 0; n < done; n++)
        tables += place[n / 4].tables[n % 4];
    return tables;
}

/* For how many pages so many frames suffice. */
static uint64_t pages_with(uint64_t frames)
{
    uint64_t done = SPOTS;

    while (cost(done) > frames)
        done--;
    return done;
}

/* All pages but the first `done`, each a run of its own. */
static int64_t each(uint64_t done, bool unmap)
{
    struct hv_map_run *run = buffer;

    for (uint64_t n = done; n < SPOTS; n++)
        run[n - done] =
            (struct hv_map_run){ spot(n) * HV_PAGE_SIZE, unmap ? 0 : pages + n, 1, unmap ? 0 : RW };
    return unmap ? hv_unmap(dom, space, hv_gpa(run), SPOTS - done)
                 : hv_map(dom, space, hv_gpa(run), SPOTS - done);
}

static int64_t long_runs(void)
{
    struct hv_map_run *run = buffer;

    for (uint64_t i = 0; i < RUNS; i++)
        run[i] = (struct hv_map_run){ place[i].page * HV_PAGE_SIZE, pages + 4 * i, 4, RW };
    return hv_map(dom, space, hv_gpa(run), RUNS);
}

static void check_map(bool runs)
{
    const uint64_t all = cost(SPOTS);

    leave(filled);
    space = (uint64_t)NEED(hv_space_create(dom));
    take_all();
    for (uint64_t left = 0; left <= all; left++) {
        uint64_t done = pages_with(left);

        leave(left);
        CHECK_EQ(runs ? long_runs() : each(0, false), done > 0 ? (int64_t)done : -HV_ENOMEM);
        CHECK_EQ(take_all(), left - cost(done)); /* no table stays empty */
        if (done < SPOTS) {
            CHECK_EQ(each(done, false), -HV_ENOMEM);
            leave(all - cost(done));
            CHECK_EQ(each(done, false), SPOTS - done);
        }
        CHECK_EQ(each(0, true), SPOTS);
        CHECK_EQ(take_all(), all);
    }
    end_space((int64_t)space);
    CHECK_EQ(take_all(), 3);
}

/* As far as it goes; with HV_COPY_WRITE_PROTECT the source's rights go page by page too. */
static uint64_t copy_from(uint64_t done, int64_t *error)
{
    const uint64_t count = spot(SPOTS - 1) + 1 - spot(0);

    *error = 0;
    while (done < count) {
        int64_t n = hv_space_copy(dom, space, other_space, (spot(0) + done) * HV_PAGE_SIZE,
                                  count - done, HV_COPY_WRITE_PROTECT);

        if (n < 0) {
            *error = n;
            break;
        }
        CHECK(n > 0);
        done += (uint64_t)n;
    }
    return done;
}

static void check_copy(void)
{
    const uint64_t all = cost(SPOTS), count = spot(SPOTS - 1) + 1 - spot(0);

    leave(filled);
    space = (uint64_t)NEED(hv_space_create(dom));
    CHECK_EQ(each(0, false), SPOTS);
    take_all();
    for (uint64_t left = 0; left <= all; left++) {
        uint64_t done = pages_with(left), stops = done < SPOTS ? spot(done) - spot(0) : count;
        int64_t error;

        leave(3 + left);
        other_space = (uint64_t)NEED(hv_space_create(dom));
        CHECK_EQ(copy_from(0, &error), stops);
        CHECK_EQ(error, done < SPOTS ? -HV_ENOMEM : 0);
        CHECK_EQ(take_all(), left - cost(done));
        if (done < SPOTS) {
            leave(all - cost(done));
            CHECK_EQ(copy_from(stops, &error), count);
            CHECK_EQ(error, 0);
        }
        end_space((int64_t)other_space);
        CHECK_EQ(take_all(), 3 + all);
    }
    end_space((int64_t)space);
    CHECK_EQ(take_all(), 3 + all);
}

/* ---- for a domain without image ---- */

static uint64_t root_port, root_pages;

static int64_t route(void)
{
    return hv_io_route(dom, 0x1f0, 8, root_port, root_pages);
}

static int64_t ports(void)
{
    return hv_assign(dom, HV_ASSIGN_PORTS, 0x170, 8);
}

/* Two pages on each side of a border between two tables of RAM, the second of which is not there
 * yet: with three frames there is room for a page in it, but not for the table. */
static void check_populate(void)
{
    leave(filled);
    NEED(hv_populate(dom, BLOCK, 1));
    take_all();
    for (uint64_t left = 0; left <= 5; left++) {
        uint64_t at = (2 + left) * BLOCK - 2, done = left < 3 ? left : left == 3 ? 2 : left - 1;

        leave(left);
        CHECK_EQ(hv_populate(dom, at, 4), done > 0 ? (int64_t)done : -HV_ENOMEM);
        CHECK_EQ(take_all(), left == 3);
        if (done < 4) {
            CHECK_EQ(hv_populate(dom, at + done, 4 - done), -HV_ENOMEM);
            leave(5);
            CHECK_EQ(hv_populate(dom, at + done, 4 - done), (int64_t)(4 - done));
        }
        CHECK_EQ(hv_give_back(dom, at, 4), 4);
        take_all();
    }
}

#define ENTRIES 3u

/* Each entry over the border of a GiB of the kernel half: four tables, or it is not mapped at all.
 */
static int64_t map_grants(const uint64_t *ref, uint64_t port, uint64_t done)
{
    struct hv_grant_map *m = buffer;

    for (uint64_t i = done; i < ENTRIES; i++)
        m[i - done] = (struct hv_grant_map){
            hv_start_domain_id(),
            ref[i],
            HV_GFN_WINDOW + 8 * i,
            (uint32_t)port,
            RW,
            4,
            HV_FREE_START + ((512 + 4 * i + 1) * GIB - 2) * HV_PAGE_SIZE,
        };
    return hv_grant_map(dom, hv_gpa(m), ENTRIES - done);
}

static void check_grant_map(void)
{
    uint64_t ref[ENTRIES], port;

    leave(filled);
    port = (uint64_t)NEED(hv_event_alloc(dom, dom));
    for (unsigned i = 0; i < ENTRIES; i++)
        ref[i] = (uint64_t)NEED(hv_grant_create(HV_SELF, dom, root_pages, 4, RW));
    take_all();
    for (uint64_t left = 0; left <= 4 * ENTRIES; left++) {
        uint64_t done = left / 4, *window = buffer;

        leave(left);
        CHECK_EQ(map_grants(ref, port, 0), done > 0 ? (int64_t)done : -HV_ENOMEM);
        CHECK_EQ(take_all(), left % 4);
        if (done < ENTRIES) {
            CHECK_EQ(map_grants(ref, port, done), -HV_ENOMEM);
            /* It is not mapped: neither has the grant a window, nor is the window taken. */
            CHECK_EQ(hv_grant_end(HV_SELF, ref[done], 0), 0);
            ref[done] = (uint64_t)NEED(hv_grant_create(HV_SELF, dom, root_pages, 4, RW));
            leave(4 * (ENTRIES - done));
            CHECK_EQ(map_grants(ref, port, done), (int64_t)(ENTRIES - done));
        }
        for (uint64_t i = 0; i < ENTRIES; i++)
            window[i] = HV_GFN_WINDOW + 8 * i;
        CHECK_EQ(hv_grant_unmap(dom, hv_gpa(window), ENTRIES), ENTRIES);
        CHECK_EQ(take_all(), 4 * ENTRIES);
    }
    for (unsigned i = 0; i < ENTRIES; i++)
        CHECK_EQ(hv_grant_end(HV_SELF, ref[i], 0), 0);
}

/* A quota that ends at any point of the creation itself: nothing is begun, no number is used. */
static void check_creation(void)
{
    struct hv_domain_create c = {
        .ram_pages = 300000, .window_pages = 100, .weight = 16, .quota = 100
    };
    uint64_t first = (uint64_t)NEED(raw_create(c)), id = first, need = test_info(id).used, used;

    CHECK_EQ(hv_domain_end(id), 0);
    used = test_info(HV_SELF).used;
    CHECK(need > 20 && need < 50);
    for (c.quota = need - 1; c.quota > 0; c.quota--) {
        CHECK_EQ(raw_create(c), -HV_ENOMEM);
        CHECK_EQ(test_info(HV_SELF).used, used);
    }
    c.quota = need;
    id = (uint64_t)NEED(raw_create(c));
    CHECK_EQ(id, first + 1);
    CHECK_EQ(test_info(id).used, need);
    CHECK_EQ(hv_event_alloc(id, id), -HV_ENOMEM);
    CHECK_EQ(hv_domain_end(id), 0);
}

/* Returns what root is charged for afterwards. */
static uint64_t for_another(void)
{
    dom = (uint64_t)NEED(raw_create((struct hv_domain_create){
        .quota = 180, .ram_pages = 16 * BLOCK, .window_pages = 64, .weight = 16 }));
    NEED(hv_assign(dom, HV_ASSIGN_DEVICE, DEVICE, 0));
    NEED(hv_populate(dom, 0, PAGES));
    filling = PAGES;
    filled = 0;
    peer = hv_start_domain_id();
    check_all_or_nothing();
    all_or_nothing(route, nothing, 1, 1);
    all_or_nothing(ports, nothing, 2, 2);
    check_map(false);
    check_map(true);
    check_copy();
    check_populate();
    check_grant_map();
    CHECK_EQ(hv_domain_end(dom), 0);
    dom = HV_SELF;
    return test_info(HV_SELF).used;
}

static void be_root(void)
{
    uint64_t child, used;

    check_creation();
    root_pages = hv_gfn(test_pages(4));
    root_port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    used = for_another(); /* with what root's own tables of grants and ports take */
    CHECK_EQ(for_another(), used);

    test_options = (struct test_options){ .quota = 200, .flags = HV_CREATE_MAY_CREATE };
    child = test_build("child", 2 * ROOM + 192, NULL);
    NEED(hv_assign(child, HV_ASSIGN_DEVICE, DEVICE, 0));
    NEED(hv_domain_start(child));
    test_join(child);
    while (NEED(hv_devices_reset(child)) > 0)
        ;
}

/* ---- a child for itself ---- */

static uint64_t pinned, pin_count;

static int64_t pin(void)
{
    return hv_dma_map(DEVICE, pinned, pin_count, hv_gpa(buffer));
}

static void unpin(int64_t runs)
{
    const struct hv_dma_run *run = buffer;

    for (int64_t i = 0; i < runs; i++)
        CHECK_EQ(hv_dma_unmap(DEVICE, run[i].address, run[i].pages), run[i].pages);
}

/* Each page takes the frame that may have to replace it. Records of pins are 128 a frame. */
static void check_pins(void)
{
    pin_count = 5;
    all_or_nothing(pin, unpin, 5 + 2, 2);
    all_or_nothing(pin, unpin, 5, 0);
    leave(filled);
    pin_count = 63;
    for (unsigned i = 0; i < 2; i++)
        CHECK(pin() > 0); /* of 128 records two are left, or none is */
    take_all();
    pin_count = 3;
    all_or_nothing(pin, unpin, 3 + 1, 1);
}

static int64_t small(void)
{
    int64_t id = raw_small(1, 0);

    held += id >= 0 ? 64 : 0;
    return id;
}

static void end_small(int64_t id)
{
    held -= 64;
    CHECK_EQ(hv_domain_end((uint64_t)id), 0);
}

/* What takes nothing works without anything. */
static void check_without_memory(void)
{
    struct hv_map_run *run = buffer;
    uint64_t port, far, ref;

    leave(filled);
    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    far = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, HV_SELF, port, 0));
    ref = (uint64_t)NEED(hv_grant_create(HV_SELF, peer, pages, 1, RW));
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    CHECK_EQ(each(0, false), SPOTS);
    take_all();
    for (uint64_t n = 0; n < SPOTS; n++)
        run[n] = (struct hv_map_run){ spot(n) * HV_PAGE_SIZE, 0, 1, HV_MAP_READ };
    CHECK_EQ(hv_protect(HV_SELF, space, hv_gpa(run), SPOTS), SPOTS);
    CHECK_EQ(each(0, false), SPOTS); /* over what is mapped */
    CHECK_EQ(hv_space_query(HV_SELF, space, spot(0) * HV_PAGE_SIZE, 4, hv_gpa(run), 0), 0);
    CHECK_EQ(hv_switch(space, 0), 0);
    CHECK_EQ(hv_switch(0, 0), 0);
    CHECK_EQ(hv_event_send(far), 0);
    CHECK_EQ(hv_event_set_priority(HV_SELF, port, HV_PRIORITY_URGENT), 0);
    CHECK_EQ(hv_event_set_vcpu(HV_SELF, port, 0), 0);
    CHECK_EQ(hv_event_set_rate(HV_SELF, test_port(TEST_PARENT), 1000, 10), 0);
    CHECK_EQ(hv_event_send(test_port(TEST_PARENT)), 0);
    CHECK_EQ(hv_event_close(HV_SELF, far), 0);
    CHECK_EQ(hv_event_close(HV_SELF, port), 0);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 1), 0);
    CHECK_EQ(hv_set_timer(0), 0);
    CHECK_EQ(each(0, true), SPOTS);
    end_space((int64_t)space);
    CHECK_EQ(take_all(), cost(SPOTS) + 3);
}

static void be_child(void)
{
    struct hv_domain_info info;
    uint64_t at = (uint64_t)(uintptr_t)test_pages(ROOM), reserve;

    pages = hv_gfn(test_pages(PAGES));
    pinned = hv_gfn(test_pages(HV_MAX_DMA_PAGES));
    filling = hv_gfn((void *)(uintptr_t)at);
    peer = hv_start_parent();
    CHECK_EQ(hv_unmap_range(HV_SELF, 0, at, ROOM), 0);
    CHECK_EQ(hv_give_back(HV_SELF, filling, ROOM), ROOM);
    test_settle(); /* what was given back */
    /* What is more than the filling can hold is a domain's of its own. */
    info = test_info(HV_SELF);
    held = info.quota - info.used - (ROOM - 1);
    reserve = (uint64_t)NEED(
        raw_create((struct hv_domain_create){ .quota = held, .ram_pages = 1, .weight = 1 }));
    check_all_or_nothing();
    check_map(true);
    check_copy();
    check_without_memory();
    all_or_nothing(small, end_small, 64, 0);
    check_pins();
    CHECK_EQ(hv_domain_end(reserve), 0);
}

void test_main(void)
{
    buffer = test_pages(1);
    if (test_is("child"))
        be_child();
    else
        be_root();
}
