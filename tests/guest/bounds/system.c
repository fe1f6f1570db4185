/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers of the system, cpu and tracing families.
 */
#include "bounds.h"
#include "internal.h"
#include <hv_trace.h>

static void drive_version(void)
{
    CHECK_EQ(TIMED(hv_version()), HV_ABI_VERSION);
}
BOUND(version, 60, drive_version);

/* Root's call of 4,096 bytes, each of which the line makes two: CR and LF. */
static void drive_console_write(void)
{
    memset(bound_page, '\n', HV_PAGE_SIZE);
    CHECK_EQ(TIMED(hv_console_write(hv_gpa(bound_page), HV_PAGE_SIZE)), HV_PAGE_SIZE);
}
BOUND(console_write, 110000, drive_console_write);

static void drive_console_read(void)
{
    CHECK_EQ(TIMED(hv_console_read(hv_gpa(bound_page), HV_PAGE_SIZE)), 0);
}
BOUND_PART(console_read, 150, drive_console_read,
           "with no input: nothing types in a run that has to repeat");

static void drive_counters(void)
{
    uint64_t peer = bound_peer();

    CHECK_EQ(TIMED(hv_counters(HV_SELF, hv_gpa(bound_page))), 0);
    CHECK_EQ(TIMED(hv_counters(peer, hv_gpa(bound_page))), 0);
}
BOUND(counters, 5400, drive_counters);

/* The ring is full: there is more than enough to record. */
static void drive_trace_read(void)
{
    for (unsigned i = 0; i < 5000; i++)
        hv_yield();
    CHECK_EQ(TIMED(hv_trace_read(0, 0, hv_gpa(bound_page), 85)), 85);
}
BOUND(trace_read, 2800, drive_trace_read);

static void drive_trace_mask(void)
{
    int64_t old = TIMED(hv_trace_mask(0));

    CHECK_EQ(TIMED(hv_trace_mask((uint64_t)old)), 0);
}
BOUND(trace_mask, 70, drive_trace_mask);

/* ---- cpu ---- */

static void drive_set_entry(void)
{
    struct hv_entry *entry = (void *)bound_page;

    *entry = (struct hv_entry){ .syscall = (uint64_t)(uintptr_t)hv_entry_syscall,
                                .event_user = (uint64_t)(uintptr_t)hv_entry_user,
                                .event_kernel = (uint64_t)(uintptr_t)hv_entry_kernel,
                                .kernel_gs_base = (uint64_t)(uintptr_t)hv_vcpu };
    CHECK_EQ(TIMED(hv_set_entry(hv_gpa(entry))), 0);
}
BOUND(set_entry, 210, drive_set_entry);

static uint32_t left_at;

static void on_syscall(struct hv_frame *frame)
{
    test_escape((int64_t)frame->rdi);
}

static int64_t leave(void *arg)
{
    (void)arg;
    left_at = bench_begin();
    return hv_return_to_user();
}

/* To the first instruction in user mode, by IRET, which keeps all registers. */
static void drive_return_to_user(void)
{
    static char stack[2 * HV_PAGE_SIZE] __attribute__((aligned(4096)));
    static const struct {
        uint8_t nop[3];
        uint32_t end;
        uint8_t rest[8];
    } __attribute__((packed))
    code = { { 0x0f, 0x1f, 0x80 }, BENCH_END, { 0x0f, 0x31, 0x89, 0xc7, 0x0f, 0x05, 0x0f, 0x0b } };
    void *page = test_pages(1);
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    hv_fault_fn old = hv_set_syscall_handler(on_syscall);

    memcpy(page, &code, sizeof code);
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(page), 1, HV_MAP_READ | HV_MAP_EXEC));
    hv_mask();
    NEED(hv_switch(space, (uint64_t)(uintptr_t)stack + sizeof stack));
    for (unsigned i = 0; i < 3; i++) {
        int64_t at;

        hv_vcpu->save =
            (struct hv_save_area){ .rip = TEST_USER_CODE, .rflags = 0x202, .vector = 14 };
        at = NEED(test_escape_call(leave, NULL));
        bound_note((uint32_t)at - left_at, false);
    }
    NEED(hv_switch(0, (uint64_t)(uintptr_t)stack + sizeof stack));
    hv_unmask();
    hv_set_syscall_handler(old);
    NEED(hv_space_destroy(HV_SELF, space));
}
BOUND(return_to_user, 70, drive_return_to_user);

/* ---- the calls of a child ---- */

/* It makes calls until its parent says that it may end. */
static void child_calls(void)
{
    test_signal(TEST_PARENT, 0, 1);
    while (!test_shared(TEST_PARENT)[33])
        hv_version();
}

void bound_child_system(void)
{
    if (test_is("calls"))
        child_calls();
}

static uint64_t caller;

static void drive_call_trace(void)
{
    caller = test_spawn("calls", 192);
    test_await(caller, 0, 1);
    CHECK(TIMED(hv_call_trace(caller, 0, HV_CALLS_ALL)) >= 0);
    for (unsigned i = 0; i < 40; i++)
        hv_yield();
    /* The one that waits is woken. */
    CHECK(TIMED(hv_call_trace(caller, 0, HV_CALLS_OFF)) >= 0);
    NEED(hv_call_trace(caller, 0, HV_CALLS_ALL));
    for (unsigned i = 0; i < 40; i++)
        hv_yield();
}
BOUND(call_trace, 410, drive_call_trace);

static void drive_call_trace_read(void)
{
    CHECK_EQ(TIMED(hv_call_trace_read(caller, 0, 0, hv_gpa(bound_page), 46)), HV_CALLS_KEPT);
    NEED(hv_call_trace(caller, 0, HV_CALLS_OFF));
    test_shared(caller)[33] = 1;
    test_join(caller);
}
BOUND(call_trace_read, 1800, drive_call_trace_read);
