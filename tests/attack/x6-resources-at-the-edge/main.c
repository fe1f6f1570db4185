/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (X6). Ports, MMIO frames, lines, devices and interrupt vectors are handed down the tree.
 * The range of a resource is a first one and a count, which wraps; what hyp keeps for itself lies
 * inside of a range; a line is bound twice; a table of fixed size is full; one device holder takes
 * every vector of the machine, and the driver of a disk finds none. And the port bitmap of one
 * domain is still loaded when another runs.
 *
 * This guest hands down every range at the edge and every port of hyp's, fills each table, binds
 * more message interrupts than there are vectors on behalf of its children, and has three children
 * with different ports try each other's in turns. A vulnerable hypervisor gives a range that was
 * not asked for, runs out, or lets a child through to a port that it does not hold.
 */
#include "hvlib/builder.h"
#include "raw.h"

#define GP       13u
#define MSI_MAX  16u
#define PORT_A   0x80u /* the POST code: nobody minds */
#define PORT_B   0x84u
#define VECTORS  0xb0u /* of the machine, at most */
#define DEVICE   0x30u
#define LINE     10u
#define UART_IRQ 4u
#define ALL_ONES (~(uint64_t)0)

const char test_title[] = "resources are handed down in range, once, and to nobody else";

static HV_BUFFER(64) struct hv_msi msi;

/* ---- ranges ---- */

static void check_ports(uint64_t dom)
{
    static const struct {
        uint64_t first, last;
    } hyps[] = { { 0x20, 0x21 }, { 0x40, 0x43 },   { 0x61, 0x61 },  { 0xa0, 0xa1 },
                 { 0xf4, 0xf7 }, { 0x3f8, 0x3ff }, { 0x4d0, 0x4d1 } };

    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, PORT_A, 1), 0);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, 65535, 1), 0);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, 65535, 2), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, 65536, 1), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, 1, 65536), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, 1, ALL_ONES), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, ALL_ONES, 1), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, ALL_ONES, ALL_ONES), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, PORT_A, 0), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, ((uint64_t)1 << 32) + PORT_A, 1), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, 0, 65536), -HV_EPERM);
    for (size_t i = 0; i < sizeof hyps / sizeof *hyps; i++) {
        for (uint64_t p = hyps[i].first; p <= hyps[i].last; p++)
            CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, p, 1), -HV_EPERM);
        CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, hyps[i].first - 1, 2), -HV_EPERM);
        CHECK_EQ(hv_assign(dom, HV_ASSIGN_PORTS, hyps[i].last, 2), -HV_EPERM);
    }
}

static void check_mmio(uint64_t dom)
{
    uint64_t gfn = HV_GFN_MMIO + 0xa0;

    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, gfn, 1), 0);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, gfn, 0), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, 0xa0, 1), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, HV_GFN_MMIO - 1, 2), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, gfn, ALL_ONES), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, ALL_ONES, ALL_ONES), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, ALL_ONES, 1), -HV_EPERM);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, HV_GFN_MMIO + ((uint64_t)1 << 52), 1), -HV_EPERM);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, gfn, (uint64_t)1 << 60), -HV_EPERM);
    /* As many ranges as there is room for. */
    for (uint64_t i = 1; i < 32; i++)
        CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, HV_GFN_MMIO + 0xa0 + i, 1), 0);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, HV_GFN_MMIO + 0xd0000, 1), -HV_ENOSPC);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_MMIO, gfn, 1), 0); /* held already */
}

static void check_lines_and_devices(uint64_t dom)
{
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_IRQ, LINE, 0), 0);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_IRQ, LINE, 1), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_IRQ, 256, 0), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_IRQ, ALL_ONES, 0), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_IRQ, UART_IRQ, 0), -HV_EPERM);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_IRQ, UART_IRQ, 0, 0), -HV_EPERM);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_DEVICE, 65536, 0), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_DEVICE, ALL_ONES, 0), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_DEVICE, DEVICE, 1), -HV_EINVAL);
    for (uint64_t i = 0; i < 32; i++)
        CHECK_EQ(hv_assign(dom, HV_ASSIGN_DEVICE, DEVICE + i, 0), 0);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_DEVICE, DEVICE + 32, 0), -HV_ENOSPC);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_DEVICE, DEVICE, 0), 0);
    CHECK_EQ(hv_assign(dom, 0, PORT_A, 1), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, HV_ASSIGN_DEVICE + 1, PORT_A, 1), -HV_EINVAL);
    CHECK_EQ(hv_assign(dom, ALL_ONES, PORT_A, 1), -HV_EINVAL);
}

/* ---- lines and vectors ---- */

