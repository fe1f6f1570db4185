/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60 again=3
 *
 * Threat (G6). Who lends memory to a back end must get it back, also from one that does not want to
 * give it. Other systems asked the peer: a mapping that it kept, a second one, a copy in progress,
 * or its end in the middle of a revocation left the owner waiting for ever, or gave it memory that
 * somebody else still wrote.
 *
 * The peer here maps a granted page, at several addresses in turn, keeps it, never unmaps, and
 * writes to it without pause, through its leaf and by grant_copy; after the revocation it tries
 * every way back. The owner revokes at moments that the peer does not choose, uses the page for
 * something else at once, and gives it back to the hypervisor. A vulnerable system lets one more
 * write land, or refuses the owner. Held here: none lands, the peer gets a page fault, then errors.
 * The peer is also killed and destroyed while it holds the page. A second vCPU of the peer touches
 * the page without pause, from another processor if there is one, and never stops.
 */
#include "hvlib/clock.h"
#include "hvlib/grant.h"
#include "hvlib/guard.h"
#include "hvlib/vcpu.h"
#include "test.h"

#define R     HV_MAP_READ
#define RW    (HV_MAP_READ | HV_MAP_WRITE)
#define PAGES 3u

const char test_title[] = "a revoked page is the owner's again, whatever its peer does";

enum { STATE, REF, WROTE, FAULTED, ROUNDS };

/* ---- the peer's second vCPU ---- */

static char stack[16384] __attribute__((aligned(4096)));
static volatile uint64_t target; /* moves, as the first one's mapping does */
static volatile uint64_t tried, landed;

static void touch_on(void *arg)
{
    (void)arg;
    for (uint64_t n = 0;; n++) {
        uint64_t at = target + (n % PAGES) * HV_PAGE_SIZE;

        if (target && hv_guard_write32((uint32_t *)(uintptr_t)at + 4, (uint32_t)n) == 0)
            landed = landed + 1;
        tried = tried + 1;
        if (n % 16 == 0)
            hv_yield(); /* with a processor of its own it gets it back at once */
    }
}

static void wait_for(const volatile uint64_t *what, uint64_t value)
{
    while (*what < value)
        hv_yield();
}

/* ---- the peer ---- */

static int64_t window_map(uint64_t ref, uint64_t window, uint32_t port)
{
    HV_BUFFER(64) struct hv_grant_map m = { hv_start_parent(), ref, window, port, RW, PAGES, 0 };

    return hv_grant_map(HV_SELF, hv_gpa(&m), 1);
}

static int64_t copy(uint64_t ref, void *to_peer)
{
    HV_BUFFER(64)
    struct hv_grant_copy c = {
        hv_start_parent(), ref, 0, hv_gpa(to_peer), 64, HV_GRANT_COPY_TO_PEER
    };

    return hv_grant_copy(hv_gpa(&c), 1);
}

/* Every way back to the page, once it is revoked. */
static void try_everything(uint64_t ref, uint64_t window, uint64_t address, uint32_t port,
                           void *own)
{
    static uint64_t spare;
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    int64_t result = window_map(ref, window, port);

    CHECK(result == -HV_EINVAL || result == -HV_EDEAD);
    spare = spare ? spare : test_windows(PAGES);
    result = window_map(ref, spare, port);
    CHECK(result == -HV_EINVAL || result == -HV_EDEAD);
    result = copy(ref, own);
    CHECK(result == -HV_EINVAL || result == -HV_EDEAD);
    CHECK_EQ(test_try_read(address, NULL), 14);
    CHECK_EQ(test_try_write(address, 1), 14);
    CHECK_EQ(test_map(HV_SELF, 0, address, window, 1, RW), -HV_EFAULT);
    CHECK_EQ(test_map(HV_SELF, space, 0x400000, window, 1, R), -HV_EFAULT);
    CHECK_EQ(hv_counters(HV_SELF, window << HV_PAGE_SHIFT), -HV_EFAULT);
    CHECK_EQ(hv_console_write(window << HV_PAGE_SHIFT, 8), -HV_EFAULT);
    CHECK_EQ(hv_grant_create(HV_SELF, hv_start_parent(), window, 1, R), -HV_EINVAL);
    CHECK_EQ(hv_guard_copy_to(hv_va(window << HV_PAGE_SHIFT), own, 64), -HV_EDEAD);
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}

