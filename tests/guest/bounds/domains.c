/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers of scheduling and time, domain control and emulation.
 */
#include "bounds.h"
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include <hv_io.h>

#define ROUTES   16u
#define MODELLED 32u /* domains of which the one that ends is the model */
#define PINNED   1024u

/* ---- what children do ---- */

static void child_yields(void)
{
    for (;;)
        hv_yield();
}

/* The device model of as many domains as it has quota for; what it writes down is when it ended. */
static void child_model(void)
{
    uint64_t port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    uint64_t gfn = hv_gfn(test_pages(2));

    for (unsigned i = 0; i < MODELLED; i++) {
        uint64_t dom = (uint64_t)NEED(raw_small(1, 0));

        for (unsigned r = 0; r < ROUTES; r++)
            NEED(hv_io_route(dom, 16 * r, 1, port, gfn));
        test_shared(TEST_PARENT)[64 + i] = dom;
    }
    test_signal(TEST_PARENT, 0, 1);
    hv_mask();
    test_shared(TEST_PARENT)[32] = bench_begin();
    hv_shutdown(0);
}

static void child_ports(void)
{
    uint8_t *page = test_pages(1), *at = page;
    uint64_t count = HV_PAGE_SIZE;

    __asm__ volatile("rep insb" : "+D"(at), "+c"(count) : "d"(0x1f0) : "memory");
    CHECK_EQ(page[HV_PAGE_SIZE - 1], 0x5a);
}

static void child_pins(void)
{
    void *page = test_pages(1);
    uint64_t gfn = hv_gfn(test_pages(HV_MAX_DMA_PAGES));

    test_signal(TEST_PARENT, 0, 1);
    test_await(TEST_PARENT, 0, 2);
    for (unsigned i = 0; i < PINNED; i += HV_MAX_DMA_PAGES)
        NEED(hv_dma_map(DEVICE, gfn, HV_MAX_DMA_PAGES, hv_gpa(page)));
}

void bound_child_domains(void)
{
    if (test_is("yields"))
        child_yields();
    if (test_is("model"))
        child_model();
    if (test_is("ports"))
        child_ports();
    if (test_is("pins"))
        child_pins();
}

/* ---- scheduling and time ---- */

/* To another domain, which yields at once, and back. */
static void drive_yield(void)
{
    uint64_t child = test_spawn("yields", 192);

    for (unsigned i = 0; i < 50; i++)
        hv_yield();
    for (unsigned i = 0; i < 20; i++)
        CHECK_EQ(TIMED(hv_yield()), 0);
    test_destroy(child);
}
BOUND(yield, 1400, drive_yield);

static char second_stack[16384] __attribute__((aligned(4096)));
static volatile bool second_over;

static void second_yields(void *arg)
{
    (void)arg;
    while (!second_over)
        hv_sched_yield_to(0);
}

/* To another vCPU, which yields back at once. */
static void drive_sched_yield_to(void)
{
    NEED(hv_vcpu_start(1, second_yields, NULL, second_stack, sizeof second_stack));
    for (unsigned i = 0; i < 50; i++)
        hv_sched_yield_to(1);
    for (unsigned i = 0; i < 20; i++)
        CHECK_EQ(TIMED(hv_sched_yield_to(1)), 0);
    second_over = true;
    NEED(hv_vcpu_stop(1));
}
BOUND(sched_yield_to, 2400, drive_sched_yield_to);

/* An event is pending: the upcall and its handler are in it. */
static void drive_block(void)
{
    uint64_t port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    uint64_t sender = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, HV_SELF, port, 0));

    for (unsigned i = 0; i < 3; i++) {
        hv_mask();
        NEED(hv_event_send(sender));
        CHECK_EQ(TIMED(hv_block()), 0);
    }
    NEED(hv_event_close(HV_SELF, sender));
    NEED(hv_event_close(HV_SELF, port));
}
BOUND(block, 690, drive_block);

static void drive_set_timer(void)
{
    uint64_t far = hv_now() + 1000000000000;

    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(TIMED(hv_set_timer(far + i)), 0);
        CHECK_EQ(TIMED(hv_set_timer(1)), 0);
        CHECK_EQ(TIMED(hv_set_timer(0)), 0);
    }
}
BOUND(set_timer, 740, drive_set_timer);

static volatile uint32_t ended_at;

static void on_domain(uint32_t port, void *arg)
{
    uint32_t now = bench_end();

    (void)port;
    (void)arg;
    ended_at = now;
}

