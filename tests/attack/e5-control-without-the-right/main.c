/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threat (E5). Whoever may name a domain may try to control it. The right was checked in the calls
 * that look dangerous; forgotten was one that looks harmless and takes a domain all the same, the
 * number of a domain that is gone, the parent, or oneself where that makes no sense.
 *
 * A guest makes every call that names a domain on every number: its parent, its sibling, its
 * sibling's child, a domain that is gone, itself, numbers that differ from a good one by a multiple
 * of every power of two; and passes on what it does not hold. A vulnerable system obeys once. Held
 * here: -HV_EPERM, from one place, and the sibling has not changed.
 */
#include "hvlib/builder.h"
#include "nasty.h"
#include "test.h"

#define R HV_MAP_READ

const char test_title[] = "a domain controls itself and its descendants, and nobody else";

static uint64_t gpa, gfn, window_list, map_list;

/* ---- every call that names a domain ---- */

#define CALL(name, expression)                                                                     \
    static int64_t call_##name(uint64_t dom)                                                       \
    {                                                                                              \
        return expression;                                                                         \
    }
CALL(counters, hv_counters(dom, gpa))
CALL(space_create, hv_space_create(dom))
CALL(space_destroy, hv_space_destroy(dom, 1))
CALL(map, hv_map(dom, 0, map_list, 1))
CALL(unmap, hv_unmap(dom, 0, map_list, 1))
CALL(protect, hv_protect(dom, 0, map_list, 1))
CALL(populate, hv_populate(dom, 100, 1))
CALL(give_back, hv_give_back(dom, 100, 1))
CALL(alloc, hv_event_alloc(dom, HV_SELF))
CALL(bind, hv_event_bind(dom, HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 0, 0))
CALL(close, hv_event_close(dom, 1))
CALL(status, hv_event_status(dom, 1, gpa))
CALL(set_vcpu, hv_event_set_vcpu(dom, 1, 0))
CALL(set_priority, hv_event_set_priority(dom, 1, 1))
CALL(grant_create, hv_grant_create(dom, hv_start_domain_id(), gfn, 1, R))
CALL(grant_end, hv_grant_end(dom, 1 << 24, 1))
CALL(grant_map, hv_grant_map(dom, window_list, 1))
CALL(grant_unmap, hv_grant_unmap(dom, window_list, 1))
CALL(set_context, hv_vcpu_set_context(dom, 0, gpa))
CALL(info, hv_domain_info(dom, gpa))
CALL(start, hv_domain_start(dom))
CALL(pause, hv_domain_pause(dom))
CALL(unpause, hv_domain_unpause(dom))
CALL(destroy, hv_domain_destroy(dom))
CALL(copy_from, hv_domain_copy(dom, 0x10000, gpa, 64, 0))
CALL(copy_to, hv_domain_copy(dom, 0x10000, gpa, 64, 1))
CALL(assign, hv_assign(dom, HV_ASSIGN_PORTS, 0x170, 1))
CALL(assign_device, hv_assign(dom, HV_ASSIGN_DEVICE, 0x10, 0))
CALL(devices_reset, hv_devices_reset(dom))
CALL(io_route, hv_io_route(dom, 0x1f0, 8, 1, gfn))
CALL(io_complete, hv_io_complete(dom, 0, 0, gpa))

static const struct {
    const char *name;
    int64_t (*call)(uint64_t dom);
    bool not_self; /* needs a descendant */
} calls[] = {
#define ENTRY(name, not_self)                                                                      \
    {                                                                                              \
#name, call_##name, not_self                                                               \
    }
    ENTRY(counters, false),     ENTRY(space_create, false), ENTRY(space_destroy, false),
    ENTRY(map, false),          ENTRY(unmap, false),        ENTRY(protect, false),
    ENTRY(populate, false),     ENTRY(give_back, false),    ENTRY(alloc, false),
    ENTRY(bind, false),         ENTRY(close, false),        ENTRY(status, false),
    ENTRY(set_vcpu, false),     ENTRY(set_priority, false), ENTRY(grant_create, false),
    ENTRY(grant_end, false),    ENTRY(grant_map, false),    ENTRY(grant_unmap, false),
    ENTRY(set_context, false),  ENTRY(info, false),         ENTRY(start, true),
    ENTRY(pause, true),         ENTRY(unpause, true),       ENTRY(destroy, true),
    ENTRY(copy_from, true),     ENTRY(copy_to, true),       ENTRY(assign, true),
    ENTRY(assign_device, true), ENTRY(devices_reset, true), ENTRY(io_route, true),
    ENTRY(io_complete, true),
};
#define CALLS (sizeof calls / sizeof *calls)