static void check_line_twice(uint64_t dom)
{
    int64_t port = hv_event_bind(HV_SELF, HV_BIND_IRQ, LINE, 0, 0);

    CHECK(port > 0);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_IRQ, LINE, 0, 0), -HV_EBUSY);
    CHECK_EQ(hv_event_bind(dom, HV_BIND_IRQ, LINE, 0, 0), -HV_EBUSY);
    CHECK_EQ(hv_event_close(HV_SELF, (uint64_t)port), 0);
    port = hv_event_bind(dom, HV_BIND_IRQ, LINE, 0, 0);
    CHECK(port > 0);
    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_IRQ, LINE, 0, 0), -HV_EBUSY);
    CHECK_EQ(hv_event_close(dom, (uint64_t)port), 0);
}

static int64_t bind_msi(uint64_t dom)
{
    return hv_event_bind(dom, HV_BIND_MSI, DEVICE, 0, hv_gpa(&msi));
}

static uint64_t device_holder(void)
{
    int64_t id = raw_small(256, 0);

    CHECK(id > 0);
    CHECK_EQ(hv_assign((uint64_t)id, HV_ASSIGN_DEVICE, DEVICE, 0), 0);
    CHECK_EQ(hv_assign((uint64_t)id, HV_ASSIGN_IRQ, LINE, 0), 0);
    return (uint64_t)id;
}

/* What one holder can take, and that it comes back with it. */
static void check_vectors(void)
{
    for (uint32_t taken = 0; taken < 2 * VECTORS; taken += MSI_MAX) {
        uint64_t dom = device_holder();
        int64_t port = 0;

        for (uint32_t i = 0; i < MSI_MAX; i++) {
            port = bind_msi(dom);
            CHECK(port > 0);
        }
        CHECK_EQ(bind_msi(dom), -HV_ENOSPC);
        CHECK_EQ(hv_event_bind(dom, HV_BIND_IRQ, LINE, 0, 0), -HV_ENOSPC);
        CHECK_EQ(hv_event_close(dom, (uint64_t)port), 0);
        port = hv_event_bind(dom, HV_BIND_IRQ, LINE, 0, 0); /* a line counts like a message */
        CHECK(port > 0);
        CHECK_EQ(bind_msi(dom), -HV_ENOSPC);
        port = bind_msi(HV_SELF);
        CHECK(port > 0);
        CHECK_EQ(hv_event_close(HV_SELF, (uint64_t)port), 0);
        CHECK_EQ(hv_domain_end(dom), 0);
    }
}

/* ---- bitmaps ---- */

static void out_port(void *port)
{
    __asm__ volatile("outb %%al, %%dx" : : "a"(0), "d"((uint16_t)(uintptr_t)port));
}

static uint32_t try_port(uintptr_t port)
{
    return test_try(out_port, (void *)port, NULL);
}

static void be_user_of_ports(void)
{
    bool a = test_argument("a", 0) != 0, b = test_argument("b", 0) != 0;
    /* out %al, $0x80; syscall */
    static const uint8_t user_code[] = { 0xe6, PORT_A, 0x0f, 0x05 };

    for (int i = 0; i < 100; i++) {
        CHECK_EQ(try_port(PORT_A), a ? TEST_NO_FAULT : GP);
        hv_yield();
        CHECK_EQ(try_port(PORT_B), b ? TEST_NO_FAULT : GP);
        CHECK_EQ(try_port(PORT_A + 1), GP);
        if (i % 10 == 0)
            CHECK_EQ(test_user(user_code, sizeof user_code, 0, NULL), GP);
        hv_yield();
    }
}

static void check_bitmaps(void)
{
    uint64_t with_a = test_build("ports", 0, "a=1"), with_b = test_build("ports", 0, "b=1"),
             none = test_build("ports", 0, NULL);

    CHECK_EQ(hv_assign(with_a, HV_ASSIGN_PORTS, PORT_A, 1), 0);
    CHECK_EQ(hv_assign(with_b, HV_ASSIGN_PORTS, PORT_B, 1), 0);
    CHECK_EQ(hv_domain_start(with_a), 0);
    CHECK_EQ(hv_domain_start(with_b), 0);
    CHECK_EQ(hv_domain_start(none), 0);
    test_join(with_a);
    test_join(with_b);
    test_join(none);
}

void test_main(void)
{
    if (test_is("ports")) {
        be_user_of_ports();
        return;
    }
    int64_t id = raw_small(256, 0);

    CHECK(id > 0);
    check_ports((uint64_t)id);
    check_mmio((uint64_t)id);
    check_lines_and_devices((uint64_t)id);
    check_line_twice((uint64_t)id);
    CHECK_EQ(hv_domain_end((uint64_t)id), 0);
    check_vectors();
    check_bitmaps();
}
