/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters count what happened, one by one: hypercalls, user system calls, faults, events, upcalls,
 * bytes; and the trace ring can be read from any sequence number on.
 */
#include "test.h"
#include <hv_trace.h>

const char test_title[] = "counters and the trace ring tell what happened";

static uint64_t port, other;
static uint8_t *code;
static uint64_t space;

/* What `work` adds, without what reading the counters itself costs. */
static struct hv_counters cost(void (*work)(void))
{
    struct hv_counters a = test_counters(HV_SELF), b = test_counters(HV_SELF), c;

    work();
    c = test_counters(HV_SELF);
    for (size_t i = 0; i < sizeof c / 8; i++)
        ((uint64_t *)&c)[i] -= 2 * ((uint64_t *)&b)[i] - ((uint64_t *)&a)[i];
    return c;
}

static void ten_versions(void)
{
    for (unsigned i = 0; i < 10; i++)
        hv_version();
}

static void five_sends(void)
{
    for (unsigned i = 0; i < 5; i++)
        hv_event_send(other);
}

static void three_faults(void)
{
    for (unsigned i = 0; i < 3; i++)
        test_try_read(HV_FREE_START, NULL);
}

static void one_syscall(void)
{
    struct hv_frame f = { .rip = TEST_USER_CODE, .rflags = 0x202 };

    test_user_frame(space, &f);
}

static void check_counts(void)
{
    struct hv_counters c = cost(ten_versions);

    CHECK_EQ(c.hypercalls, 10);
    CHECK_EQ(c.transitions - c.interrupts, 10);
    CHECK_EQ(c.faults + c.syscalls + c.events_sent + c.upcalls, 0);
    c = cost(five_sends);
    CHECK_EQ(c.hypercalls, 5);
    CHECK_EQ(c.events_sent, 5);
    CHECK_EQ(c.upcalls, 5);
    c = cost(three_faults);
    CHECK_EQ(c.faults, 3);
    CHECK_EQ(c.hypercalls, 0);
    c = cost(one_syscall);
    CHECK_EQ(c.syscalls, 1);
    CHECK_EQ(c.hypercalls, 3); /* switch, return, switch back */
    CHECK_EQ(c.port_traps, 0);
}

/* Sequence numbers are dense; the past that is gone is skipped; the future is empty. */
static void check_trace(void)
{
    struct hv_trace_entry *e = test_pages(1);
    uint64_t next = 0, entries = 0;
    int64_t n;

    while ((n = hv_trace_read(0, next, hv_gpa(e), 85)) > 0) {
        CHECK(n <= 85);
        for (int64_t i = 0; i < n; i++) {
            CHECK(e[i].seq >= next);
            CHECK(i == 0 || e[i].seq == e[i - 1].seq + 1);
            next = e[i].seq + 1;
            entries++;
        }
    }
    CHECK_EQ(n, 0);
    CHECK(entries > 0);
    CHECK_EQ(hv_trace_read(0, ~(uint64_t)0, hv_gpa(e), 85), 0);
    CHECK_EQ(hv_trace_read(0, (uint64_t)1 << 63, hv_gpa(e), 85), 0);
}

static void check_not_for_others(void)
{
    void *page = test_pages(1);

    CHECK_EQ(hv_trace_read(0, 0, hv_gpa(page), 1), -HV_EPERM);
    CHECK_EQ(hv_counters(hv_start_parent(), hv_gpa(page)), -HV_EPERM);
    CHECK_EQ(hv_counters(HV_SELF, hv_gpa(page)), 0);
}

void test_main(void)
{
    if (!test_is("root")) {
        check_not_for_others();
        return;
    }
    port = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    other = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, hv_start_domain_id(), port, NULL, NULL));
    space = (uint64_t)NEED(hv_space_create(HV_SELF));
    code = test_pages(1);
    code[0] = 0x0f;
    code[1] = 0x05;
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(code), 1, HV_MAP_READ | HV_MAP_EXEC));
    check_counts();
    test_join(test_spawn("asks", 192));
    check_trace();
    CHECK_EQ(hv_space_end(HV_SELF, space), 0);
}
