/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * Threat (E1). A send wakes a vCPU, and whoever wrote it thought of vCPUs that run: one that was
 * never started has no entry points, no run queue; one of a paused, ended or dying domain must not
 * be put back to work by its peer. A vulnerable system enters a guest at address 0, runs what its
 * controller has stopped, or touches the records of a domain that is gone.
 *
 * This guest sends to a domain that is being built, paused, has shut down, is half destroyed, and
 * is gone; and to a second vCPU of a running one, in each of its states. Held here: pending is kept
 * until the domain can take it, nobody runs who may not, and a port whose domain is gone is closed.
 */
#include "hvlib/builder.h"
#include "hvlib/clock.h"
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
            while (NEED(hv_vcpu_down(dom, 1)) > 0)
                ;
    }
    while (NEED(hv_vcpu_down(dom, 0)) > 0)
        ;
    uint64_t ran = test_info(dom).cpu_ns;

    CHECK_EQ(hv_event_send(port), 0);
    idle();
    CHECK_EQ(test_info(dom).cpu_ns, ran);
    CHECK_EQ(hv_domain_end(dom), 0);
    CHECK_EQ(hv_event_close(HV_SELF, port), 0);
}

void test_main(void)
{
    uint64_t child, theirs, port;

    if (test_is("receiver")) {
        receiver();
        return;
    }
    check_second_vcpu();
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
    idle();
    uint64_t calls = shared[CALLS];

    CHECK(calls <= 1); /* its handler came late, or in time; ten sends are one event */
    CHECK_EQ(hv_event_send(port), 0);
    test_await(child, CALLS, calls + 1);
    idle();
    CHECK_EQ(shared[CALLS], calls + 1);
    /* Paused while it waits. */
    CHECK_EQ(hv_domain_pause(child), 0);
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
