/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * The hypercalls of a child, recorded: with HV_CALLS_ALL every one of them, in order, as many as
 * the counters say, those that do not return and numbers that are no call's included; the child
 * waits when nobody reads, and notices nothing of it. With HV_CALLS_NEWEST the last ones, and it
 * never waits. Root's mask says which events its own ring records.
 */
#include "hvlib/clock.h"
#include "test.h"
#include <hv_trace.h>

const char test_title[] = "the hypercalls of a child are recorded, all or the newest";

#define ROUNDS 1000u
#define MARK   UINT64_C(0x7000000)
#define SAID   32u /* words of the shared page */
#define GO     33u

static struct hv_call_entry *calls;

static int64_t read_calls(uint64_t dom, uint64_t seq, uint64_t count)
{
    return hv_call_trace_read(dom, 0, seq, hv_gpa(calls), count);
}

static void run_a_while(void)
{
    for (unsigned i = 0; i < 100; i++)
        hv_yield();
}

/* It comes that far, and no farther. */
static void check_said(const volatile uint64_t *said, uint64_t count)
{
    for (uint64_t end = hv_now() + TEST_PATIENCE_NS; *said < count && hv_now() < end;)
        hv_yield();
    run_a_while();
    CHECK_EQ(*said, count);
}

/* ---- children ---- */

static void do_all_kinds(void)
{
    static const uint8_t code[] = { 0x0f, 0x05 };
    uint64_t next = MARK;

    for (unsigned i = 0; i < ROUNDS; i++)
        CHECK_EQ(hv_event_send(next++), -HV_EINVAL);
    CHECK_EQ(hv_call3(HV_NR_LIMIT, 1, 2, 3), -HV_ENOSYS);
    CHECK_EQ(hv_call0(~(uint64_t)0), -HV_ENOSYS);
    for (unsigned i = 0; i < 40; i++)
        CHECK_EQ(test_user(code, sizeof code, 0, NULL), HV_VECTOR_SYSCALL);
    CHECK_EQ(hv_event_send(next), -HV_EINVAL);
}

static void await_go(void)
{
    test_shared(TEST_PARENT)[SAID] = 0;
    test_signal(TEST_PARENT, 0, 1);
    while (!test_shared(TEST_PARENT)[GO])
        hv_relax();
}

/* Every register that a call keeps, each with a value of its own, also when it waited. */
static void check_registers(void)
{
    uint64_t rdi = 1, rsi = 2, rdx = 3, rbx = 7, rax = HV_NR_version, fs = 0;
    register uint64_t r8 __asm__("r8") = 8, r9 __asm__("r9") = 9, r10 __asm__("r10") = 10;
    register uint64_t r12 __asm__("r12") = 12, r13 __asm__("r13") = 13, r14 __asm__("r14") = 14;
    register uint64_t r15 __asm__("r15") = 15;

    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+b"(rbx), "+r"(r8), "+r"(r9),
                       "+r"(r10), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15)
                     :
                     : "rcx", "r11", "memory", "cc");
    CHECK(rax == HV_ABI_VERSION && rdi == 1 && rsi == 2 && rdx == 3 && rbx == 7 && r8 == 8 &&
          r9 == 9 && r10 == 10 && r12 == 12 && r13 == 13 && r14 == 14 && r15 == 15 && fs == 0);
}

static volatile uint64_t upcalls;

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    upcalls++;
}

static void be_child(void)
{
    if (test_is("kinds"))
        do_all_kinds();
    if (test_is("counts")) {
        NEED(hv_event_handler(test_port(TEST_PARENT), on_event, NULL));
        await_go();
        while (test_shared(TEST_PARENT)[GO] == 1) {
            test_shared(TEST_PARENT)[SAID]++;
            check_registers();
        }
        CHECK_EQ(upcalls, 1);
    }
}

/* ---- root ---- */

