/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (X18). The page that requests of routed ports are written into belongs to the model and is
 * held by each route. Who checks the page when the route is made forgets that one page serves any
 * number of routes, of any number of guests; that the same page can be lent, made visible to a
 * device, given back and populated anew; that the next page, for data, is one too; and that a route
 * lives on when its model's port is closed and its number means something else.
 *
 * This guest routes sixteen ranges each of many guests to one page, tries to lose the page in every
 * way while one of them is left, takes them down in different orders, and has requests come for a
 * port that is closed or somebody else's. A vulnerable hypervisor counts wrongly and writes
 * requests into a frame that is free, or never gives the page back.
 */
#include "hvlib/builder.h"
#include "raw.h"
#include <hv_io.h>

#define R      HV_MAP_READ
#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define GUESTS 24u
#define ROUTES 16u
#define DEVICE 0x10u
#define PORT   0x70u

const char test_title[] = "request pages stay where they are until the last route is gone";

static uint8_t *page;
static uint64_t port, gfn;

static bool given_back(uint64_t at)
{
    int64_t result;

    NEED(hv_unmap_range(HV_SELF, 0, (uint64_t)(uintptr_t)hv_va(at * HV_PAGE_SIZE), 1));
    result = hv_give_back(HV_SELF, at, 1);
    CHECK(result == 1 || result == -HV_EBUSY);
    if (result == 1)
        CHECK_EQ(hv_populate(HV_SELF, at, 1), 1);
    NEED(hv_map_range(HV_SELF, 0, (uint64_t)(uintptr_t)hv_va(at * HV_PAGE_SIZE), at, 1, RW));
    return result == 1;
}

/* Every page of RAM that may not be one, and every range. */
static void check_refused(uint64_t dom)
{
    HV_BUFFER(64) struct hv_domain_info info;

    NEED(hv_domain_info(HV_SELF, hv_gpa(&info)));
    static const uint64_t none[] = { HV_GFN_WINDOW,     HV_GFN_WINDOW + 5,   HV_GFN_SHARED,
                                     HV_GFN_SHARED - 1, HV_GFN_MMIO,         HV_GFN_MMIO + 0xa0,
                                     ~(uint64_t)0,      ~(uint64_t)1,        (uint64_t)1 << 52,
                                     HV_MAX_RAM_PAGES,  HV_MAX_RAM_PAGES - 1 };

    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        CHECK_EQ(hv_io_route(dom, PORT, 1, port, none[i]), -HV_EINVAL);
    /* The page for data is behind the end. */
    CHECK_EQ(hv_io_route(dom, PORT, 1, port, info.ram_pages - 1), -HV_EINVAL);
    CHECK_EQ(hv_io_route(dom, PORT, 1, port, info.ram_pages), -HV_EINVAL);
    CHECK_EQ(hv_io_route(dom, PORT, 1, 0, gfn), -HV_EINVAL);
    CHECK_EQ(hv_io_route(dom, PORT, 1, port + 1, gfn), -HV_EINVAL);
    CHECK_EQ(hv_io_route(dom, PORT, 1, ~(uint64_t)0, gfn), -HV_EINVAL);
    CHECK_EQ(hv_io_route(HV_SELF, PORT, 1, port, gfn), -HV_EPERM);
    CHECK(given_back(gfn));
    CHECK(given_back(gfn + 1));
}

static void route_all(uint64_t dom)
{
    for (uint64_t i = 0; i < ROUTES; i++)
        CHECK_EQ(hv_io_route(dom, PORT + i, 1, port, gfn), 0);
    CHECK_EQ(hv_io_route(dom, PORT + ROUTES, 1, port, gfn), -HV_ENOSPC);
    CHECK_EQ(hv_io_route(dom, PORT + 3, 1, port, gfn), -HV_EBUSY);
    CHECK_EQ(hv_io_route(dom, PORT - 1, ROUTES, port, gfn), -HV_EBUSY);
}