static uint32_t told;

static void on_revoke(uint32_t p, void *arg)
{
    (void)p;
    (void)arg;
    told++;
}

/* One grant: write until the page is gone. Every so often by another address, or by a copy. */
static void hold_one(uint64_t ref, uint32_t port, void *own)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    uint64_t window = test_windows(PAGES), address = test_addresses(PAGES), n = 0;

    CHECK_EQ(window_map(ref, window, port), 1);
    CHECK_EQ(test_map(HV_SELF, 0, address, window, PAGES, RW), PAGES);
    /* A second leaf of the same window page is refused, also by another space. */
    CHECK_EQ(test_map(HV_SELF, 0, test_addresses(1), window, 1, RW), -HV_EBUSY);
    target = address;
    wait_for(&landed, landed + 3);
    shared[STATE] = ref;
    while (test_try_write(address + (n % PAGES) * HV_PAGE_SIZE, n) == TEST_NO_FAULT) {
        shared[WROTE] = ++n;
        if (n % 64 == 0)
            (void)copy(ref, own);
        if (n % 256 == 0 && test_unmap(HV_SELF, 0, address, PAGES) == PAGES) {
            address = test_addresses(PAGES);
            if (test_map(HV_SELF, 0, address, window, PAGES, RW) != PAGES)
                break;
            target = address;
        }
    }
    shared[FAULTED]++;
    wait_for(&tried, tried + 100);
    try_everything(ref, window, address, port, own);
    /* The window stays taken until it lets go of it; it does so with every second one only. */
    if (shared[FAULTED] % 2) {
        HV_BUFFER(8) uint64_t list = window;

        CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), 1);
        CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), -HV_EINVAL);
    }
    /* On another processor the fault comes first: the event waits until no TLB has the page. */
    while (told < shared[FAULTED])
        hv_yield();
    CHECK_EQ(told, shared[FAULTED]);
    shared[STATE] = 0;
}

static void hold(void)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    uint32_t port = (uint32_t)NEED(hv_event_offer(HV_SELF, on_revoke, NULL));
    uint64_t done = 0;
    void *own = test_pages(1);

    memset(own, 0xee, HV_PAGE_SIZE);
    CHECK_EQ(hv_vcpu_start(1, touch_on, NULL, stack, sizeof stack), 0);
    while (shared[ROUNDS] != ~(uint64_t)0) {
        uint64_t ref = shared[REF];

        if (ref != done) {
            hold_one(ref, port, own);
            done = ref;
        }
        hv_yield();
    }
}

/* ---- the owner ---- */

static void wait_ns(uint64_t ns)
{
    for (uint64_t end = hv_now() + ns; hv_now() < end;)
        hv_yield();
}

static uint64_t lend(uint64_t peer, uint64_t *pages)
{
    uint64_t ref = (uint64_t)NEED(hv_grant_give(peer, pages, PAGES, RW));
    volatile uint64_t *shared = test_shared(peer);

    shared[REF] = ref;
    test_await(peer, STATE, ref);
    return ref;
}

static void check_mine(const uint64_t *pages, uint64_t value)
{
    for (unsigned i = 0; i < PAGES * 512; i++) {
        if (pages[i] != value)
            test_failure("word %u of the page was written after the revocation: 0x%lx", i,
                         pages[i]);
    }
}