static void prepare(void)
{
    struct hv_map_run *run = test_pages(1);
    void *page = test_pages(1);

    gpa = hv_gpa(page);
    gfn = hv_gfn(page);
    map_list = hv_gpa(run);
    run[0] = (struct hv_map_run){ .address = HV_FREE_START, .count = 1 };
    window_list = map_list + 1024;
}

static void refused(uint64_t dom)
{
    for (size_t c = 0; c < CALLS; c++) {
        int64_t result = calls[c].call(dom);

        if (result != -HV_EPERM)
            test_failure("%s on domain %ld: %ld", calls[c].name, (int64_t)dom, result);
    }
}

/* Numbers that are not this one but could be taken for it. */
static void refused_aliases(uint64_t dom)
{
    for (unsigned bit = 8; bit < 64; bit++)
        refused(dom + ((uint64_t)1 << bit));
}

static void refused_on_self(void)
{
    for (size_t c = 0; c < CALLS; c++) {
        if (calls[c].not_self) {
            CHECK_EQ(calls[c].call(HV_SELF), -HV_EPERM);
            CHECK_EQ(calls[c].call(hv_start_domain_id()), -HV_EPERM);
        }
    }
    CHECK_EQ(calls[0].call(hv_start_domain_id()), 0); /* oneself by number */
}

static int64_t create(uint64_t quota, uint32_t flags)
{
    HV_BUFFER(64)
    struct hv_domain_create c = {
        .quota = quota, .ram_pages = 16, .vcpus = 1, .weight = 256, .flags = flags
    };

    return hv_domain_create(hv_gpa(&c));
}

/* ---- the guest without rights ---- */

static void outsider(void)
{
    static const uint64_t numbers[] = { NASTY_LARGE };
    uint64_t self = hv_start_domain_id(), sibling = test_argument("sibling", 0),
             gone = test_argument("gone", 0);

    refused_on_self();
    refused(0);
    refused(sibling);
    refused(gone);
    refused_aliases(self);
    refused_aliases(sibling);
    refused_aliases(0);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (numbers[i] != HV_SELF)
            refused(numbers[i]);
    }
    for (uint64_t dom = self + 1; dom < self + 300; dom++)
        refused(dom);
    CHECK_EQ(create(60, 0), -HV_EPERM);
    CHECK_EQ(hv_trace_read(0, gpa, 1), -HV_EPERM);
    CHECK_EQ(hv_console_read(gpa, 1), -HV_EPERM);
    CHECK_EQ(hv_dma_map(0x10, gfn, 1, gpa), -HV_EPERM);
    CHECK_EQ(hv_dma_unmap(0x10, 0, 1), -HV_EPERM);
}

/* ---- a guest that may create: it passes on what it holds, no more ---- */

static void parent(void)
{
    struct hv_domain_info own = test_info(HV_SELF);
    uint64_t child = (uint64_t)NEED(create(150, 0));

    CHECK_EQ(test_info(child).parent, hv_start_domain_id());
    CHECK_EQ(create(own.quota, 0), -HV_ENOMEM);
    CHECK_EQ(create(own.quota - own.used + 1, 0), -HV_ENOMEM);
    CHECK_EQ(create(~(uint64_t)0, 0), -HV_ENOMEM);
    /* It was given ports 0x170-0x177 and nothing else. */
    CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, 0x170, 8), 0);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, 0x16f, 2), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, 0x177, 2), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_PORTS, 0xcf8, 1), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_MMIO, HV_GFN_MMIO + 0xb8, 1), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_IRQ, 9, 0), -HV_EPERM);
    CHECK_EQ(hv_assign(child, HV_ASSIGN_DEVICE, 0x10, 0), -HV_EPERM);
    refused(0);
    refused(test_argument("sibling", 0));
    test_shared(TEST_PARENT)[1] = child;
    test_signal(TEST_PARENT, 0, 1);
    test_await(TEST_PARENT, 0, 2);
    CHECK_EQ(hv_domain_end(child), 0);
    refused(child);
    CHECK_EQ(test_info(HV_SELF).quota, own.quota);
}

