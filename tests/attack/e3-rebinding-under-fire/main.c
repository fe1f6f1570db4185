/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=120 again=2
 *
 * Threat (E3). A port closes while its peer is sending, and its number is used again at once: for
 * somebody else, or bound anew by the same peer. If a pending bit, a throttled event or the peer's
 * pointer outlives the port, its next user sees events that were never sent to it; if too much is
 * thrown away, one that was sent to the new port is lost.
 *
 * A child sends as fast as it can, beyond its limit too, while this guest closes the port at
 * changing moments and uses the number for a port of its own, then offers it again. A vCPU of its
 * own sends without a pause while another closes the port, uses its number, and moves it from one
 * vCPU to another: on two processors in the midst of the send. Held here: the send says -HV_EDEAD,
 * or -HV_EINVAL, from the close on, the number in other hands stays silent, what is sent through
 * the new channel arrives, and what is sent to a port that moves is found where it is then.
 */
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "test.h"

const char test_title[] = "closing and rebinding under fire loses nothing and leaves nothing";

enum { OFFER, ROUND, SENT };

#define ROUNDS 200u

static volatile unsigned calls;

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    calls++;
}

/* Binds each offer and sends until the port is dead. */
static void sender(void)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);

    for (uint64_t round = 1; round <= ROUNDS; round++) {
        test_await(TEST_PARENT, OFFER, round);
        uint64_t port = (uint64_t)NEED(
            hv_event_listen(HV_BIND_PEER, hv_start_parent(), shared[ROUND], NULL, NULL));
        int64_t result;

        while ((result = hv_event_send(port)) == 0)
            shared[SENT]++;
        CHECK_EQ(result, -HV_EDEAD);
        CHECK_EQ(hv_event_end(port), 0);
    }
}

/* ---- within one domain ---- */

#define STACK 16384u

static char stack[STACK] __attribute__((aligned(4096)));
static uint64_t target;
static volatile uint64_t sends, dead;
static volatile bool over;

/* Whatever the port is meanwhile. */
static void send(void *arg)
{
    (void)arg;
    while (!over) {
        int64_t result = hv_event_send(target);

        CHECK(result == 0 || result == -HV_EINVAL);
        dead += result < 0;
        sends++;
    }
}

static void wait_more(volatile uint64_t *count, uint64_t more)
{
    uint64_t was = *count, end = hv_now() + TEST_PATIENCE_NS;

    while (*count - was < more) {
        CHECK(hv_now() < end);
        hv_yield();
    }
}

/* The number of a port that is sent to belongs to another kind of port as soon as it is free. */
static void check_number(void)
{
    CHECK_EQ(hv_vcpu_start(1, send, NULL, stack, STACK), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        CHECK_EQ(hv_event_listen(HV_BIND_IPI, 0, 0, on_event, NULL), target);
        wait_more(&sends, 1 + round % 3);
        bool was = hv_mask();

        CHECK_EQ(hv_event_close(HV_SELF, target), 0);
        CHECK_EQ(hv_event_offer(HV_SELF, on_event, NULL), target);
        calls = 0;
        hv_restore(was);
        wait_more(&sends, 2);
        CHECK_EQ(calls, 0);
        CHECK_EQ(hv_event_end(target), 0);
    }
    CHECK(dead > 0);
    over = true;
    CHECK_EQ(hv_vcpu_stop(1), 0);
}

static uint64_t bit_of(uint64_t vcpu, uint64_t port)
{
    const struct hv_vcpu_page *page = hv_va((HV_GFN_SHARED + vcpu) << HV_PAGE_SHIFT);

    return page->pending[HV_PRIORITY_NORMAL][port / 64] >> port % 64 & 1;
}

/* Sent to all the time, a port goes from one vCPU to the other: from then on, and not later, its
 * bit is in that one's page alone. */
static void check_moves(void)
{
    uint64_t far = (uint64_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    uint32_t poll = (uint32_t)far;

    target = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, hv_start_domain_id(), far, NULL, NULL));
    CHECK_EQ(hv_vcpu_start(1, send, NULL, stack, STACK), 0);
    hv_mask(); /* the other one has upcalls masked, too: nobody takes anything */
    for (unsigned n = 0; n < 10 * ROUNDS; n++) {
        CHECK_EQ(hv_event_set_vcpu(HV_SELF, far, 1 - n % 2), 0);
        CHECK_EQ(bit_of(n % 2, far), 0);
        if (n % 16 == 0)
            wait_more(&sends, 1);
    }
    over = true;
    CHECK_EQ(hv_vcpu_stop(1), 0);
    CHECK_EQ(hv_event_send(target), 0);
    CHECK_EQ(bit_of(1, far), 0);
    CHECK_EQ(hv_event_await(&poll, 1, hv_now()), far);
    hv_unmask();
    over = false;
    CHECK_EQ(hv_event_end(target), 0);
    CHECK_EQ(hv_event_end(far), 0);
}

static void be_both(void)
{
    check_moves();
    target = (uint64_t)NEED(hv_event_listen(HV_BIND_IPI, 0, 0, NULL, NULL));
    NEED(hv_event_end(target));
    check_number();
    hv_shutdown(0);
}

static void idle(uint64_t ns)
{
    static uint32_t port;

    if (!port)
        port = (uint32_t)NEED(hv_event_offer(HV_SELF, NULL, NULL));
    CHECK_EQ(hv_event_await(&port, 1, hv_now() + ns), 0);
}

void test_main(void)
{
    uint64_t child, first = 0;

    if (test_is("sender")) {
        sender();
        return;
    }
    if (test_is("both"))
        be_both();
    test_options.vcpus = 2;
    child = test_spawn("both", 0);
    while (test_info(child).state == HV_DOMAIN_RUNNING)
        idle(10000000);
    test_join(child);
    child = test_spawn("sender", 0);
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint64_t port = (uint64_t)NEED(hv_event_offer(child, on_event, NULL));

        first = first ? first : port;
        CHECK_EQ(port, first); /* the number is the same each time */
        if (round % 2)
            CHECK_EQ(hv_event_set_rate(HV_SELF, port, 1000, 1), 0);
        test_shared(child)[SENT] = 0;
        test_shared(child)[ROUND] = port;
        calls = 0;
        test_signal(child, OFFER, round);
        while (calls == 0)
            hv_yield();
        idle(round * 7919 % 3000000);
        if (round % 3 == 0)
            hv_mask(); /* with its event pending */
        CHECK_EQ(hv_event_close(HV_SELF, port), 0);
        CHECK_EQ(hv_event_offer(child, on_event, NULL), port);
        calls = 0;
        hv_unmask();
        idle(2000000); /* its next token would have been due */
        CHECK_EQ(calls, 0);
        CHECK(test_shared(child)[SENT] > 0);
        CHECK_EQ(hv_event_end(port), 0);
    }
    test_join(child);
}
