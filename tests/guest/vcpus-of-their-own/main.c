/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * What each vCPU has for itself, by two of a domain: events from one to the other and back, a
 * timer, masking, a clock, a run-state, a space and a user mode. Nothing of it may be the other's.
 */
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "test.h"

const char test_title[] = "each vCPU has its own events, timer, clock, space and user mode";

#define STACK  16384u
#define ROUNDS 1000u

static char stack[STACK] __attribute__((aligned(4096)));
static uint64_t ball[2]; /* port that raises vCPU n */
static volatile uint32_t caught[2], stage;

static void on_ball(uint32_t port, void *arg)
{
    (void)arg;
    CHECK_EQ(port, ball[hv_vcpu_number()]);
    caught[hv_vcpu_number()] = caught[hv_vcpu_number()] + 1;
}

static void wait_for(volatile uint32_t *what, uint32_t value)
{
    while (*what < value)
        hv_wait();
}

/* ---- ping-pong ---- */

static void return_balls(void *arg)
{
    (void)arg;
    for (uint32_t n = 1; n <= ROUNDS; n++) {
        wait_for(&caught[1], n);
        CHECK_EQ(hv_event_send(ball[0]), 0);
    }
}

static void check_events(void)
{
    NEED(hv_vcpu_create(HV_SELF, 1)); /* before something is bound to it */
    for (uint64_t n = 0; n < 2; n++)
        ball[n] = (uint64_t)NEED(hv_event_listen(HV_BIND_IPI, n, 0, on_ball, NULL));
    hv_mask();
    CHECK_EQ(hv_vcpu_start(1, return_balls, NULL, stack, STACK), 0);
    for (uint32_t n = 1; n <= ROUNDS; n++) {
        CHECK_EQ(hv_event_send(ball[1]), 0);
        wait_for(&caught[0], n);
    }
    CHECK_EQ(caught[0], ROUNDS);
    CHECK_EQ(caught[1], ROUNDS);
    hv_unmask();
}

/* ---- timers, clock, run-state ---- */

static volatile uint64_t fired_at[2];
static uint64_t due[2];

static void on_timer(uint32_t port, void *arg)
{
    (void)port;
    CHECK_EQ(hv_vcpu_number(), (uint64_t)(uintptr_t)arg);
    fired_at[hv_vcpu_number()] = hv_now();
}

static void have_timer(void *arg)
{
    uint64_t n = (uint64_t)(uintptr_t)arg;
    int64_t port = NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, n, on_timer, arg));
    struct hv_runstate run;

    CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_TIMER, n, 0), -HV_EBUSY);
    CHECK_EQ(hv_event_set_vcpu(HV_SELF, (uint64_t)port, 1 - n), -HV_EINVAL);
    hv_mask();
    due[n] = hv_now() + 5000000 * (2 - n); /* vCPU 1's comes first */
    CHECK_EQ(hv_set_timer(due[n]), 0);
    while (fired_at[n] == 0)
        hv_wait();
    CHECK(fired_at[n] >= due[n]);
    hv_run_state(&run);
    CHECK_EQ(run.state, HV_RUN_RUNNING);
    CHECK(run.time[HV_RUN_BLOCKED] > 1000000);
    CHECK_EQ(hv_event_end((uint64_t)port), 0);
    hv_unmask();
    __atomic_fetch_add(&stage, 1, __ATOMIC_SEQ_CST);
}

static void check_timers(void)
{
    stage = 0;
    CHECK_EQ(hv_vcpu_stop(1), 0);
    CHECK_EQ(hv_vcpu_start(1, have_timer, (void *)1, stack, STACK), 0);
    have_timer(NULL);
    while (stage != 2)
        hv_yield();
    CHECK_TIME(fired_at[1] < fired_at[0]);
}

/* A timer that runs out while its vCPU is down raises its port, for when it is up. */
static void late(void *arg)
{
    fired_at[1] = 0;
    int64_t port = NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 1, on_timer, (void *)1));

    (void)arg;
    CHECK_EQ(hv_set_timer(hv_now() + 1000000), 0);
    /* Where the host may stand still before it is down, the timer may be past by then. */
    if (test_virtual_time())
        hv_unmask();
    stage = 1;
    CHECK_EQ(hv_vcpu_down(HV_SELF, 1), 0);
    hv_unmask();
    while (fired_at[1] == 0)
        hv_relax();
    CHECK_EQ(hv_event_end((uint64_t)port), 0);
    stage = 2;
}

