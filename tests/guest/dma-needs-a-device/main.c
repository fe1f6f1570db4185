/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DMA: who does not hold a device maps nothing for it; who does gets device addresses, and its
 * pages stay where they are until it lets go of them; a child gets a device from its parent, and
 * what the child has pinned when it dies comes back by a reset of its devices. Frames that are
 * pinned through a window and revoked, or whose owner dies, are the holder's until it unmaps them.
 */
#include "hvlib/grant.h"
#include "raw.h"

#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define DEVICE 0x10u
#define OTHER  0x18u
#define PAGES  6u

const char test_title[] = "DMA needs a device, and pins what it names until it is unmapped";

static struct hv_dma_run *runs;

static uint64_t pages_of(int64_t n)
{
    uint64_t pages = 0;

    for (int64_t i = 0; i < n; i++)
        pages += runs[i].pages;
    return pages;
}

static void unmap_all(uint64_t device, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        CHECK_EQ(hv_dma_unmap(device, runs[i].address, runs[i].pages), runs[i].pages);
}

static void check_own(void)
{
    uint64_t at = (uint64_t)(uintptr_t)test_pages(PAGES), gfn = hv_gfn((void *)(uintptr_t)at);
    uint64_t used = test_info(HV_SELF).used;
    int64_t n = hv_dma_map(DEVICE, gfn, PAGES, hv_gpa(runs));

    CHECK(n >= 1 && n <= PAGES);
    CHECK_EQ(pages_of(n), PAGES);
    /* A pin and the frame that may have to replace it are charged. */
    CHECK(test_info(HV_SELF).used >= used + PAGES);
    CHECK_EQ(hv_unmap_range(HV_SELF, 0, at, PAGES), 0);
    CHECK_EQ(hv_give_back(HV_SELF, gfn, PAGES), -HV_EBUSY);
    CHECK_EQ(hv_dma_unmap(OTHER, runs[0].address, 1), -HV_EINVAL);
    unmap_all(DEVICE, n);
    CHECK_EQ(hv_give_back(HV_SELF, gfn, PAGES), PAGES);
    CHECK_EQ(hv_dma_map(DEVICE, gfn, 1, hv_gpa(runs)), -HV_EINVAL);
    CHECK_EQ(hv_populate(HV_SELF, gfn, PAGES), PAGES);
    CHECK_EQ(hv_map_range(HV_SELF, 0, at, gfn, PAGES, RW), 0);
}

/* All or nothing: a hole in the run pins no page of it. */
static void check_hole(void)
{
    uint64_t at = (uint64_t)(uintptr_t)test_pages(3), gfn = hv_gfn((void *)(uintptr_t)at);

    CHECK_EQ(hv_unmap_range(HV_SELF, 0, at, 3), 0);
    CHECK_EQ(hv_give_back(HV_SELF, gfn + 1, 1), 1);
    CHECK_EQ(hv_dma_map(DEVICE, gfn, 3, hv_gpa(runs)), -HV_EINVAL);
    CHECK_EQ(hv_give_back(HV_SELF, gfn, 1), 1);
    CHECK_EQ(hv_give_back(HV_SELF, gfn + 2, 1), 1);
    CHECK_EQ(hv_populate(HV_SELF, gfn, 3), 3);
    CHECK_EQ(hv_map_range(HV_SELF, 0, at, gfn, 3, RW), 0);
}

/* Pins are counted, the same page as often as it is mapped, and there is an end to them. */
static void check_limit(void)
{
    uint64_t gfn = hv_gfn(test_pages(HV_MAX_DMA_PAGES)), times = 0, taken;
    static uint64_t address[HV_MAX_DMA_PAGES];
    int64_t n;

    for (unsigned i = 0; i < HV_MAX_DMA_PAGES; i++) {
        CHECK_EQ(hv_dma_map(DEVICE, gfn + i, 1, hv_gpa(runs)), 1);
        address[i] = runs[0].address;
    }
    while ((n = hv_dma_map(DEVICE, gfn, HV_MAX_DMA_PAGES, hv_gpa(runs))) > 0)
        times++;
    CHECK_EQ(n, -HV_ENOSPC);
    CHECK(times > 16);
    for (unsigned i = 0; i < HV_MAX_DMA_PAGES; i++) {
        for (taken = 0; hv_dma_unmap(DEVICE, address[i], 1) == 1; taken++)
            ;
        CHECK_EQ(taken, times + 1);
    }
}

/* ---- a child ---- */