/* Back with no question asked; the next content is the owner's alone; then it is not even RAM. */
static void check_revoke(uint64_t peer, unsigned round)
{
    uint64_t *pages = test_pages(PAGES), gfn = hv_gfn(pages);
    uint64_t ref = lend(peer, pages), at = (uint64_t)(uintptr_t)pages;
    uint64_t faults = test_shared(peer)[FAULTED];

    wait_ns(round * 37000);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 0), -HV_EBUSY);
    CHECK_EQ(hv_unmap_range(HV_SELF, 0, at, PAGES), 0);
    CHECK_EQ(hv_give_back(HV_SELF, gfn, PAGES), -HV_EBUSY);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 1), 0);
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 1), -HV_EINVAL);
    CHECK_EQ(hv_map_range(HV_SELF, 0, at, gfn, PAGES, RW), 0);
    for (unsigned i = 0; i < PAGES * 512; i++)
        pages[i] = 0x0a0a0a0a0a0a0a0a + round;
    for (uint64_t end = hv_now() + TEST_PATIENCE_NS; test_shared(peer)[FAULTED] == faults;) {
        CHECK(hv_now() < end);
        hv_yield();
    }
    test_await(peer, STATE, 0);
    check_mine(pages, 0x0a0a0a0a0a0a0a0a + round);
    CHECK_EQ(hv_unmap_range(HV_SELF, 0, at, PAGES), 0);
    CHECK_EQ(hv_give_back(HV_SELF, gfn, PAGES), PAGES);
}

/* The peer ends, killed or destroyed, with the page in hand. */
static void check_death(bool destroy)
{
    uint64_t peer = test_spawn("peer", 0), *pages = test_pages(PAGES);
    uint64_t ref = lend(peer, pages);

    wait_ns(100000);
    if (!destroy) {
        NEED(hv_domain_pause(peer));
        CHECK_EQ(hv_grant_end(HV_SELF, ref, 0), -HV_EBUSY);
        CHECK_EQ(hv_grant_end(HV_SELF, ref, 1), 0);
        memset(pages, 0x11, PAGES * HV_PAGE_SIZE);
        check_mine(pages, 0x1111111111111111);
    }
    test_destroy(peer);
    if (destroy) {
        memset(pages, 0x22, PAGES * HV_PAGE_SIZE);
        CHECK_EQ(hv_grant_end(HV_SELF, ref, 0), 0);
        check_mine(pages, 0x2222222222222222);
    }
    CHECK_EQ(hv_grant_end(HV_SELF, ref, 1), -HV_EINVAL);
}

/* The owner ends: the peer's leaf goes with it. */
static void owner(void)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    uint64_t *page = test_pages(1);

    memset(page, 0x33, HV_PAGE_SIZE);
    shared[REF] = (uint64_t)NEED(hv_grant_give(hv_start_parent(), page, 1, RW));
    for (;;)
        hv_yield();
}

static void check_owner_dies(void)
{
    uint64_t child = test_spawn("owner", 192), window = test_windows(1),
             address = test_addresses(1);
    uint32_t port = (uint32_t)NEED(hv_event_offer(HV_SELF, on_revoke, NULL));
    HV_BUFFER(64) struct hv_grant_map m = { child, 0, window, port, RW, 1, 0 };
    uint64_t value = 0;

    while ((m.ref = test_shared(child)[REF]) == 0)
        hv_yield();
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
    CHECK_EQ(test_map(HV_SELF, 0, address, window, 1, RW), 1);
    CHECK_EQ(test_try_read(address, &value), TEST_NO_FAULT);
    CHECK_EQ(value, 0x3333333333333333);
    told = 0;
    test_destroy(child);
    CHECK_EQ(told, 1);
    CHECK_EQ(test_try_read(address, NULL), 14);
    CHECK_EQ(test_map(HV_SELF, 0, address, window, 1, RW), -HV_EFAULT);
    HV_BUFFER(64) struct hv_grant_copy c = { child, m.ref, 0, hv_gpa(test_pages(1)), 8, 0 };

    CHECK_EQ(hv_grant_copy(hv_gpa(&c), 1), -HV_EDEAD);
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), -HV_EDEAD);
    HV_BUFFER(8) uint64_t list = window;

    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), 1);
}

void test_main(void)
{
    if (test_is("peer")) {
        hold();
        return;
    }
    if (test_is("owner"))
        owner();
    test_options = (struct test_options){ .vcpus = 2 };
    uint64_t peer = test_spawn("peer", 0);

    for (unsigned round = 0; round < 12; round++)
        check_revoke(peer, round);
    test_signal(peer, ROUNDS, ~(uint64_t)0);
    test_join(peer);
    check_death(false);
    check_death(true);
    check_owner_dies();
}