/* While a route is left: no way to lose the page, or to have it and be rid of it. */
static void check_held(uint64_t peer)
{
    HV_BUFFER(64) static struct hv_dma_run run[2];
    int64_t ref;

    CHECK(!given_back(gfn));
    CHECK(!given_back(gfn + 1));
    CHECK_EQ(hv_populate(HV_SELF, gfn, 1), -HV_EINVAL);
    ref = hv_grant_create(HV_SELF, peer, gfn, 1, RW);
    CHECK(ref > 0);
    CHECK(!given_back(gfn));
    CHECK_EQ(hv_grant_end(HV_SELF, (uint64_t)ref, 1), 0);
    CHECK_EQ(hv_dma_map(DEVICE, gfn, 1, hv_gpa(run)), 1);
    CHECK(!given_back(gfn));
    CHECK_EQ(hv_dma_unmap(DEVICE, run[0].address, 1), 1);
    CHECK(!given_back(gfn));
    CHECK(!given_back(gfn + 1));
}

static void check_counts(void)
{
    uint64_t dom[GUESTS];

    for (unsigned order = 0; order < 3; order++) {
        for (unsigned i = 0; i < GUESTS; i++) {
            dom[i] = (uint64_t)NEED(raw_create((struct hv_domain_create){
                .quota = 80, .ram_pages = 4, .window_pages = 1, .weight = 16 }));
            if (order == 0 && i == 0)
                check_refused(dom[i]);
            route_all(dom[i]);
        }
        for (unsigned i = 0; i < GUESTS; i++) {
            unsigned n = order == 0 ? i : order == 1 ? GUESTS - 1 - i : (i * 7) % GUESTS;
            unsigned next = order == 0 ? i + 1 : order == 1 ? n - 1 : ((i + 1) * 7) % GUESTS;

            if (i + 1 < GUESTS)
                check_held(dom[next]);
            CHECK_EQ(hv_domain_end(dom[n]), 0);
        }
        CHECK(given_back(gfn));
        CHECK(given_back(gfn + 1));
    }
}

/* ---- a port that is closed ---- */

static volatile unsigned wrong;

static void on_wrong(uint32_t p, void *arg)
{
    (void)p;
    (void)arg;
    wrong++;
}

static uint64_t reader(void)
{
    /* again: in $0x70, %al; jmp again */
    HV_BUFFER(64) static const uint8_t code[] = { 0xe4, PORT, 0xeb, 0xfc };
    HV_BUFFER(64) const struct hv_vcpu_context context = { .rip = HV_KERNEL_START };
    uint64_t dom = (uint64_t)NEED(raw_small(64, 0));

    NEED(hv_populate(dom, 0, 1));
    NEED(hv_domain_copy(dom, 0, hv_gpa(code), sizeof code, 1));
    NEED(test_map(dom, 0, HV_KERNEL_START, 0, 1, R | HV_MAP_EXEC));
    NEED(hv_vcpu_set_context(dom, 0, hv_gpa(&context)));
    return dom;
}

static void check_closed_port(void)
{
    volatile struct hv_io_request *r = (void *)page;
    uint64_t dom = reader(), model = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF)), again;

    r->state = HV_IO_IDLE;
    CHECK_EQ(hv_io_route(dom, PORT, 1, model, gfn), 0);
    CHECK_EQ(hv_event_close(HV_SELF, model), 0);
    CHECK_EQ(hv_domain_start(dom), 0);
    for (unsigned i = 0; i < 100; i++) {
        while (r->state != HV_IO_PENDING)
            hv_yield();
        CHECK_EQ(r->port, PORT);
        CHECK_EQ(r->domain, dom);
        CHECK_EQ(hv_io_complete(dom, 0, i, 0), 0);
        /* The number is somebody else's now: raised for nothing at worst, and no state changes. */
        if (i == 50) {
            again = (uint64_t)NEED(hv_event_offer(HV_SELF, on_wrong, NULL));
            CHECK_EQ(again, model);
        }
    }
    CHECK(wrong > 0);
    CHECK_EQ(hv_domain_end(dom), 0);
    CHECK_EQ(hv_event_end(model), 0);
    CHECK(given_back(gfn));
}

void test_main(void)
{
    page = test_pages(2);
    gfn = hv_gfn(page);
    port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    check_counts();
    check_closed_port();
}
