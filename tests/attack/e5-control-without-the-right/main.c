/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (E5). Every call that names a domain must ask whether the caller may act on it. One that
 * asks too late, asks only whether the domain exists, or asks in its own way, hands a stranger's
 * memory, ports or life to whoever counts through the numbers; one that answers differently for
 * numbers that exist tells who is there.
 *
 * This guest has a child of its own, on which every call is seen to succeed with the same
 * arguments. Then it makes each call on its parent, its sibling, its sibling's child, numbers never
 * used, numbers of the dead, numbers that share a slot of the hypervisor's table with living ones;
 * and on itself, where a call is not for oneself. A vulnerable hypervisor obeys one of them. Root
 * looks whether the sibling has changed.
 */
#include "hvlib/builder.h"
#include "raw.h"
#include <hv_trace.h>

#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define PORTS  0x80u
#define IRQ    9u
#define DEVICE 0x20u
#define MMIO   (HV_GFN_MMIO + 0xb8)

const char test_title[] = "no call acts on a domain that is not the caller's";

/* What the calls are made with; filled in by the legal ones as they come. */
static struct {
    uint64_t space, port, ref, timer;
    uint64_t own_port, own_gfn;
    uint64_t grant_for_child;
} a;

static HV_BUFFER(4096) uint8_t out[4096];
static HV_BUFFER(64) struct hv_map_run run;
static HV_BUFFER(64) struct hv_grant_map window;
static HV_BUFFER(64) uint64_t window_gfn = HV_GFN_WINDOW;
static HV_BUFFER(64) struct hv_vcpu_context context = { .rip = HV_KERNEL_IMAGE };

static int64_t keep(uint64_t *at, int64_t result)
{
    if (result >= 0)
        *at = (uint64_t)result;
    return result;
}

static int64_t call_counters(uint64_t d)
{
    return hv_counters(d, hv_gpa(out));
}
static int64_t call_info(uint64_t d)
{
    return hv_domain_info(d, hv_gpa(out));
}
static int64_t call_populate(uint64_t d)
{
    return hv_populate(d, 2, 1);
}
static int64_t call_give_back(uint64_t d)
{
    return hv_give_back(d, 2, 1);
}
static int64_t call_space_create(uint64_t d)
{
    return keep(&a.space, hv_space_create(d));
}
static int64_t call_map(uint64_t d)
{
    run = (struct hv_map_run){ HV_KERNEL_START, 0, 1, RW };
    return hv_map(d, 0, hv_gpa(&run), 1);
}
static int64_t call_protect(uint64_t d)
{
    run = (struct hv_map_run){ HV_KERNEL_START, 0, 1, HV_MAP_READ };
    return hv_protect(d, 0, hv_gpa(&run), 1);
}
static int64_t call_unmap(uint64_t d)
{
    run = (struct hv_map_run){ HV_KERNEL_START, 0, 1, 0 };
    return hv_unmap(d, 0, hv_gpa(&run), 1);
}
static int64_t call_space_destroy(uint64_t d)
{
    return hv_space_destroy(d, a.space);
}
static int64_t call_event_alloc(uint64_t d)
{
    return keep(&a.port, hv_event_alloc(d, 0)); /* root: a peer, so that it has a limit */
}
static int64_t call_event_bind(uint64_t d)
{
    return keep(&a.timer, hv_event_bind(d, HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, 0));
}
static int64_t call_event_bind_irq(uint64_t d)
{
    return hv_event_bind(d, HV_BIND_IRQ, IRQ, 0, 0);
}
static int64_t call_event_bind_msi(uint64_t d)
{
    return hv_event_bind(d, HV_BIND_MSI, DEVICE, 0, hv_gpa(out));
}
static int64_t call_event_status(uint64_t d)
{
    return hv_event_status(d, a.port, hv_gpa(out));
}
static int64_t call_event_set_vcpu(uint64_t d)
{
    return hv_event_set_vcpu(d, a.port, 0);
}
static int64_t call_event_set_priority(uint64_t d)
{
    return hv_event_set_priority(d, a.port, HV_PRIORITY_URGENT);
}
static int64_t call_event_set_rate(uint64_t d)
{
    return hv_event_set_rate(d, a.port, 10, 10);
}
static int64_t call_grant_create(uint64_t d)
{
    return keep(&a.ref, hv_grant_create(d, 0, 0, 1, RW));
}
static int64_t call_grant_end(uint64_t d)
{
    return hv_grant_end(d, a.ref, 1);
}
static int64_t call_grant_map(uint64_t d)
{
    window = (struct hv_grant_map){ .owner = hv_start_domain_id(),
                                    .ref = a.grant_for_child,
                                    .window = window_gfn,
                                    .port = (uint32_t)a.port,
                                    .rights = RW,
                                    .count = 1 };
    return hv_grant_map(d, hv_gpa(&window), 1);
}
static int64_t call_grant_unmap(uint64_t d)
{
    return hv_grant_unmap(d, hv_gpa(&window_gfn), 1);
}
static int64_t call_event_close(uint64_t d)
{
    return hv_event_close(d, a.port);
}

