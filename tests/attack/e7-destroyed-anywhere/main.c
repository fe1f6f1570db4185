/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=900
 *
 * Threat (E7). The end of a domain was tried where it was convenient: between two calls, with
 * nothing under way. Forgotten is every other point: a grant that its peer has just mapped and
 * pinned, a batch that is half done, a timer that is armed, a child that is half built, a space
 * that is half taken apart.
 *
 * A guest of each role (lends pages that its peer maps and has a device write to; uses pages lent
 * to it; holds a device; has children) is in the middle of its work when a timer fires at a random
 * moment of virtual time, and is destroyed there. A vulnerable hypervisor panics, or some frame is
 * missing afterwards. Held: what is free is the same to the frame each time: a domain can be given
 * exactly all of it, and not one frame more. The audit after the test recounts everything.
 *
 * 48 points, more when they were not at all of that; `make test T=attack/e7* ARGUMENTS=points=1000`
 * takes as many as one likes, `seed=N` others. Time is the count of instructions: a finding
 * repeats.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "hvlib/grant.h"
#include "test.h"

#define R      HV_MAP_READ
#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define LENT   3u
#define DEVICE 0x18u
#define RUN_NS UINT64_C(600000) /* the longest life after the start of its work */

/* Words of the shared page. */
enum { WORKS, REF, LENT_TO_IT, WORDS_END = LENT_TO_IT + 4 };

const char test_title[] = "a domain that ends at any point gives all of its memory back";

static uint64_t seed;

static uint64_t below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n;
}

/* ---- the victims: each works until it is no more ---- */

static void ignore(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
}

/* Mappings, tables and copies of them, in spaces that come and go. */
static void work_on_spaces(uint64_t gfn)
{
    int64_t a = hv_space_create(HV_SELF), b = hv_space_create(HV_SELF);

    if (a < 0 || b < 0)
        return;
    for (uint64_t i = 0; i < 6; i++)
        (void)hv_map_range(HV_SELF, (uint64_t)a, (i << 30) + (i << 21), gfn, LENT, RW);
    (void)hv_switch((uint64_t)a, 0);
    (void)hv_space_copy(HV_SELF, (uint64_t)a, (uint64_t)b, 0, (uint64_t)1 << 24,
                        HV_COPY_WRITE_PROTECT);
    (void)hv_unmap_range(HV_SELF, (uint64_t)a, 0, 1000);
    (void)hv_switch(0, 0);
    (void)hv_space_end(HV_SELF, (uint64_t)b);
    (void)hv_space_end(HV_SELF, (uint64_t)a);
}

static void be_lender(void)
{
    uint8_t *pages = test_pages(2 * LENT), *spare = test_pages(2);
    uint64_t gfn = hv_gfn(pages), port = test_port(TEST_PARENT);
    volatile uint64_t *shared = test_shared(TEST_PARENT);

    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, ignore, NULL));
    NEED(hv_unmap_range(HV_SELF, 0, (uint64_t)(uintptr_t)spare, 2));
    for (shared[WORKS] = 1;;) {
        int64_t ref = hv_grant_give(hv_start_parent(), pages, LENT, RW);

        shared[REF] = ref > 0 ? (uint64_t)ref : 0;
        (void)hv_event_send(port);
        (void)hv_set_timer(hv_now() + 20000);
        work_on_spaces(gfn + LENT);
        (void)hv_give_back(HV_SELF, hv_gfn(spare), 2);
        (void)hv_populate(HV_SELF, hv_gfn(spare), 2);
        hv_yield();
        if (ref > 0)
            (void)hv_grant_take_back((uint64_t)ref, pages, LENT);
    }
}

static void be_borrower(void)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    uint32_t port = (uint32_t)test_port(TEST_PARENT);

    for (shared[WORKS] = 1;;) {
        void *at[4] = { NULL };

        for (unsigned i = 0; i < 4; i++) {
            if (hv_window_map(hv_start_parent(), shared[LENT_TO_IT + i], LENT, port, RW, &at[i]) <
                0)
                at[i] = NULL;
            else
                memset(at[i], (int)i, HV_PAGE_SIZE);
        }
        work_on_spaces(hv_gfn(hv_va(0)));
        for (unsigned i = 0; i < 4; i++) {
            if (at[i])
                (void)hv_window_unmap(at[i], LENT);
        }
    }
}