/* From the call of a device model to the handler of its parent, which waits. */
static void drive_shutdown(void)
{
    uint64_t port =
        (uint64_t)NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 0, on_domain, NULL));
    uint64_t child;

    test_options = (struct test_options){ .quota = MODELLED * 70,
                                          .flags = HV_CREATE_MAY_CREATE,
                                          .weight = 256 };
    child = test_spawn("model", 0);
    test_options = (struct test_options){ 0 };
    test_await(child, 0, 1);
    hv_mask();
    while (test_info(child).state == HV_DOMAIN_RUNNING)
        hv_wait();
    hv_unmask();
    CHECK_EQ(test_info(child).reason, 0);
    bound_note(ended_at - (uint32_t)test_shared(child)[32], false);
    NEED(hv_event_end(port));
    for (unsigned i = 0; i < MODELLED; i++)
        bound_end(test_shared(child)[64 + i]);
    test_destroy(child);
}
BOUND_PART(shutdown, 70000, drive_shutdown, "with the routes of 32 domains");

/* ---- domain control ---- */

/* The largest there is; and one whose quota would be used up at its last table. */
static void drive_domain_create(void)
{
    struct hv_domain_create *c = (void *)bound_page;
    uint64_t dom, used;

    bound_dirty();
    *c = (struct hv_domain_create){ .quota = 8192,
                                    .ram_pages = HV_MAX_RAM_PAGES,
                                    .window_pages = HV_MAX_WINDOW_PAGES,
                                    .vcpus = 1,
                                    .weight = 256 };
    dom = (uint64_t)NEED(TIMED(hv_domain_create(hv_gpa(c))));
    used = test_info(dom).used;
    bound_end(dom);
    c->quota = used - 1;
    CHECK_EQ(TIMED(hv_domain_create(hv_gpa(c))), -HV_ENOMEM);
}
BOUND(domain_create, 340000, drive_domain_create);

static uint64_t small;

/* It does nothing but yield, at an address of this image: what it runs while it is started is a
 * guest's, for whoever counts by address. */
static void drive_vcpu_set_context(void)
{
    static const uint8_t code[] = { 0xb8, HV_NR_yield, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7 };
    struct hv_vcpu_context *context = (void *)bound_page;
    uint64_t at = (uint64_t)(uintptr_t)test_main & ~(uint64_t)(HV_PAGE_SIZE - 1);

    small = bound_domain(1, 0, 400);
    bound_vcpus(small, at);
    NEED(hv_copy_to_domain(small, 0, code, sizeof code));
    NEED(test_map(small, 0, at, 0, 1, HV_MAP_READ | HV_MAP_EXEC));
    *context = (struct hv_vcpu_context){ .rip = at };
    CHECK_EQ(TIMED(hv_vcpu_set_context(small, 0, hv_gpa(context))), 0);
}
BOUND(vcpu_set_context, 2700, drive_vcpu_set_context);

static void drive_domain_start(void)
{
    CHECK_EQ(TIMED(hv_domain_start(small)), 0);
    /* Each of them has had its share, so that none runs at once when it is woken. */
    NEED(hv_sched_set(small, 1, 0));
    for (uint64_t n = 1; n < HV_MAX_VCPUS; n++)
        NEED(hv_vcpu_up(small, n));
    for (unsigned i = 0; i < 1000; i++)
        hv_yield();
}
BOUND(domain_start, 7600, drive_domain_start);

static void drive_domain_pause(void)
{
    CHECK_EQ(TIMED(hv_domain_pause(small)), 0);
}
BOUND(domain_pause, 14000, drive_domain_pause);

static void drive_domain_unpause(void)
{
    CHECK_EQ(TIMED(hv_domain_unpause(small)), 0);
    bound_end(small);
}
BOUND(domain_unpause, 21000, drive_domain_unpause);

/* Leaves that lie close and far apart, in two spaces. */
static void fill_spaces(uint64_t dom)
{
    struct hv_map_run *runs = (void *)bound_page;

    for (unsigned i = 0; i < HV_MAX_MAP_RUNS; i++)
        runs[i] = (struct hv_map_run){ ((uint64_t)(2 * i + 1) << 39) - 4 * HV_PAGE_SIZE, 0, 8, RW };
    for (unsigned i = 0; i < 2; i++) {
        uint64_t space = (uint64_t)NEED(hv_space_create(dom));

        NEED(hv_map(dom, space, hv_gpa(runs), i ? 1 : HV_MAX_MAP_RUNS));
        for (unsigned at = 0; i && at < 4; at++)
            CHECK_EQ(test_map(dom, space, (uint64_t)at << 21, 0, 512, RW), 512);
    }
}

/* Root's pages in its windows and at its addresses, its pages lent to root. */
static void fill_grants(uint64_t dom)
{
    struct hv_grant_map *m = (void *)bound_page;
    uint64_t own = hv_gfn(test_pages(1)), port = (uint64_t)NEED(hv_event_alloc(dom, 0));

    for (unsigned i = 0; i < 100; i++) {
        uint64_t ref = (uint64_t)NEED(hv_grant_create(HV_SELF, dom, own, 1, RW));

        *m = (struct hv_grant_map){ 0,
                                    ref,
                                    HV_GFN_WINDOW + i * 5,
                                    (uint32_t)port,
                                    RW,
                                    1,
                                    HV_FREE_START + ((uint64_t)i << 21) };
        CHECK_EQ(hv_grant_map(dom, hv_gpa(m), 1), 1);
    }
    for (unsigned i = 0; i < 4; i++) {
        uint64_t ref = (uint64_t)NEED(hv_grant_create(dom, 0, 512 * i, 512, RW));

        *m = (struct hv_grant_map){ dom, ref, test_windows(512), 0, RW, 512, 0 };
        m->port = (uint32_t)NEED(hv_event_alloc(HV_SELF, dom));
        m->address = test_addresses(512);
        CHECK_EQ(hv_grant_map(HV_SELF, hv_gpa(m), 1), 1);
    }
}