/* ---- those that are for descendants only ---- */

static int64_t call_copy_from(uint64_t d)
{
    return hv_domain_copy(d, 0, hv_gpa(out), 64, 0);
}
static int64_t call_copy_to(uint64_t d)
{
    return hv_domain_copy(d, 0, hv_gpa(out), 64, 1);
}
static int64_t call_assign_ports(uint64_t d)
{
    return hv_assign(d, HV_ASSIGN_PORTS, PORTS, 4);
}
static int64_t call_assign_mmio(uint64_t d)
{
    return hv_assign(d, HV_ASSIGN_MMIO, MMIO, 1);
}
static int64_t call_assign_irq(uint64_t d)
{
    return hv_assign(d, HV_ASSIGN_IRQ, IRQ, 0);
}
static int64_t call_assign_device(uint64_t d)
{
    return hv_assign(d, HV_ASSIGN_DEVICE, DEVICE, 0);
}
static int64_t call_io_route(uint64_t d)
{
    return hv_io_route(d, 0x70, 2, a.own_port, a.own_gfn);
}
static int64_t call_set_context(uint64_t d)
{
    return hv_vcpu_set_context(d, 0, hv_gpa(&context));
}
static int64_t call_start(uint64_t d)
{
    return hv_domain_start(d);
}
static int64_t call_pause(uint64_t d)
{
    return hv_domain_pause(d);
}
static int64_t call_unpause(uint64_t d)
{
    return hv_domain_unpause(d);
}
/* Nothing is pending and it has not ended: that these say so shows that the right is there. */
static int64_t call_io_complete(uint64_t d)
{
    int64_t r = hv_io_complete(d, 0, 0, hv_gpa(out));

    return r == -HV_EINVAL ? 0 : r;
}
static int64_t call_devices_reset(uint64_t d)
{
    int64_t r = hv_devices_reset(d);

    return r == -HV_EINVAL ? 0 : r;
}
static int64_t call_destroy(uint64_t d)
{
    return hv_domain_destroy(d);
}

static int64_t call_call_trace(uint64_t d)
{
    return hv_call_trace(d, 0, HV_CALLS_NEWEST);
}
static int64_t call_call_trace_read(uint64_t d)
{
    return hv_call_trace_read(d, 0, 0, hv_gpa(out), 1);
}

/* In an order in which they succeed. */
static const struct call {
    int64_t (*fn)(uint64_t dom);
    const char *name;
    bool for_self;
} calls[] = {
#define SELF(name)                                                                                 \
    {                                                                                              \
        call_##name, #name, true                                                                   \
    }
#define BELOW(name)                                                                                \
    {                                                                                              \
        call_##name, #name, false                                                                  \
    }
    SELF(counters),         SELF(info),           SELF(populate),       SELF(give_back),
    SELF(space_create),     BELOW(copy_to),       BELOW(copy_from),     SELF(map),
    SELF(protect),          SELF(unmap),          SELF(space_destroy),  SELF(event_alloc),
    SELF(event_bind),       SELF(event_status),   SELF(event_set_vcpu), SELF(event_set_priority),
    SELF(event_set_rate),   SELF(grant_create),   SELF(grant_end),      SELF(grant_map),
    SELF(grant_unmap),      SELF(event_close),    BELOW(assign_ports),  BELOW(assign_mmio),
    BELOW(assign_irq),      BELOW(assign_device), SELF(event_bind_irq), SELF(event_bind_msi),
    BELOW(io_route),        SELF(set_context),    BELOW(start),         BELOW(pause),
    BELOW(unpause),         BELOW(io_complete),   BELOW(devices_reset), BELOW(call_trace),
    BELOW(call_trace_read), BELOW(destroy),
};
#define CALLS (sizeof calls / sizeof *calls)

static void check_legal(uint64_t child)
{
    for (size_t i = 0; i < CALLS; i++) {
        int64_t r = calls[i].fn(child);

        if (r < 0)
            test_failure("%s on an own child: %ld", calls[i].name, r);
    }
}

static void check_refused(uint64_t dom)
{
    for (size_t i = 0; i < CALLS; i++) {
        int64_t r = calls[i].fn(dom);

        if (r != -HV_EPERM)
            test_failure("%s on domain 0x%lx: %ld", calls[i].name, dom, r);
    }
}

/* The caller itself, by both of its names. */
static void check_self(uint64_t dom)
{
    for (size_t i = 0; i < CALLS; i++) {
        if (!calls[i].for_self)
            CHECK_EQ(calls[i].fn(dom), -HV_EPERM);
    }
}

