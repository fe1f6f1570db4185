/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * The states of a domain, in order and out of order: building, running, paused, shut down, killed,
 * dying, gone; what each verb answers in each, what info says, and that the parent is told.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "a domain goes through its states, and its parent is told";

static volatile unsigned told;

static void on_domain(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    told++;
}

static void expect_state(uint64_t dom, uint32_t state)
{
    CHECK_EQ(test_info(dom).state, state);
}

static void run_a_while(void)
{
    for (uint64_t end = hv_now() + 20000000; hv_now() < end;)
        hv_yield();
}

static void await_count(const volatile uint64_t *count, uint64_t more_than)
{
    for (uint64_t end = hv_now() + TEST_PATIENCE_NS; *count <= more_than; hv_yield())
        CHECK(hv_now() < end);
}

/* Once, though maybe a moment after the state has changed: another processor does both. */
static void await_told(void)
{
    for (uint64_t end = hv_now() + TEST_PATIENCE_NS; told == 0; hv_yield())
        CHECK(hv_now() < end);
    CHECK_EQ(told, 1);
}

static void check_building(uint64_t dom)
{
    struct hv_domain_info info = test_info(dom);

    CHECK_EQ(info.id, dom);
    CHECK_EQ(info.parent, 0);
    CHECK_EQ(info.state, HV_DOMAIN_BUILDING);
    CHECK_EQ(info.cpu_ns, 0);
    CHECK_EQ(info.weight, 256);
    CHECK_EQ(info.vcpus, 1);
    CHECK_EQ(info.report[0], 0);
    CHECK_EQ(hv_domain_pause(dom), -HV_EINVAL);
    CHECK_EQ(hv_domain_unpause(dom), -HV_EINVAL);
    expect_state(dom, HV_DOMAIN_BUILDING);
}

static void check_running(uint64_t dom)
{
    volatile uint64_t *count = &test_shared(dom)[32];
    uint64_t seen;

    CHECK_EQ(hv_domain_start(dom), 0);
    expect_state(dom, HV_DOMAIN_RUNNING);
    CHECK_EQ(hv_domain_start(dom), -HV_EINVAL);
    CHECK_EQ(hv_domain_unpause(dom), -HV_EINVAL);
    await_count(count, 0);
    CHECK_EQ(hv_domain_pause(dom), 0);
    expect_state(dom, HV_DOMAIN_PAUSED);
    CHECK_EQ(hv_domain_pause(dom), -HV_EINVAL);
    CHECK_EQ(hv_domain_start(dom), -HV_EINVAL);
    seen = *count;
    run_a_while();
    CHECK_EQ(*count, seen);
    CHECK(test_info(dom).rip >= HV_KERNEL_START);
    CHECK_EQ(hv_domain_unpause(dom), 0);
    await_count(count, seen);
}

static void check_ended(uint64_t dom, uint32_t state)
{
    expect_state(dom, state);
    CHECK_EQ(hv_domain_start(dom), -HV_EDEAD);
    CHECK_EQ(hv_domain_pause(dom), -HV_EDEAD);
    CHECK_EQ(hv_domain_unpause(dom), -HV_EDEAD);
    expect_state(dom, state);
}

static void check_shutdown(void)
{
    uint64_t dom;
    struct hv_domain_info info;
    char reason[16];

    for (unsigned r = 0; r < 16; r += 5) {
        hv_snprintf(reason, sizeof reason, "reason=%u", r);
        dom = test_build("shuts-down", 192, reason);
        told = 0;
        NEED(hv_domain_start(dom));
        test_wait(dom, &info);
        await_told();
        CHECK_EQ(info.state, HV_DOMAIN_SHUTDOWN);
        CHECK_EQ(info.reason, r);
        CHECK_EQ(info.report[0], 0);
        check_ended(dom, HV_DOMAIN_SHUTDOWN);
        test_destroy(dom);
        CHECK_EQ(hv_domain_pause(dom), -HV_EPERM);
    }
}

/* The report names what happened, and the registers are those of the last fault. */
static void check_killed(void)
{
    struct hv_domain_info info;
    uint64_t dom;

    told = 0;
    dom = test_spawn("faults", 192);
    test_wait(dom, &info);
    await_told();
    CHECK_EQ(info.state, HV_DOMAIN_KILLED);
    CHECK_EQ(strcmp(info.report, "double fault"), 0);
    CHECK_EQ(info.vector, 14);
    CHECK_EQ(info.error, 6);
    CHECK_EQ(info.cr2, 0x1000);
    CHECK(info.rip >= HV_KERNEL_IMAGE);
    check_ended(dom, HV_DOMAIN_KILLED);
    test_destroy(dom);
}

/* A paused domain, one that waits, one that was never started: all can be destroyed. */
static void check_destroy(void)
{
    uint64_t dom = test_build("counts", 192, NULL);

    test_destroy(dom);
    dom = test_spawn("counts", 192);
    run_a_while();
    NEED(hv_domain_pause(dom));
    test_destroy(dom);
    dom = test_spawn("waits", 192);
    test_await(dom, 0, 1);
    run_a_while();
    expect_state(dom, HV_DOMAIN_RUNNING);
    CHECK_EQ(hv_domain_pause(dom), 0);
    CHECK_EQ(hv_domain_unpause(dom), 0);
    run_a_while();
    CHECK_EQ(test_shared(dom)[32], 0); /* unpause is no wake-up */
    test_destroy(dom);
}

/* A wake-up that comes while a domain is paused is there when it goes on. */
static void check_wake_while_paused(void)
{
    uint64_t dom = test_spawn("waits", 192);

    test_await(dom, 0, 1);
    run_a_while();
    NEED(hv_domain_pause(dom));
    NEED(hv_event_send(test_port(dom)));
    run_a_while();
    CHECK_EQ(test_shared(dom)[32], 0);
    NEED(hv_domain_unpause(dom));
    test_join(dom);
}

/* Numbers are never used twice. */
static void check_numbers(void)
{
    uint64_t last = 0;

    for (unsigned i = 0; i < 300; i++) {
        HV_BUFFER(64)
        struct hv_domain_create c = { .quota = 150, .ram_pages = 1, .vcpus = 1, .weight = 256 };
        uint64_t dom = (uint64_t)NEED(hv_domain_create(hv_gpa(&c)));

        CHECK(dom > last);
        last = dom;
        /* No context: it has no address to start at. */
        CHECK_EQ(hv_domain_start(dom), -HV_EINVAL);
        while (hv_domain_destroy(dom) > 0)
            ;
        CHECK_EQ(hv_domain_destroy(dom), -HV_EPERM);
    }
}

static void child_main(void)
{
    if (test_is("counts")) {
        for (;;)
            ++test_shared(TEST_PARENT)[32];
    }
    if (test_is("waits")) {
        hv_mask();
        test_signal(TEST_PARENT, 0, 1);
        hv_wait();
        test_shared(TEST_PARENT)[32] = 1;
    }
    if (test_is("shuts-down"))
        hv_shutdown(test_argument("reason", 99));
    if (test_is("faults")) {
        *(volatile uint32_t *)&hv_vcpu->busy = 1;
        *(volatile uint8_t *)(uintptr_t)0x1000 = 0;
    }
}

void test_main(void)
{
    if (!test_is("root")) {
        child_main();
        return;
    }
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 0, on_domain, NULL));
    uint64_t dom = test_build("counts", 192, NULL);

    check_building(dom);
    check_running(dom);
    test_destroy(dom);
    check_shutdown();
    check_killed();
    check_destroy();
    check_wake_while_paused();
    check_numbers();
}
