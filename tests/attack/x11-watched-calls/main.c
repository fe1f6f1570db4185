/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Threat (X11). Who records another's calls sees its arguments, and can make it wait. Forgotten is
 * one of the ways in: tracing oneself, a parent or a stranger; a ring that outlives its domain and
 * shows the next one's tracer what it did; a guest that is set back to its SYSCALL where there is
 * none, by a call in the last bytes of memory or by a code page that changes while it waits; a
 * number that is no call's used as an index; one that runs its ring over by returns to user mode,
 * which look at nothing; a tracer that dies while its child waits for it.
 *
 * The attacker makes each call on everybody but its child, with its child as the legal form. Then
 * root watches guests whose calls lie at the edges of memory. A vulnerable hypervisor hands out
 * another's calls, loses one, faults in ring 0, or leaves a domain that cannot be destroyed.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "raw.h"
#include <hv_trace.h>

#define RX (HV_MAP_READ | HV_MAP_EXEC)

const char test_title[] = "recorded calls are an ancestor's alone, and no guest escapes by them";

static uint8_t *page;

static int64_t read_calls(uint64_t dom, uint64_t count)
{
    return hv_call_trace_read(dom, 0, 0, hv_gpa(page), count);
}

static void run_a_while(void)
{
    for (unsigned i = 0; i < 100; i++)
        hv_yield();
}

/* Until its vCPU stands at `rip`, and then a while, in which it stays there. */
static void wait_at(uint64_t dom, uint64_t rip)
{
    for (uint64_t end = hv_now() + TEST_PATIENCE_NS; test_info(dom).rip != rip && hv_now() < end;)
        hv_yield();
    run_a_while();
    CHECK_EQ(test_info(dom).state, HV_DOMAIN_RUNNING);
    CHECK_EQ(test_info(dom).rip, rip);
}

/* ---- the attacker ---- */

static void check_refused(uint64_t dom)
{
    CHECK_EQ(read_calls(dom, 1), -HV_EPERM);
    for (uint64_t mode = 0; mode < 4; mode++)
        CHECK_EQ(hv_call_trace(dom, 0, mode), -HV_EPERM);
    for (size_t i = 0; i < HV_PAGE_SIZE; i++)
        CHECK_EQ(page[i], 0xaa);
}

static void be_attacker(void)
{
    uint64_t child = (uint64_t)NEED(raw_small(16, 0)), self = hv_start_domain_id();

    CHECK_EQ(hv_trace_mask(0), -HV_EPERM);
    CHECK_EQ(hv_trace_mask(~(uint64_t)0), -HV_EPERM);
    CHECK_EQ(hv_call_trace(child, 0, HV_CALLS_ALL), 0);
    CHECK_EQ(hv_call_trace(child, 0, HV_CALLS_ALL + 1), -HV_EINVAL);
    CHECK_EQ(hv_call_trace(child, 0, ~(uint64_t)0), -HV_EINVAL);
    CHECK_EQ(hv_call_trace(child, 0, (uint64_t)1 << 32), -HV_EINVAL);
    CHECK_EQ(hv_call_trace(child, 1, HV_CALLS_ALL), -HV_EINVAL);
    CHECK_EQ(hv_call_trace(child, ~(uint64_t)0, HV_CALLS_OFF), -HV_EINVAL);
    memset(page, 0xaa, HV_PAGE_SIZE);
    CHECK_EQ(read_calls(child, 46), 0);
    CHECK_EQ(read_calls(child, 0), -HV_EINVAL);
    CHECK_EQ(read_calls(child, 47), -HV_EINVAL);
    CHECK_EQ(hv_call_trace_read(child, 1, 0, hv_gpa(page), 1), -HV_EINVAL);
    CHECK_EQ(hv_call_trace_read(child, 0, 0, hv_gpa(page) + HV_PAGE_SIZE - 80, 1), -HV_EFAULT);
    CHECK_EQ(hv_call_trace_read(child, 0, 0, ~(uint64_t)0, 1), -HV_EFAULT);
    CHECK_EQ(hv_call_trace_read(child, 0, 0, HV_GFN_SHARED * HV_PAGE_SIZE, 1), -HV_EFAULT);
    for (uint64_t d = 0; d < 600; d++)
        if (d != child)
            check_refused(d);
    check_refused(HV_SELF);
    check_refused(HV_SELF - 1);
    check_refused(self + HV_MAX_DOMAINS);
    check_refused(child + HV_MAX_DOMAINS);
    raw_spin(child);
    CHECK_EQ(hv_domain_destroy(child), 1);
    check_refused(child); /* dying */
    while (hv_domain_destroy(child) > 0)
        ;
    check_refused(child); /* gone */
}