static void be_holder(void)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    uint64_t window = hv_gfn((void *)(uintptr_t)shared), gfn = hv_gfn(test_pages(8));
    HV_BUFFER(256) struct hv_dma_run runs[8];

    for (shared[WORKS] = 1;;) {
        for (unsigned i = 0; i < 3; i++) {
            int64_t n = hv_dma_map(DEVICE, i == 1 ? window : gfn, i == 1 ? 1 : 8, hv_gpa(runs));

            for (int64_t r = 0; r < n && i != 0; r++)
                (void)hv_dma_unmap(DEVICE, runs[r].address, runs[r].pages);
        }
        work_on_spaces(gfn);
    }
}

static void be_parent(void)
{
    HV_BUFFER(64)
    struct hv_domain_create c = {
        .quota = 200, .ram_pages = 100, .window_pages = 64, .vcpus = 1, .weight = 1
    };

    for (test_shared(TEST_PARENT)[WORKS] = 1;;) {
        int64_t child = hv_domain_create(hv_gpa(&c));

        if (child < 0)
            continue;
        (void)hv_populate((uint64_t)child, 0, 60);
        (void)hv_map_range((uint64_t)child, 0, HV_KERNEL_START, 0, 60, RW);
        (void)hv_grant_create((uint64_t)child, HV_SELF, 5, 3, RW);
        for (unsigned i = 0; i < 3; i++)
            work_on_spaces(hv_gfn(hv_va(0)));
        (void)hv_domain_end((uint64_t)child);
    }
}

/* ---- root, their peer ---- */

static volatile bool fired, asked;
static uint64_t lent[4], lent_ref[4];
static void *in_use; /* the victim's pages, mapped here */
static HV_BUFFER(64) struct hv_dma_run pinned[LENT];
static int64_t pins;

static void on_timer(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    fired = true;
}

static void on_request(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    asked = true;
}

static void let_go(void)
{
    for (int64_t i = 0; i < pins; i++)
        CHECK_EQ(hv_dma_unmap(DEVICE, pinned[i].address, pinned[i].pages), pinned[i].pages);
    pins = 0;
    if (in_use)
        CHECK_EQ(hv_window_unmap(in_use, LENT), 0);
    in_use = NULL;
}

/* The back end: has the lender's pages mapped, and now and then written to by a device, until the
 * next request. */
static void serve(uint64_t victim)
{
    uint64_t ref = test_shared(victim)[REF];

    asked = false;
    let_go();
    if (ref == 0 ||
        hv_window_map(victim, ref, LENT, (uint32_t)test_port(victim), RW, &in_use) < 0) {
        in_use = NULL;
        return;
    }
    if (below(2)) {
        pins = hv_dma_map(DEVICE, hv_gfn(in_use), LENT, hv_gpa(pinned));
        pins = pins > 0 ? pins : 0;
    }
}

static uint64_t build_victim(const char *role)
{
    uint64_t victim;

    test_options.flags = HV_CREATE_MAY_CREATE;
    test_options.quota = 600;
    test_options.weight = 256;
    victim = test_build(role, 400, NULL);
    CHECK_EQ(hv_assign(victim, HV_ASSIGN_DEVICE, DEVICE, 0), 0);
    for (unsigned i = 0; i < 4; i++) {
        lent_ref[i] = (uint64_t)NEED(hv_grant_create(HV_SELF, victim, lent[i], LENT, RW));
        test_shared(victim)[LENT_TO_IT + i] = lent_ref[i];
    }
    return victim;
}

/* Lets it work until the moment comes, and serves it meanwhile. */
static void run_victim(uint64_t victim)
{
    uint64_t end;

    CHECK_EQ(hv_domain_start(victim), 0);
    NEED(hv_event_handler(test_port(victim), on_request, NULL));
    test_await(victim, WORKS, 1);
    end = hv_now() + below(RUN_NS);
    fired = false;
    hv_mask();
    NEED(hv_set_timer(end));
    while (!fired) {
        hv_wait();
        if (asked)
            serve(victim);
    }
    hv_unmask();
}

/* What was under way when it ended: pages of the lender in use here, with a device writing; own
 * pages in use there; frames that its device may still write to; children. */
static uint64_t met_mapped, met_pinned, met_lent, met_quarantine, met_children;

static bool met_all(void)
{
    return met_mapped && met_pinned && met_lent && met_quarantine && met_children;
}