static void child_main(void)
{
    void *pages = test_pages(PAGES);

    runs = test_pages(1);
    CHECK_EQ(hv_dma_map(DEVICE, hv_gfn(pages), 1, hv_gpa(runs)), -HV_EPERM);
    CHECK_EQ(hv_dma_unmap(DEVICE, 0, 1), -HV_EPERM);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_MSI, DEVICE, 0, hv_gpa(runs)), -HV_EPERM);
    test_signal(TEST_PARENT, 0, 1);
    test_await(TEST_PARENT, 0, 2);
    CHECK_EQ(pages_of(NEED(hv_dma_map(DEVICE, hv_gfn(pages), PAGES, hv_gpa(runs)))), PAGES);
    CHECK_EQ(hv_dma_map(OTHER, hv_gfn(pages), 1, hv_gpa(runs)), -HV_EPERM);
    CHECK(hv_event_bind(HV_SELF, HV_BIND_MSI, DEVICE, 0, hv_gpa(runs)) > 0);
    test_signal(TEST_PARENT, 0, 3);
    test_await(TEST_PARENT, 0, 4);
}

/* What its device might still write to is kept from reuse until the device has been reset. */
static void check_quarantine(void)
{
    uint64_t child = test_spawn("child", 0);
    struct hv_domain_info info;
    int64_t left;

    test_await(child, 0, 1);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_DEVICE, DEVICE, 0), 0);
    test_signal(child, 0, 2);
    test_await(child, 0, 3);
    CHECK_EQ(hv_devices_reset(child), -HV_EINVAL);
    test_signal(child, 0, 4);
    test_wait(child, &info);
    CHECK_EQ(info.reason, 0);
    while (hv_domain_destroy(child) == 1)
        ;
    info = test_info(child);
    CHECK_EQ(info.state, HV_DOMAIN_DYING);
    CHECK(info.quarantined >= PAGES);
    CHECK(info.used >= info.quarantined);
    while ((left = hv_devices_reset(child)) == 1)
        ;
    CHECK_EQ(left, 0);
    CHECK_EQ(hv_domain_destroy(child), -HV_EPERM);
}

/* ---- DMA into a window: the owner revokes, and what the device may write to is not its page ----
 */

static void check_revoke_pinned(void)
{
    uint64_t lender = test_build("lender", 192, NULL), window = test_windows(1), word = 0x600d,
             before, used, old;
    uint64_t port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    HV_BUFFER(64) struct hv_grant_map m = { lender, 0, window, (uint32_t)port, RW, 1, 0 };
    HV_BUFFER(8) uint64_t list = window;

    before = test_info(HV_SELF).quarantined;
    NEED(hv_copy_to_domain(lender, 170 * HV_PAGE_SIZE, &word, 8));
    m.ref = (uint64_t)NEED(hv_grant_create(lender, 0, 170, 1, RW));
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
    CHECK_EQ(hv_dma_map(DEVICE, window, 1, hv_gpa(runs)), 1);
    old = runs[0].address;
    CHECK_EQ(hv_give_back(lender, 170, 1), -HV_EBUSY);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), -HV_EBUSY);
    CHECK_EQ(hv_grant_end(lender, m.ref, 0), -HV_EBUSY);
    CHECK_EQ(test_map(lender, 0, HV_FREE_START, 170, 1, RW), 1);
    CHECK_EQ(hv_grant_end(lender, m.ref, 1), -HV_EBUSY); /* its own leaves first */
    CHECK_EQ(test_unmap(lender, 0, HV_FREE_START, 1), 1);
    used = test_info(lender).used;
    CHECK_EQ(hv_grant_end(lender, m.ref, 1), 0);
    CHECK_EQ(test_info(HV_SELF).quarantined, before + 1);
    NEED(hv_copy_from_domain(lender, 170 * HV_PAGE_SIZE, &word, 8));
    CHECK_EQ(word, 0x600d);
    /* The device has no part in what the owner has now, and the bill is the holder's. */
    CHECK(test_info(lender).used <= used);
    CHECK_EQ(hv_dma_map(DEVICE, window, 1, hv_gpa(runs)), -HV_EFAULT);
    m.window = test_windows(1);
    m.ref = (uint64_t)NEED(hv_grant_create(lender, 0, 170, 1, RW));
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
    CHECK_EQ(hv_dma_map(DEVICE, m.window, 1, hv_gpa(runs)), 1);
    CHECK(runs[0].address != old);
    CHECK_EQ(hv_dma_unmap(DEVICE, runs[0].address, 1), 1);
    CHECK_EQ(hv_grant_end(lender, m.ref, 1), 0);
    CHECK_EQ(test_info(HV_SELF).quarantined, before + 1);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), -HV_EBUSY);
    CHECK_EQ(hv_dma_unmap(DEVICE, old, 1), 1);
    CHECK_EQ(test_info(HV_SELF).quarantined, before);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), 1);
    list = m.window;
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), 1);
    CHECK_EQ(hv_give_back(lender, 170, 1), 1);
    test_destroy(lender);
}

/* The owner goes altogether, with a leaf of its own: nobody is left to ask for it. What the device
 * may write to stays, and is its holder's. */