/* Every step of the end of a domain that has of everything more than a step takes. */
static void drive_domain_destroy(void)
{
    uint64_t dom = bound_domain(2048, HV_MAX_WINDOW_PAGES, 8192);
    int64_t left;

    bound_vcpus(dom, HV_KERNEL_START);
    fill_spaces(dom);
    fill_grants(dom);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t remote = (uint64_t)NEED(hv_event_alloc(dom, dom));

        NEED(hv_event_bind(dom, HV_BIND_PEER, dom, remote, 0));
    }
    while ((left = TIMED(hv_domain_destroy(dom))) > 0)
        ;
    CHECK_EQ(left, 0);
}
BOUND(domain_destroy, 80000, drive_domain_destroy);

static void drive_domain_info(void)
{
    uint64_t peer = bound_peer();

    CHECK_EQ(TIMED(hv_domain_info(peer, hv_gpa(bound_page))), 0);
}
BOUND(domain_info, 8000, drive_domain_info);

/* Neither side begins with a page, nor where the other does. */
static void drive_domain_copy(void)
{
    uint64_t dom = bound_domain(17, 0, 100), local = hv_gpa(test_pages(17)) + 1;

    for (unsigned write = 0; write < 2; write++)
        CHECK_EQ(TIMED(hv_domain_copy(dom, 2051, local, 65536, write)), 65536);
    bound_end(dom);
}
BOUND(domain_copy, 14000, drive_domain_copy);

/* All ports, some of which are the hypervisor's own: it has to find them; then the most that is
 * root's to give. */
static void drive_assign(void)
{
    uint64_t dom = bound_domain(1, 0, 64);

    CHECK_EQ(TIMED(hv_assign(dom, HV_ASSIGN_PORTS, 0, 65536)), -HV_EPERM);
    CHECK_EQ(TIMED(hv_assign(dom, HV_ASSIGN_PORTS, 0xd00, 65536 - 0xd00)), 0);
    bound_end(dom);
}
BOUND(assign, 57000, drive_assign);

static void drive_devices_reset(void)
{
    uint64_t child;
    int64_t left;

    test_options = (struct test_options){ .quota = PINNED + 100, .window_pages = 4096 };
    child = test_spawn("pins", 0);
    test_options = (struct test_options){ 0 };
    test_await(child, 0, 1);
    NEED(hv_assign(child, HV_ASSIGN_DEVICE, DEVICE, 0));
    test_signal(child, 0, 2);
    test_wait(child, NULL);
    while (NEED(hv_domain_destroy(child)) > 0)
        ;
    CHECK(test_info(child).quarantined > 0);
    while ((left = TIMED(hv_devices_reset(child))) > 0)
        ;
    CHECK_EQ(left, 0);
    test_forget(child);
}
BOUND(devices_reset, 55000, drive_devices_reset);

/* ---- emulation ---- */

/* The last of as many routes as there can be. */
static void drive_io_route(void)
{
    uint64_t dom = bound_domain(1, 0, 64), port = (uint64_t)NEED(hv_event_alloc(HV_SELF, dom));
    uint64_t gfn = hv_gfn(test_pages(1 + HV_MAX_VCPUS));

    for (unsigned i = 0; i < ROUTES; i++)
        CHECK_EQ(TIMED(hv_io_route(dom, 16 * i, 8, port, gfn)), 0);
    CHECK_EQ(hv_io_route(dom, 16 * ROUTES, 8, port, gfn), -HV_ENOSPC);
    bound_end(dom);
    NEED(hv_event_close(HV_SELF, port));
}
BOUND(io_route, 4300, drive_io_route);

/* A page of bytes. */
static void drive_io_complete(void)
{
    uint64_t child = test_build("ports", 192, NULL);
    uint64_t port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    volatile struct hv_io_request *request = test_pages(2);

    memset(bound_page, 0x5a, HV_PAGE_SIZE);
    NEED(hv_io_route(child, 0x1f0, 8, port, hv_gfn(request)));
    NEED(hv_domain_start(child));
    while (request->state != HV_IO_PENDING)
        hv_yield();
    CHECK_EQ(request->count, HV_PAGE_SIZE);
    CHECK_EQ(TIMED(hv_io_complete(child, 0, HV_PAGE_SIZE, hv_gpa(bound_page))), 0);
    test_join(child);
    NEED(hv_event_end(port));
}
BOUND(io_complete, 5300, drive_io_complete);
