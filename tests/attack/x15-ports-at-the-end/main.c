/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (X15). The processor looks up as many bits of the port bitmap as an access is wide, from
 * its first port on, and reads two bytes for it: for port 65,535 the second one lies behind the
 * bitmap. It has to be all ones, and inside of the segment's limit. What was set up is the bitmap;
 * what lies behind it is the next thing in memory, and its bits open ports that wrap to 0. The same
 * sum is made in software, for routes: port and width, compared with the end of a range.
 *
 * Root, which holds the last ports, makes each access that ends behind them, at every width. A
 * child that holds the last one alone does so too, and one whose last ports are routed: its model
 * must hear of those accesses only that the route holds as a whole. A vulnerable system lets them
 * through, or the model sees a port that is none.
 */
#include "test.h"
#include <hv_io.h>

#define GP   13u
#define LAST 0xffffu

const char test_title[] =
    "an access that ends behind the last port is refused, by hardware and by routes";

static void in1(void *at)
{
    __asm__ volatile("in %%dx, %%al" : : "d"((uint32_t)(uintptr_t)at) : "rax");
}

static void in2(void *at)
{
    __asm__ volatile("in %%dx, %%ax" : : "d"((uint32_t)(uintptr_t)at) : "rax");
}

static void in4(void *at)
{
    __asm__ volatile("in %%dx, %%eax" : : "d"((uint32_t)(uintptr_t)at) : "rax");
}

static void out4(void *at)
{
    __asm__ volatile("out %%eax, %%dx" : : "d"((uint32_t)(uintptr_t)at), "a"(0));
}

static void ins4(void *at)
{
    static uint32_t buffer[4];
    void *to = buffer;

    __asm__ volatile("insl" : "+D"(to) : "d"((uint32_t)(uintptr_t)at) : "memory");
}

static void outs4(void *at)
{
    static const uint32_t buffer[4];
    const void *from = buffer;

    __asm__ volatile("outsl" : "+S"(from) : "d"((uint32_t)(uintptr_t)at) : "memory");
}

static void (*const wide[])(void *) = { in4, out4, ins4, outs4 };

static uint32_t try(void (*fn)(void *), uint64_t at)
{
    return test_try(fn, (void *)(uintptr_t)at, NULL);
}

/* All that ends behind the last port; and what does not, from `first` on, which is held or routed.
 */
static void check_end(uint64_t first)
{
    for (uint64_t at = LAST - 6; at <= LAST; at++) {
        CHECK_EQ(try(in1, at), at >= first ? TEST_NO_FAULT : GP);
        CHECK_EQ(try(in2, at), at >= first && at + 1 <= LAST ? TEST_NO_FAULT : GP);
        for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
            CHECK_EQ(try(wide[i], at), at >= first && at + 3 <= LAST ? TEST_NO_FAULT : GP);
    }
    /* The upper half of EDX is no part of the number. */
    CHECK_EQ(try(in1, 0xabcd0000 | LAST), TEST_NO_FAULT);
    CHECK_EQ(try(in4, 0xabcd0000 | LAST), GP);
}

/* As a model: answers everything, and every request is one that the route holds as a whole. */
static void serve(uint64_t dom, volatile struct hv_io_request *r, uint64_t first)
{
    HV_BUFFER(64) static const uint8_t data[64];
    uint64_t seen = 0;

    while (test_info(dom).state == HV_DOMAIN_RUNNING) {
        if (r->state != HV_IO_PENDING) {
            hv_yield();
            continue;
        }
        CHECK(r->port >= first);
        CHECK((uint32_t)r->port + r->size <= LAST + 1);
        seen++;
        CHECK_EQ(hv_io_complete(dom, 0, 1, hv_gpa(data)), 0);
    }
    CHECK_EQ(seen, test_counters(dom).port_traps);
    CHECK(seen > 0);
}

void test_main(void)
{
    if (!test_is("root")) {
        check_end(test_argument("first", 0));
        return;
    }
    uint64_t holder, routed, port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    volatile struct hv_io_request *r = test_pages(2);

    check_end(0);
    holder = test_build("holder", 192, "first=65535");
    CHECK_EQ(hv_assign(holder, HV_ASSIGN_PORTS, LAST, 2), -HV_EINVAL);
    CHECK_EQ(hv_assign(holder, HV_ASSIGN_PORTS, LAST, 1), 0);
    NEED(hv_domain_start(holder));
    test_join(holder);
    routed = test_build("routed", 192, "first=65532");
    CHECK_EQ(hv_io_route(routed, LAST - 3, 5, port, hv_gfn(r)), -HV_EINVAL);
    CHECK_EQ(hv_io_route(routed, LAST + 1, 1, port, hv_gfn(r)), -HV_EINVAL);
    CHECK_EQ(hv_io_route(routed, LAST - 3, 4, port, hv_gfn(r)), 0);
    NEED(hv_domain_start(routed));
    serve(routed, r, LAST - 3);
    test_join(routed);
}