static void check_owner_dies(void)
{
    uint64_t lender = test_build("lender", 192, NULL), window = test_windows(1);
    uint64_t port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    uint64_t before = test_info(HV_SELF).quarantined, used;
    HV_BUFFER(64) struct hv_grant_map m = { lender, 0, window, (uint32_t)port, RW, 1, 0 };
    HV_BUFFER(8) uint64_t list = window;

    m.ref = (uint64_t)NEED(hv_grant_create(lender, 0, 170, 1, RW));
    CHECK_EQ(test_map(lender, 0, HV_FREE_START, 170, 1, RW), 1);
    CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(&m), 1), 1);
    CHECK_EQ(hv_dma_map(DEVICE, window, 1, hv_gpa(runs)), 1);
    used = test_info(HV_SELF).used;
    test_destroy(lender);
    CHECK_EQ(hv_devices_reset(lender), -HV_EPERM); /* it is gone: nothing of it is quarantined */
    CHECK_EQ(test_info(HV_SELF).quarantined, before + 1);
    CHECK(test_info(HV_SELF).used <= used); /* the frame came, the reserve went with the owner */
    CHECK_EQ(hv_dma_unmap(DEVICE, runs[0].address, 1), 1);
    CHECK_EQ(test_info(HV_SELF).quarantined, before);
    CHECK_EQ(hv_grant_unmap(HV_SELF, hv_gpa(&list), 1), 1);
    CHECK_EQ(hv_event_end(port), 0);
}

/* ---- an ancestor further up resets the devices of one that its child has made ---- */

/* Makes a domain of nothing but code: it pins two of its pages and ends. */
static void be_middle(void)
{
    struct code {
        uint8_t map[31], end[9];
    } __attribute__((packed));
    HV_BUFFER(64)
    static const struct code code = {
        { 0xb8, HV_NR_dma_map, 0,   0, 0, 0xbf, DEVICE, 0,    0, 0,    0xbe, 1, 0,    0,
          0,    0xba,          2,   0, 0, 0,    0x41,   0xba, 0, 0x30, 0,    0, 0x0f, 0x05,
          0x89, 0xc7,          0x90 },
        { 0xb8, HV_NR_shutdown, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xfe },
    };
    HV_BUFFER(64) const struct hv_vcpu_context context = { .rip = HV_KERNEL_START };
    uint64_t dom;

    test_await(TEST_PARENT, 0, 1);
    dom = (uint64_t)NEED(raw_small(16, 0));
    NEED(hv_assign(dom, HV_ASSIGN_DEVICE, DEVICE, 0));
    NEED(hv_populate(dom, 0, 4));
    NEED(hv_domain_copy(dom, 0, hv_gpa(&code), sizeof code, 1));
    NEED(test_map(dom, 0, HV_KERNEL_START, 0, 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(hv_vcpu_set_context(dom, 0, hv_gpa(&context)));
    NEED(hv_domain_start(dom));
    while (test_info(dom).state == HV_DOMAIN_RUNNING)
        hv_yield();
    CHECK(test_info(dom).reason >= 1); /* runs, of two pages */
    test_shared(TEST_PARENT)[32] = dom;
    test_signal(TEST_PARENT, 1, 1);
    test_await(TEST_PARENT, 0, 2);
    CHECK_EQ(hv_devices_reset(dom), -HV_EPERM); /* gone */
    CHECK(raw_small(16, 0) >= 0);               /* and what it cost is there again */
}

static void check_ancestor_resets(void)
{
    uint64_t middle, dom;
    int64_t left;

    test_options = (struct test_options){ .quota = 80, .flags = HV_CREATE_MAY_CREATE };
    middle = test_build("middle", 192, NULL);
    test_options = (struct test_options){ 0 };
    CHECK_EQ(hv_assign(middle, HV_ASSIGN_DEVICE, DEVICE, 0), 0);
    CHECK_EQ(hv_domain_start(middle), 0);
    test_signal(middle, 0, 1);
    test_await(middle, 1, 1);
    dom = test_shared(middle)[32];
    while (NEED(hv_domain_destroy(dom)) == 1)
        ;
    CHECK_EQ(test_info(dom).state, HV_DOMAIN_DYING);
    CHECK_EQ(test_info(dom).quarantined, 2);
    CHECK_EQ(test_info(dom).used, test_info(dom).quota);
    while ((left = hv_devices_reset(dom)) == 1)
        ;
    CHECK_EQ(left, 0);
    test_signal(middle, 0, 2);
    test_wait(middle, NULL);
    CHECK_EQ(test_info(middle).reason, 0);
}

void test_main(void)
{
    if (test_is("child")) {
        child_main();
        return;
    }
    runs = test_pages(1);
    if (test_is("middle")) {
        be_middle();
        return;
    }
    check_own();
    check_hole();
    check_limit();
    check_quarantine();
    check_revoke_pinned();
    check_owner_dies();
    check_ancestor_resets();
}