static void check_late_timer(void)
{
    stage = 0;
    CHECK_EQ(hv_vcpu_stop(1), 0);
    CHECK_EQ(hv_vcpu_start(1, late, NULL, stack, STACK), 0);
    while (stage != 1)
        hv_yield();
    CHECK_EQ(hv_vcpu_stop(1), 0);
    hv_delay(5000000);
    CHECK_EQ(fired_at[1], 0);
    CHECK_EQ(hv_vcpu_up(HV_SELF, 1), 0);
    while (stage != 2)
        hv_yield();
    CHECK(fired_at[1] != 0);
}

/* ---- clocks of both, read in turn ---- */

static volatile uint64_t last_now;

static void read_clock(void *arg)
{
    struct hv_spinlock *lock = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        bool was = hv_lock(lock);
        uint64_t now = hv_now();

        CHECK(now >= last_now);
        last_now = now;
        hv_unlock(lock, was);
        hv_yield();
    }
    __atomic_fetch_add(&stage, 1, __ATOMIC_SEQ_CST);
}

static void check_clocks(void)
{
    static struct hv_spinlock lock;

    stage = 0;
    CHECK_EQ(hv_vcpu_stop(1), 0);
    CHECK_EQ(hv_vcpu_start(1, read_clock, &lock, stack, STACK), 0);
    read_clock(&lock);
    while (stage != 2)
        hv_yield();
}

/* ---- user mode in two spaces at the same address ---- */

static volatile uint32_t *words[2];

/* inc dword [rdi]; again */
static const uint8_t code[] = { 0xff, 0x07, 0xeb, 0xfc };

static uint64_t make_space(unsigned n)
{
    uint64_t space = (uint64_t)NEED(hv_space_create(HV_SELF));
    uint8_t *pages = test_pages(2);

    memcpy(pages, code, sizeof code);
    words[n] = (volatile uint32_t *)(void *)(pages + HV_PAGE_SIZE);
    NEED(test_map(HV_SELF, space, TEST_USER_CODE, hv_gfn(pages), 1, HV_MAP_READ | HV_MAP_EXEC));
    NEED(test_map(HV_SELF, space, TEST_USER_CODE + HV_PAGE_SIZE, hv_gfn(pages) + 1, 1,
                  HV_MAP_READ | HV_MAP_WRITE));
    return space;
}

static void be_user(void *arg)
{
    struct hv_frame f = { .rip = TEST_USER_CODE,
                          .rflags = 0x202,
                          .rdi = TEST_USER_CODE + HV_PAGE_SIZE,
                          .vector = HV_VECTOR_EVENT };

    NEED(hv_switch((uint64_t)(uintptr_t)arg, (uint64_t)(uintptr_t)stack + STACK / 2));
    hv_enter_user(&f);
}

static void check_user_modes(void)
{
    static char other[STACK] __attribute__((aligned(4096)));
    uint64_t a = make_space(0), b = make_space(1);

    CHECK_EQ(hv_vcpu_stop(1), 0);
    CHECK_EQ(hv_vcpu_start(1, be_user, (void *)(uintptr_t)a, stack, STACK), 0);
    CHECK_EQ(hv_vcpu_start(2, be_user, (void *)(uintptr_t)b, other, STACK), 0);
    for (unsigned round = 0; round < 5; round++) {
        uint32_t at[2] = { *words[0], *words[1] };

        while (*words[0] == at[0] || *words[1] == at[1])
            hv_yield();
    }
    /* Events to who is in user mode: its kernel is told, and it goes on. */
    caught[1] = 0;
    CHECK_EQ(hv_event_send(ball[1]), 0);
    while (caught[1] == 0)
        hv_yield();
    uint32_t at = *words[0];

    while (*words[0] == at)
        hv_yield();
    CHECK_EQ(hv_vcpu_stop(1), 0);
    at = *words[0];
    uint32_t there = *words[1];

    while (*words[1] == there)
        hv_yield();
    CHECK_EQ(*words[0], at);
    CHECK_EQ(hv_vcpu_stop(2), 0);
}

void test_main(void)
{
    if (test_is("pair")) {
        check_events();
        check_timers();
        check_late_timer();
        check_clocks();
        check_user_modes();
        return;
    }
    if (!test_is("root"))
        return;
    test_options = (struct test_options){ .vcpus = 3 };
    test_join(test_spawn("pair", 0));
}