/* All that a child does from its first instruction to its last. */
static void check_every_call(void)
{
    uint64_t dom = test_build("kinds", 192, NULL), seq = 0, marks = 0, returns = 0, unknown = 0;
    struct hv_call_entry last = { 0 };

    CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_ALL), 0);
    NEED(hv_domain_start(dom));
    while (last.nr != HV_NR_shutdown) {
        int64_t n = read_calls(dom, seq, 46);

        CHECK(n >= 0 && n <= (int64_t)HV_CALLS_KEPT);
        for (int64_t i = 0; i < n; i++) {
            CHECK_EQ(calls[i].seq, seq++);
            /* The host's counter stands still when its processors do not agree. */
            CHECK(calls[i].tsc && calls[i].tsc >= last.tsc);
            CHECK(calls[i].rip > HV_KERNEL_IMAGE);
            last = calls[i];
            if (last.nr == HV_NR_event_send && last.arg[0] == MARK + marks) {
                CHECK_EQ(last.result, -HV_EINVAL);
                marks++;
            }
            if (last.nr == HV_NR_return_to_user)
                returns++;
            if (last.nr >= HV_NR_LIMIT) {
                CHECK_EQ(last.nr, unknown++ ? ~(uint64_t)0 : (uint64_t)HV_NR_LIMIT);
                CHECK_EQ(last.result, -HV_ENOSYS);
            }
        }
        hv_yield();
    }
    test_wait(dom, NULL);
    CHECK_EQ(last.arg[0], 0);
    CHECK_EQ(marks, ROUNDS + 1);
    CHECK_EQ(returns, 40);
    CHECK_EQ(unknown, 2);
    CHECK_EQ(test_counters(dom).hypercalls, seq);
    /* What a dead domain did last can still be read. */
    CHECK_EQ(read_calls(dom, 0, 46), HV_CALLS_KEPT);
    CHECK_EQ(calls[HV_CALLS_KEPT - 1].nr, HV_NR_shutdown);
    test_join(dom);
    CHECK_EQ(read_calls(dom, 0, 46), -HV_EPERM);
    CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_OFF), -HV_EPERM);
}

/* In order, and each what the child has called. */
static void check_newest(int64_t n)
{
    CHECK(n >= 0 && n <= (int64_t)HV_CALLS_KEPT);
    for (int64_t i = 0; i < n; i++) {
        CHECK(i == 0 || calls[i].seq > calls[i - 1].seq);
        CHECK_EQ(calls[i].nr, HV_NR_version);
        CHECK_EQ(calls[i].result, HV_ABI_VERSION);
        CHECK(calls[i].arg[0] == 1 && calls[i].arg[1] == 2 && calls[i].arg[2] == 3 &&
              calls[i].arg[3] == 10 && calls[i].arg[4] == 8 && calls[i].arg[5] == 9);
    }
}