static void note(uint64_t victim)
{
    HV_BUFFER(512) struct hv_domain_info info;

    met_mapped += in_use != NULL;
    met_pinned += pins != 0;
    for (unsigned i = 0; i < 4; i++) {
        int64_t result = hv_grant_end(HV_SELF, lent_ref[i], 0);

        met_lent += result == -HV_EBUSY;
        if (result == 0)
            lent_ref[i] = 0;
    }
    if (hv_domain_info(victim, hv_gpa(&info)) == 0)
        CHECK_EQ(info.state, HV_DOMAIN_RUNNING);
}

/* A domain with this quota, gone again; its number, or the error. */
static int64_t try_domain(uint64_t quota)
{
    HV_BUFFER(64)
    struct hv_domain_create c = { .quota = quota, .ram_pages = 1, .vcpus = 1, .weight = 1 };
    int64_t id = hv_domain_create(hv_gpa(&c));

    if (id >= 0)
        CHECK_EQ(hv_domain_end((uint64_t)id), 0);
    return id;
}

/* It has no time to tell their numbers. */
static void end_children(uint64_t victim)
{
    uint64_t last = (uint64_t)NEED(try_domain(100));

    for (uint64_t id = victim + 1; id < last; id++) {
        met_children += hv_domain_destroy(id) > 0;
        while (hv_domain_destroy(id) > 0 || hv_devices_reset(id) > 0)
            ;
    }
}

static void end_victim(uint64_t victim)
{
    int64_t left;

    HV_BUFFER(512) struct hv_domain_info info;

    end_children(victim);
    left = hv_domain_destroy(victim);
    if (left == -HV_EBUSY) {
        /* On another processor it has made one more meanwhile; from now on it makes none. */
        CHECK_EQ(hv_domain_pause(victim), 0);
        end_children(victim);
        left = 1;
    }
    while (left > 0)
        left = hv_domain_destroy(victim);
    CHECK_EQ(left, 0);
    met_quarantine += hv_domain_info(victim, hv_gpa(&info)) == 0 && info.quarantined != 0;
    met_quarantine += test_info(HV_SELF).quarantined != 0;
    while ((left = hv_devices_reset(victim)) > 0)
        ;
    CHECK(left == 0 || left == -HV_EPERM);
    let_go();
    for (unsigned i = 0; i < 4; i++) {
        if (lent_ref[i])
            CHECK_EQ(hv_grant_end(HV_SELF, lent_ref[i], 1), 0);
    }
    CHECK_EQ(hv_grant_end(HV_SELF, test_ref(victim), 1), 0);
}

static uint64_t free_frames(void)
{
    struct hv_domain_info info;

    NEED(try_domain(100)); /* whatever waits for the flush epoch comes back with its last step */
    info = test_info(HV_SELF);
    return info.quota - info.used;
}

static void one_point(const char *role)
{
    uint64_t victim = build_victim(role), port;

    run_victim(victim);
    port = test_port(victim);
    note(victim);
    end_victim(victim);
    CHECK_EQ(hv_event_end(port), 0);
    test_forget(victim);
}

void test_main(void)
{
    static const struct {
        const char *name;
        void (*work)(void);
    } role[] = { { "lender", be_lender },
                 { "borrower", be_borrower },
                 { "holder", be_holder },
                 { "parent", be_parent } };
    uint64_t points = test_argument("points", 48), all;

    for (unsigned i = 0; i < 4; i++) {
        if (test_is(role[i].name))
            role[i].work();
        lent[i] = hv_gfn(test_pages(LENT));
    }
    seed = test_argument("seed", 20240101) * 2 + 1;
    hv_printf("%lu points, seed %lu\n", points, seed / 2);
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_timer, NULL));
    for (unsigned i = 0; i < 4; i++) /* root's own tables that stay */
        one_point(role[i].name);
    while (!met_pinned || !met_mapped)
        one_point("lender");
    all = free_frames();
    for (uint64_t point = 0; point < points || !met_all(); point++) {
        one_point(role[point % 4].name);
        if (free_frames() != all)
            test_failure("point %lu (%s): %lu frames are free, not %lu", point,
                         role[point % 4].name, free_frames(), all);
        CHECK(try_domain(all) >= 0);
        CHECK_EQ(try_domain(all + 1), -HV_ENOMEM);
    }
    hv_printf("mapped %lu, pinned %lu, lent %lu, quarantined %lu, children %lu\n", met_mapped,
              met_pinned, met_lent, met_quarantine, met_children);
    CHECK(met_all());
}
