/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * Threat (E3). A port closes while its peer is sending, and its number is used again at once: for
 * somebody else, or bound anew by the same peer. If a pending bit, a throttled event or the peer's
 * pointer outlives the port, its next user sees events that were never sent to it; if too much is
 * thrown away, one that was sent to the new port is lost.
 *
 * A child sends as fast as it can, beyond its limit too, while this guest closes the port at
 * changing moments and uses the number for a port of its own, then offers it again. Held here: the
 * child's send says -HV_EDEAD from the close on, the number in other hands stays silent, and what
 * is sent through the new channel arrives. (The half that needs two CPUs, a close within a send, is
 * not shown.)
 */
#include "hvlib/clock.h"
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

static void idle(uint64_t ns)
{
    for (uint64_t end = hv_now() + ns; hv_now() < end;)
        hv_yield();
}

void test_main(void)
{
    uint64_t child, first = 0;

    if (test_is("sender")) {
        sender();
        return;
    }
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