static void check_parent(uint64_t sibling)
{
    char arguments[64];

    hv_snprintf(arguments, sizeof arguments, "sibling=%lu", sibling);
    test_options.flags = HV_CREATE_MAY_CREATE;
    test_options.quota = 1000;
    uint64_t middle = test_build("parent", 192, arguments);

    test_options = (struct test_options){ .flags = 0 };

    NEED(hv_assign(middle, HV_ASSIGN_PORTS, 0x170, 8));
    NEED(hv_domain_start(middle));
    test_await(middle, 0, 1);
    uint64_t grandchild = test_shared(middle)[1];

    /* An ancestor's right reaches down the whole tree; a domain with children is not destroyed. */
    CHECK_EQ(test_info(grandchild).parent, middle);
    CHECK_EQ(hv_domain_destroy(middle), -HV_EBUSY);
    CHECK_EQ(test_info(middle).state, HV_DOMAIN_RUNNING);
    CHECK_EQ(hv_space_create(grandchild), 1);
    test_signal(middle, 0, 2);
    test_join(middle);
    refused(middle);
    refused(grandchild);
}

/* ---- the sibling, and its state seen by root ---- */

static void count(void)
{
    for (;;)
        ++test_shared(TEST_PARENT)[32];
}

static void check_unchanged(uint64_t dom, const struct hv_domain_info *before,
                            const struct hv_event_status *first)
{
    struct hv_domain_info now = test_info(dom);
    HV_BUFFER(64) struct hv_event_status s = { 0 };

    CHECK_EQ(now.state, before->state);
    CHECK_EQ(now.quota, before->quota);
    CHECK_EQ(now.used, before->used);
    CHECK_EQ(now.weight, before->weight);
    CHECK_EQ(hv_event_status(dom, 1, hv_gpa(&s)), 0);
    CHECK_EQ(memcmp(&s, first, sizeof s), 0);
    CHECK_EQ(hv_event_status(dom, 2, hv_gpa(&s)), 0);
    CHECK_EQ(s.state, HV_PORT_FREE);
}

/* A domain in the middle of being destroyed takes nothing but the rest of it, from nobody else. */
static void check_dying(void)
{
    uint64_t child = test_spawn("counts", 192);
    int64_t steps = 0, left;

    CHECK_EQ(hv_domain_destroy(child), 1);
    CHECK_EQ(test_info(child).state, HV_DOMAIN_DYING);
    for (size_t c = 0; c < CALLS; c++) {
        if (calls[c].call == call_destroy || calls[c].call == call_devices_reset ||
            calls[c].call == call_info || calls[c].call == call_counters)
            continue;
        int64_t result = calls[c].call(child);

        if (result != -HV_EPERM && result != -HV_EDEAD)
            test_failure("%s on a dying domain: %ld", calls[c].name, result);
    }
    CHECK_EQ(hv_grant_create(HV_SELF, child, gfn, 1, R), -HV_EINVAL);
    CHECK_EQ(hv_event_alloc(HV_SELF, child), -HV_EINVAL);
    while ((left = hv_domain_destroy(child)) == 1)
        steps++;
    CHECK_EQ(left, 0);
    CHECK(steps > 1);
    refused(child);
}

void test_main(void)
{
    char arguments[64];
    HV_BUFFER(64) struct hv_event_status first = { 0 };

    if (test_is("counts"))
        count();
    prepare();
    if (test_is("outsider"))
        outsider();
    if (test_is("parent"))
        parent();
    if (!test_is("root"))
        return;
    uint64_t gone = test_build("idle", 192, NULL);

    test_destroy(gone);
    uint64_t sibling = test_spawn("counts", 192);

    while (test_shared(sibling)[32] == 0)
        hv_yield();
    struct hv_domain_info before = test_info(sibling);

    NEED(hv_event_status(sibling, 1, hv_gpa(&first)));
    hv_snprintf(arguments, sizeof arguments, "sibling=%lu gone=%lu", sibling, gone);
    uint64_t child = test_build("outsider", 192, arguments);

    NEED(hv_domain_start(child));
    test_join(child);
    check_unchanged(sibling, &before, &first);
    check_parent(sibling);
    check_unchanged(sibling, &before, &first);
    refused(gone);
    refused_on_self();
    refused_aliases(sibling);
    test_destroy(sibling);
    check_dying();
}