static void check_waiting(void)
{
    uint64_t dom = test_spawn("counts", 192), seq, calls_before;
    volatile uint64_t *said = &test_shared(dom)[SAID];

    test_await(dom, 0, 1);
    CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_ALL), 0);
    calls_before = test_counters(dom).hypercalls;
    test_shared(dom)[GO] = 1;
    /* The next one waits; what waits has not been counted as a call. */
    check_said(said, HV_CALLS_KEPT + 1);
    CHECK_EQ(test_counters(dom).hypercalls - calls_before, HV_CALLS_KEPT);
    /* An event that comes meanwhile is for later; neither pause nor wake-up ends the wait. */
    NEED(hv_event_send(test_port(dom)));
    NEED(hv_domain_pause(dom));
    NEED(hv_domain_unpause(dom));
    check_said(said, HV_CALLS_KEPT + 1);
    CHECK_EQ(read_calls(dom, 0, 10), 10);
    check_said(said, HV_CALLS_KEPT + 11);
    /* Of the past what is still there; it leaves room for one more. */
    CHECK_EQ(read_calls(dom, 5, 1), 1);
    CHECK_EQ(calls[0].seq, 10);
    check_said(said, HV_CALLS_KEPT + 12);
    /* Beyond the end: all is read. */
    CHECK_EQ(read_calls(dom, ~(uint64_t)0, 1), 0);
    check_said(said, 2 * HV_CALLS_KEPT + 12);
    seq = (uint64_t)NEED(hv_call_trace(dom, 0, HV_CALLS_OFF));
    CHECK_EQ(seq, 2 * HV_CALLS_KEPT + 11);
    while (*said <= 2 * HV_CALLS_KEPT + 13)
        hv_yield();
    CHECK_EQ(read_calls(dom, seq, 1), 0);
    /* The newest ones only: it never waits. */
    CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_NEWEST), seq);
    calls_before = *said;
    while (*said < calls_before + ROUNDS)
        hv_yield();
    /* While it makes more, which on another processor overwrite what is read: nothing is told that
     * is not whole. */
    for (unsigned i = 0; i < ROUNDS; i++)
        check_newest(read_calls(dom, 0, 46));
    NEED(hv_domain_pause(dom));
    CHECK_EQ(read_calls(dom, 0, 46), HV_CALLS_KEPT);
    check_newest(HV_CALLS_KEPT);
    CHECK(calls[0].seq >= seq + ROUNDS - HV_CALLS_KEPT);
    CHECK_EQ(calls[HV_CALLS_KEPT - 1].seq, calls[0].seq + HV_CALLS_KEPT - 1);
    NEED(hv_domain_unpause(dom));
    test_shared(dom)[GO] = 2;
    test_join(dom);
}

/* A domain in the place of another that was traced is not. */
static void check_next_domain(void)
{
    for (unsigned i = 0; i < 3; i++) {
        uint64_t dom = test_spawn("kinds", 192);

        test_wait(dom, NULL);
        CHECK_EQ(read_calls(dom, 0, 46), 0);
        CHECK_EQ(hv_call_trace(dom, 0, HV_CALLS_ALL), 0);
        test_join(dom);
    }
}

/* What the rings record: with the bits of two events taken out, no such entry comes. */
static void check_mask(void)
{
    const uint64_t all = ((uint64_t)1 << HV_TRACE_state) - 1; /* that is how it starts */
    const uint64_t none = (uint64_t)1 << HV_TRACE_create | (uint64_t)1 << HV_TRACE_end;
    struct hv_trace_entry *e = (void *)calls;
    uint64_t seq = 0, ends[2] = { 0, 0 };

    CHECK_EQ(hv_vcpu_set_affinity(HV_SELF, 0, 1), 0); /* all that follows is in one ring */
    CHECK_EQ(hv_trace_mask((uint64_t)1 << HV_TRACE_LIMIT), -HV_EINVAL);
    CHECK_EQ(hv_trace_mask(~(uint64_t)0), -HV_EINVAL);
    for (unsigned turn = 0; turn < 2; turn++) {
        CHECK_EQ(hv_trace_mask(turn ? all : all & ~none), turn ? all & ~none : all);
        for (int64_t n; (n = hv_trace_read(0, seq, hv_gpa(e), 85)) > 0;)
            seq = e[n - 1].seq + 1;
        test_destroy(test_build("kinds", 192, NULL));
        for (int64_t n; (n = hv_trace_read(0, seq, hv_gpa(e), 85)) > 0; seq = e[n - 1].seq + 1)
            for (int64_t i = 0; i < n; i++)
                ends[turn] += e[i].event == HV_TRACE_create ||
                              (e[i].event == HV_TRACE_end && e[i].word[1] == HV_DOMAIN_DYING);
    }
    CHECK_EQ(ends[0], 0);
    CHECK_EQ(ends[1], 2);
}

void test_main(void)
{
    if (!test_is("root")) {
        be_child();
        return;
    }
    calls = test_pages(1);
    check_every_call();
    check_waiting();
    check_next_domain();
    check_mask();
}