/* ---- guests without an image, whose code is a few bytes at a chosen address ---- */

/* MOV EAX, 0; SYSCALL, `calls` times, then SYSCALL once more at the very end of the page. */
static uint64_t calls_at_the_end(uint64_t address, unsigned calls)
{
    uint64_t dom = (uint64_t)NEED(raw_small(16, 0));
    HV_BUFFER(64) struct hv_vcpu_context context = { .rip = address };
    uint8_t *code = test_pages(1);

    memset(code, 0x90, HV_PAGE_SIZE);
    for (unsigned i = 0; i < calls; i++)
        memcpy(code + 8 * (size_t)i, "\xb8\0\0\0\0\x0f\x05", 7);
    memcpy(code + HV_PAGE_SIZE - 7, "\xb8\0\0\0\0\x0f\x05", 7);
    NEED(hv_populate(dom, 0, 1));
    NEED(hv_domain_copy(dom, 0, hv_gpa(code), HV_PAGE_SIZE, 1));
    NEED(test_map(dom, 0, address, 0, 1, RX));
    NEED(hv_vcpu_set_context(dom, 0, hv_gpa(&context)));
    return dom;
}

static void check_killed_at(uint64_t dom, uint64_t rip)
{
    struct hv_domain_info info;

    test_wait(dom, &info);
    CHECK_EQ(info.state, HV_DOMAIN_KILLED);
    CHECK_EQ(info.rip, rip);
    CHECK_EQ(hv_domain_end(dom), 0);
}

/* It goes on behind the last byte, which is nowhere; waiting makes no difference. */
static void check_edges(void)
{
    static const uint64_t last[] = { HV_KERNEL_START, HV_KERNEL_START + 0x5000,
                                     ~(uint64_t)0 - HV_PAGE_SIZE + 1 };
    const struct hv_call_entry *e = (const void *)page;

    for (size_t i = 0; i < sizeof last / sizeof *last; i++) {
        uint64_t dom = calls_at_the_end(last[i], HV_CALLS_KEPT), end = last[i] + HV_PAGE_SIZE;

        CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_ALL), 0);
        CHECK_EQ(hv_domain_start(dom), 0);
        wait_at(dom, end - 2);
        CHECK_EQ(read_calls(dom, 46), HV_CALLS_KEPT);
        CHECK_EQ(e[0].rip, last[i] + 7);
        test_wait(dom, NULL);
        memset(page, 0xaa, HV_PAGE_SIZE);
        CHECK_EQ(read_calls(dom, 46), HV_CALLS_KEPT);
        CHECK_EQ(page[HV_CALLS_KEPT * sizeof *e], 0xaa);
        CHECK_EQ(e[HV_CALLS_KEPT - 1].rip, end);
        CHECK_EQ(e[HV_CALLS_KEPT - 1].seq, HV_CALLS_KEPT);
        check_killed_at(dom, end);
    }
}

/* The SYSCALL that it waits in is gone when it goes on. */
static void check_changed_code(void)
{
    uint64_t dom = calls_at_the_end(HV_KERNEL_START, HV_CALLS_KEPT);
    uint64_t at = HV_KERNEL_START + HV_PAGE_SIZE - 2;

    CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_ALL), 0);
    CHECK_EQ(hv_domain_start(dom), 0);
    wait_at(dom, at);
    memcpy(page, "\x0f\x0b", 2); /* UD2 */
    CHECK_EQ(hv_domain_copy(dom, HV_PAGE_SIZE - 2, hv_gpa(page), 2, 1), 2);
    CHECK_EQ(read_calls(dom, 46), HV_CALLS_KEPT);
    check_killed_at(dom, at);
    dom = calls_at_the_end(HV_KERNEL_START, HV_CALLS_KEPT);
    CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_ALL), 0);
    CHECK_EQ(hv_domain_start(dom), 0);
    wait_at(dom, at);
    CHECK_EQ(test_unmap(dom, 0, HV_KERNEL_START, 1), 1);
    CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_OFF), HV_CALLS_KEPT);
    check_killed_at(dom, at);
    /* One that waits is destroyed like any other. */
    dom = calls_at_the_end(HV_KERNEL_START, HV_CALLS_KEPT);
    CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_ALL), 0);
    CHECK_EQ(hv_domain_start(dom), 0);
    wait_at(dom, at);
    CHECK_EQ(hv_domain_end(dom), 0);
}

