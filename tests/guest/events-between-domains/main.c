/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: timeout=60
 *
 * Ports between domains: bound by their named peer alone, raised in both directions, told apart
 * when the other end closes or dies, and clean when their number is used again.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "ports connect two domains that agreed, until one of them ends";

enum { STAGE, OFFERED, ANSWER, SERVED };

static volatile unsigned calls;

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    calls++;
}

static struct hv_event_status status_of(uint64_t port)
{
    struct hv_event_status s = { 0 };

    CHECK_EQ(hv_event_query(port, &s), 0);
    return s;
}

static void await_calls(unsigned n)
{
    uint64_t end = hv_now() + TEST_PATIENCE_NS;

    while (calls < n) {
        CHECK(hv_now() < end);
        hv_yield();
    }
    CHECK_EQ(calls, n);
}

/* ---- the peer: binds what it is offered, answers each event, closes when it is told to ---- */

static void answers(void)
{
    uint64_t offered = 0, port = 0, parent = hv_start_parent();
    volatile uint64_t *shared = test_shared(TEST_PARENT);

    for (uint64_t stage = 1;; stage++) {
        test_await(TEST_PARENT, STAGE, stage);
        offered = shared[OFFERED];
        if (offered == 0)
            return;
        port = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, parent, offered, on_event, NULL));
        CHECK_EQ(hv_event_bind(HV_SELF, HV_BIND_PEER, parent, offered, 0), -HV_EINVAL);
        CHECK_EQ(status_of(port).peer, parent);
        CHECK_EQ(status_of(port).source, offered);
        calls = 0;
        NEED(hv_event_send(port));
        await_calls(1);
        if (stage % 2) {
            CHECK_EQ(hv_event_end(port), 0);
        } else { /* wait for the parent to close */
            test_signal(TEST_PARENT, SERVED, stage);
            await_calls(2);
            CHECK_EQ(status_of(port).state, HV_PORT_CLOSED);
            CHECK_EQ(hv_event_send(port), -HV_EDEAD);
            CHECK_EQ(hv_event_end(port), 0);
        }
        test_signal(TEST_PARENT, ANSWER, stage);
    }
}

static void check_stage(uint64_t child, uint64_t stage)
{
    uint64_t port = (uint64_t)NEED(hv_event_offer(child, on_event, NULL));

    calls = 0;
    CHECK_EQ(status_of(port).state, HV_PORT_UNBOUND);
    CHECK_EQ(status_of(port).peer, child);
    CHECK_EQ(hv_event_send(port), -HV_EINVAL);
    test_shared(child)[OFFERED] = port;
    test_signal(child, STAGE, stage);
    await_calls(1);
    CHECK_EQ(status_of(port).state, HV_PORT_PEER);
    NEED(hv_event_send(port));
    if (stage % 2) {
        await_calls(2); /* the peer's close raises */
        CHECK_EQ(status_of(port).state, HV_PORT_CLOSED);
        CHECK_EQ(hv_event_send(port), -HV_EDEAD);
        CHECK_EQ(hv_event_end(port), 0);
    } else {
        /* Raised while it is pending, the end would be one event with what was sent. */
        test_await(child, SERVED, stage);
        CHECK_EQ(hv_event_end(port), 0);
    }
    test_await(child, ANSWER, stage);
    CHECK_EQ(status_of(port).state, HV_PORT_FREE);
}

/* A bit that was pending when its port closed is not the next user's event. */
static void check_stale_pending(void)
{
    for (unsigned urgent = 0; urgent < 2; urgent++) {
        uint64_t port = (uint64_t)NEED(hv_event_offer(HV_SELF, on_event, NULL));
        uint64_t other =
            (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, hv_start_domain_id(), port, NULL, NULL));

        calls = 0;
        hv_mask();
        NEED(hv_event_send(other));
        if (urgent) /* pending as a normal one, then the priority changes */
            NEED(hv_event_set_priority(HV_SELF, port, HV_PRIORITY_URGENT));
        CHECK_EQ(hv_event_close(HV_SELF, port), 0);
        CHECK_EQ(hv_event_offer(HV_SELF, on_event, NULL), port);
        hv_unmask();
        CHECK_EQ(calls, 0);
        CHECK_EQ(hv_event_end(port), 0);
        CHECK_EQ(hv_event_end(other), 0);
    }
}

/* A peer that dies closes its ends; each way of dying. */
static void check_death(const char *role)
{
    uint64_t child = test_spawn(role, 192),
             port = (uint64_t)NEED(hv_event_offer(child, on_event, NULL));

    calls = 0;
    test_shared(child)[OFFERED] = port;
    test_signal(child, STAGE, 1);
    await_calls(1);
    test_wait(child, NULL);
    test_destroy(child);
    await_calls(2);
    CHECK_EQ(status_of(port).state, HV_PORT_CLOSED);
    CHECK_EQ(hv_event_send(port), -HV_EDEAD);
    CHECK_EQ(hv_event_end(port), 0);
}

static void dies(void)
{
    test_await(TEST_PARENT, STAGE, 1);
    NEED(hv_event_send((uint64_t)NEED(hv_event_listen(
        HV_BIND_PEER, hv_start_parent(), test_shared(TEST_PARENT)[OFFERED], NULL, NULL))));
    if (test_is("killed")) {
        *(volatile uint32_t *)&hv_vcpu->busy = 1;
        __asm__ volatile("ud2");
    }
}

/* A port that was made for somebody who never binds it, and for somebody who is gone. */
static void check_unbound(void)
{
    uint64_t child = test_build("idle", 192, NULL),
             port = (uint64_t)NEED(hv_event_offer(child, NULL, NULL));

    test_destroy(child);
    CHECK_EQ(hv_event_send(port), -HV_EINVAL);
    CHECK_EQ(hv_event_end(port), 0);
    CHECK_EQ(hv_event_alloc(HV_SELF, child), -HV_EINVAL);
    CHECK(hv_event_bind(HV_SELF, HV_BIND_PEER, child, 1, 0) < 0);
}

void test_main(void)
{
    if (test_is("answers")) {
        answers();
        return;
    }
    if (!test_is("root")) {
        dies();
        return;
    }
    uint64_t child = test_spawn("answers", 192);

    for (uint64_t stage = 1; stage <= 10; stage++)
        check_stage(child, stage);
    test_shared(child)[OFFERED] = 0;
    test_signal(child, STAGE, 11);
    test_join(child);
    check_stale_pending();
    check_death("ends");
    check_death("killed");
    check_unbound();
}
