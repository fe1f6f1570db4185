/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60 again=2
 *
 * Threat (E1). A send wakes a vCPU, and whoever wrote it thought of vCPUs that run: one that was
 * never started has no entry points, no run queue; one of a paused, ended or dying domain must not
 * be put back to work by its peer. A vulnerable system enters a guest at address 0, runs what its
 * controller has stopped, or touches the records of a domain that is gone.
 *
 * This guest sends to a domain that is being built, paused, has shut down, is half destroyed, and
 * is gone; and to a second vCPU of a running one, in each of its states. Two vCPUs of its own send
 * without a pause while a third takes the other domain's through all of them. Held here: pending is
 * kept until the domain can take it, nobody runs who may not, and a port whose domain is gone is
 * closed.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "raw.h"

const char test_title[] = "a send to a vCPU that does not run is kept, and does not make it run";

enum { STAGE, PORT, CALLS, END };

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    test_shared(TEST_PARENT)[CALLS]++;
}

static void receiver(void)
{
    uint64_t port = test_shared(TEST_PARENT)[PORT];

    NEED(hv_event_handler(port, on_event, NULL));
    test_signal(TEST_PARENT, STAGE, 1);
    hv_mask();
    while (!test_shared(TEST_PARENT)[END])
        hv_wait();
    hv_unmask();
}

static uint64_t state_of(uint64_t dom)
{
    return test_info(dom).state;
}

static void idle(void)
{
    for (uint64_t end = hv_now() + 20000000; hv_now() < end;)
        hv_yield();
}

/* Another's vCPU, which may run on another processor for a moment. */
static void take_down(uint64_t dom, uint64_t n)
{
    while (NEED(hv_vcpu_down(dom, n)) > 0)
        hv_yield();
}

/* A second vCPU: not there, made without a context, up and down again. Ten sends to it in each. */
static void check_second_vcpu(void)
{
    HV_BUFFER(32) const struct hv_vcpu_context context = { .rip = HV_KERNEL_START };
    uint64_t dom = (uint64_t)NEED(raw_create((struct hv_domain_create){
        .quota = 80, .ram_pages = 4, .window_pages = 1, .vcpus = 2, .weight = 1 }));
    uint64_t theirs = (uint64_t)NEED(hv_event_alloc(dom, hv_start_domain_id()));
    uint64_t port = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, dom, theirs, 0));

    raw_spin(dom);
    CHECK_EQ(hv_event_set_vcpu(dom, theirs, 1), -HV_EINVAL);
    CHECK_EQ(hv_vcpu_create(dom, 1), 0);
    CHECK_EQ(hv_event_set_vcpu(dom, theirs, 1), 0);
    for (unsigned stage = 0; stage < 4; stage++) {
        for (unsigned i = 0; i < 10; i++)
            CHECK_EQ(hv_event_send(port), 0);
        idle();
        /* It would have died of running at address 0. */
        CHECK_EQ(state_of(dom), HV_DOMAIN_RUNNING);
        if (stage == 0)
            CHECK_EQ(hv_vcpu_up(dom, 1), -HV_EINVAL);
        if (stage == 0)
            CHECK_EQ(hv_vcpu_set_context(dom, 1, hv_gpa(&context)), 0);
        else if (stage == 1)
            CHECK_EQ(hv_vcpu_up(dom, 1), 0);
        else if (stage == 2)
            take_down(dom, 1);
    }
    take_down(dom, 0);
    uint64_t ran = test_info(dom).cpu_ns;

    CHECK_EQ(hv_event_send(port), 0);
    idle();
    CHECK_EQ(test_info(dom).cpu_ns, ran);
    CHECK_EQ(hv_domain_end(dom), 0);
    CHECK_EQ(hv_event_close(HV_SELF, port), 0);
}

/* ---- under fire ---- */

#define SENDERS 2u
#define TURNS   100u
#define STACK   16384u

static uint64_t target[SENDERS]; /* ports */
static volatile uint64_t sends[SENDERS];
static volatile bool over;

static void send(void *arg)
{
    uint64_t n = (uint64_t)(uintptr_t)arg;

    while (!over) {
        CHECK_EQ(hv_event_send(target[n]), 0);
        sends[n] = sends[n] + 1;
    }
}

/* Until each of the senders has been at it once more. */
static void wait_for_senders(void)
{
    uint64_t end = hv_now() + TEST_PATIENCE_NS;

    for (unsigned n = 0; n < SENDERS; n++)
        for (uint64_t was = sends[n]; sends[n] == was; hv_yield())
            CHECK(hv_now() < end);
}

/* Both vCPUs of a domain are down, each with a flood of its own: neither runs. Then up, and down
 * again in the midst of it. */