/* ---- one that goes to user mode and back, as fast as it can ---- */

static void be_user_loop(void)
{
    static const uint8_t code[] = { 0x0f, 0x05 };

    for (;;)
        test_user(code, sizeof code, 0, NULL);
}

static void check_user_loop(void)
{
    uint64_t dom = test_spawn("user-loop", 192), next;
    const struct hv_call_entry *e = (const void *)page;

    run_a_while();
    next = (uint64_t)NEED(hv_call_trace(dom, 0, HV_CALLS_ALL));
    for (uint64_t end = hv_now() + TEST_PATIENCE_NS, to = next + 25 * HV_CALLS_KEPT; next < to;) {
        int64_t n = hv_call_trace_read(dom, 0, next, hv_gpa(page), 46);

        for (int64_t i = 0; i < n; i++)
            CHECK_EQ(e[i].seq, next++);
        run_a_while();
        CHECK(hv_now() < end);
    }
    test_destroy(dom);
}

/* ---- a tracer that dies ---- */

static void be_tracer(void)
{
    uint64_t child = calls_at_the_end(HV_KERNEL_START, 2 * HV_CALLS_KEPT);

    NEED(hv_call_trace(child, 0, HV_CALLS_ALL));
    NEED(hv_domain_start(child));
    test_shared(TEST_PARENT)[32] = child;
    test_signal(TEST_PARENT, 0, 1);
    for (;;)
        hv_yield();
}

/* Root traces the tracer, which traces a child: each sees its own, and the end is in order. */
static void check_dead_tracer(void)
{
    uint64_t tracer, grandchild;
    const struct hv_call_entry *e = (const void *)page;

    test_options.flags = HV_CREATE_MAY_CREATE;
    test_options.quota = 200;
    tracer = test_build("tracer", 192, NULL);
    NEED(hv_call_trace(tracer, 0, HV_CALLS_NEWEST));
    NEED(hv_domain_start(tracer));
    test_await(tracer, 0, 1);
    grandchild = test_shared(tracer)[32];
    for (uint64_t end = hv_now() + TEST_PATIENCE_NS; hv_now() < end; run_a_while())
        if (read_calls(tracer, 46) == HV_CALLS_KEPT && e[HV_CALLS_KEPT - 1].nr == HV_NR_yield)
            break;
    CHECK_EQ(e[HV_CALLS_KEPT - 1].nr, HV_NR_yield);
    CHECK_EQ(test_info(grandchild).state, HV_DOMAIN_RUNNING);
    for (uint64_t end = hv_now() + TEST_PATIENCE_NS; read_calls(grandchild, 1) == 0;)
        CHECK(hv_now() < end);
    run_a_while();
    CHECK_EQ(test_info(grandchild).state, HV_DOMAIN_RUNNING);
    CHECK_EQ(hv_domain_destroy(tracer), -HV_EBUSY);
    CHECK_EQ(hv_domain_end(grandchild), 0);
    test_destroy(tracer);
    test_options.flags = 0;
    test_options.quota = 0;
}

void test_main(void)
{
    page = test_pages(1);
    if (test_is("attacker"))
        be_attacker();
    if (test_is("user-loop"))
        be_user_loop();
    if (test_is("tracer"))
        be_tracer();
    if (!test_is("root"))
        return;
    test_options.flags = HV_CREATE_MAY_CREATE;
    test_options.quota = 200;
    test_join(test_spawn("attacker", 192));
    test_options.flags = 0;
    test_options.quota = 0;
    check_edges();
    check_changed_code();
    check_user_loop();
    check_dead_tracer();
}