/* JMP to itself, where it does not get in the way of the calls. */
static void give_code(uint64_t child)
{
    HV_BUFFER(64) static const uint8_t code[2] = { 0xeb, 0xfe };

    CHECK_EQ(hv_populate(child, 3, 1), 1);
    CHECK_EQ(hv_domain_copy(child, 3 * HV_PAGE_SIZE, hv_gpa(code), sizeof code, 1), sizeof code);
    CHECK_EQ(test_map(child, 0, HV_KERNEL_IMAGE, 3, 1, HV_MAP_READ | HV_MAP_EXEC), 1);
}

static uint64_t own_child(void)
{
    int64_t id = raw_small(16, HV_CREATE_MAY_CREATE);

    CHECK(id > 0);
    CHECK_EQ(hv_populate((uint64_t)id, 0, 1), 1);
    give_code((uint64_t)id);
    a.grant_for_child = (uint64_t)NEED(hv_grant_create(HV_SELF, (uint64_t)id, a.own_gfn, 1, RW));
    return (uint64_t)id;
}

/* What the attacker does not hold itself it cannot pass on, to its own child neither. */
static void check_not_held(uint64_t child)
{
    CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, PORTS + 4, 1), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, PORTS - 1, 2), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, 0xcf8, 1), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_MMIO, MMIO + 1, 1), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_MMIO, MMIO, 2), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_IRQ, IRQ + 1, 0), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_DEVICE, DEVICE + 1, 0), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_DEVICE, 0x10, 0), -HV_EPERM);
}

static void be_attacker(void)
{
    uint64_t self = hv_start_domain_id(), dead, child;
    static const uint64_t far[] = {
        1000,        (uint64_t)1 << 31,        (uint64_t)1 << 32,           (uint64_t)1 << 63,
        HV_SELF - 1, HV_SELF - HV_MAX_DOMAINS, HV_SELF - HV_MAX_DOMAINS + 1
    };

    a.own_gfn = hv_gfn(test_pages(2));
    a.own_port = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    child = own_child();
    check_legal(child);
    CHECK_EQ(hv_domain_end(child), 0);
    dead = child;
    child = own_child();
    check_refused(dead);
    for (uint64_t d = 0; d < 600; d++) {
        if (d != self && d != child)
            check_refused(d);
    }
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        check_refused(far[i]);
    for (uint64_t high = 1; high < (uint64_t)1 << 56; high <<= 5) {
        check_refused(self + high * HV_MAX_DOMAINS);
        check_refused(child + high * HV_MAX_DOMAINS);
    }
    check_self(HV_SELF);
    check_self(self);
    check_not_held(child);
    CHECK_EQ(hv_domain_end(child), 0);
    test_signal(TEST_PARENT, 1, 1);
}

/* ---- one without the right to create ---- */

static void be_humble(void)
{
    CHECK_EQ(raw_small(16, 0), -HV_EPERM);
    CHECK_EQ(raw_small(16, HV_CREATE_MAY_CREATE), -HV_EPERM);
}

/* ---- the sibling, which must not notice, and its child ---- */

static void be_sibling(void)
{
    int64_t child = raw_small(16, 0);

    CHECK(child > 0);
    raw_spin((uint64_t)child);
    test_signal(TEST_PARENT, 1, 1);
    test_await(TEST_PARENT, 0, 1);
    CHECK_EQ(test_info((uint64_t)child).state, HV_DOMAIN_RUNNING);
    CHECK_EQ(hv_domain_end((uint64_t)child), 0);
}

static void assign_all(uint64_t dom)
{
    CHECK_EQ(call_assign_ports(dom), 0);
    CHECK_EQ(call_assign_mmio(dom), 0);
    CHECK_EQ(call_assign_irq(dom), 0);
    CHECK_EQ(call_assign_device(dom), 0);
}

void test_main(void)
{
    if (test_is("attacker")) {
        be_attacker();
        return;
    }
    if (test_is("humble")) {
        be_humble();
        return;
    }
    if (test_is("sibling")) {
        be_sibling();
        return;
    }
    test_join(test_spawn("humble", 0));
    test_options = (struct test_options){ .flags = HV_CREATE_MAY_CREATE, .quota = 512 };
    uint64_t sibling = test_spawn("sibling", 0), attacker = test_build("attacker", 0, NULL);

    test_await(sibling, 1, 1);
    struct hv_domain_info before = test_info(sibling), after;

    assign_all(attacker);
    CHECK_EQ(hv_domain_start(attacker), 0);
    test_wait(attacker, NULL);
    after = test_info(sibling);
    CHECK_EQ(after.state, before.state);
    CHECK_EQ(after.used, before.used);
    CHECK_EQ(after.quota, before.quota);
    CHECK_EQ(after.weight, before.weight);
    test_join(attacker);
    test_signal(sibling, 0, 1);
    test_join(sibling);
}