static void check_under_fire(void)
{
    static char stacks[SENDERS][STACK] __attribute__((aligned(4096)));
    HV_BUFFER(32) const struct hv_vcpu_context context = { .rip = HV_KERNEL_START };
    uint64_t dom = (uint64_t)NEED(raw_create((struct hv_domain_create){
        .quota = 80, .ram_pages = 4, .window_pages = 1, .vcpus = 2, .weight = 256 }));

    NEED(hv_vcpu_create(dom, 1));
    for (unsigned n = 0; n < SENDERS; n++) {
        uint64_t theirs = (uint64_t)NEED(hv_event_alloc(dom, hv_start_domain_id()));

        NEED(hv_event_set_vcpu(dom, theirs, n));
        NEED(hv_event_set_rate(dom, theirs, HV_RATE_MAX, 1 + n)); /* one beyond its limit, too */
        target[n] = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, dom, theirs, 0));
        CHECK_EQ(hv_vcpu_start(1 + n, send, (void *)(uintptr_t)n, stacks[n], STACK), 0);
    }
    wait_for_senders();
    CHECK_EQ(state_of(dom), HV_DOMAIN_BUILDING);
    CHECK_EQ(test_info(dom).cpu_ns, 0);
    raw_spin(dom);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        uint64_t n = turn % 2;

        take_down(dom, 0);
        take_down(dom, 1);
        uint64_t ran = test_info(dom).cpu_ns;

        wait_for_senders();
        CHECK_EQ(test_info(dom).cpu_ns, ran);
        CHECK_EQ(hv_vcpu_set_context(dom, n, hv_gpa(&context)), 0);
        CHECK_EQ(test_info(dom).cpu_ns, ran);
        if (turn % 4 == 3)
            CHECK_EQ(hv_vcpu_set_affinity(dom, n, 1 + turn % test_cpus()), 0);
        CHECK_EQ(hv_vcpu_up(dom, n), 0);
        for (uint64_t end = hv_now() + TEST_PATIENCE_NS; test_info(dom).cpu_ns == ran; hv_yield())
            CHECK(hv_now() < end);
        CHECK_EQ(state_of(dom), HV_DOMAIN_RUNNING);
    }
    over = true;
    for (unsigned n = 0; n < SENDERS; n++) {
        CHECK_EQ(hv_vcpu_stop(1 + n), 0);
        CHECK_EQ(hv_event_close(HV_SELF, target[n]), 0);
    }
    CHECK_EQ(hv_domain_end(dom), 0);
}

void test_main(void)
{
    uint64_t child, theirs, port;

    if (test_is("receiver")) {
        receiver();
        return;
    }
    check_second_vcpu();
    check_under_fire();
    child = test_build("receiver", 0, NULL);
    theirs = (uint64_t)NEED(hv_event_alloc(child, hv_start_domain_id()));
    port = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, child, theirs, 0));
    volatile uint64_t *shared = test_shared(child);

    shared[PORT] = theirs;
    /* Never started: no entry points yet. */
    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ(hv_event_send(port), 0);
    idle();
    CHECK_EQ(state_of(child), HV_DOMAIN_BUILDING);
    CHECK_EQ(test_info(child).cpu_ns, 0);
    CHECK_EQ(hv_domain_start(child), 0);
    test_await(child, STAGE, 1);
    uint64_t calls = shared[CALLS];

    CHECK(calls <= 1); /* its handler came late, or in time; ten sends are one event */
    CHECK_EQ(hv_event_send(port), 0);
    test_await(child, CALLS, calls + 1);
    idle();
    CHECK_EQ(shared[CALLS], calls + 1);
    /* Paused while it waits. */
    CHECK_EQ(hv_domain_pause(child), 0);
    test_wait_off(child, 0);
    uint64_t ran = test_info(child).cpu_ns;

    for (unsigned i = 0; i < 2000; i++) /* beyond its burst: the timer must not wake it either */
        CHECK_EQ(hv_event_send(port), 0);
    test_await(child, CALLS, calls + 1);
    idle();
    CHECK_EQ(shared[CALLS], calls + 1);
    CHECK_EQ(test_info(child).cpu_ns, ran);
    shared[END] = 1;
    CHECK_EQ(hv_domain_unpause(child), 0);
    test_wait(child, NULL); /* it is told, and ends */
    CHECK_EQ(shared[CALLS], calls + 2);
    /* Over: sends go nowhere, and wake nobody. */
    test_wait_off(child, 0);
    ran = test_info(child).cpu_ns;
    for (unsigned i = 0; i < 2000; i++)
        CHECK_EQ(hv_event_send(port), 0);
    idle();
    CHECK_EQ(state_of(child), HV_DOMAIN_SHUTDOWN);
    CHECK_EQ(test_info(child).cpu_ns, ran);
    /* Each step of its end, with sends in between. */
    bool closed = false;
    int64_t left;

    do {
        left = hv_domain_destroy(child);
        int64_t sent = hv_event_send(port);

        CHECK(sent == (closed ? -HV_EDEAD : 0) || (sent == -HV_EDEAD && !closed));
        closed = sent == -HV_EDEAD;
    } while (left > 0);
    CHECK_EQ(left, 0);
    CHECK(closed);
    CHECK_EQ(hv_event_close(HV_SELF, port), 0);
}
