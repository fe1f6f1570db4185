/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=60
 *
 * Threat. poll is told its ports in memory that the guest, another vCPU of it, or a peer that has
 * the page granted can change while the call sleeps. If the list is read again on wake-up, a number
 * that was checked is not the number that is used: an index beyond the table, a port of another
 * vCPU, a wait that never ends.
 *
 * This guest polls with its list in the page that it shares with a child; the child overwrites it
 * during the sleep with every kind of nonsense, then sends on a port that was in the list, or on
 * one that was not. It also polls every port number. Held here: the list counts as it was at the
 * call.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "the ports of a poll are those at the call, whatever becomes of the list";

enum { STAGE, WHICH, LIST = 64 }; /* LIST: the page's second cache line block of words */

static uint32_t port[2];

static void child(void)
{
    static const uint64_t nonsense[] = { 0, ~(uint64_t)0, 0x0000100000001000, 0xfff00000fff };
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    uint64_t own[2];
    /* The parent sleeps after it: on a host that lets it wait just before that, too. */
    const uint64_t rest = test_virtual_time() ? 100000 : 20000000;

    for (unsigned i = 0; i < 2; i++)
        own[i] = (uint64_t)NEED(
            hv_event_bind(HV_SELF, HV_BIND_PEER, hv_start_parent(), shared[2 + i], 0));
    for (uint64_t stage = 1; stage <= 8; stage++) {
        test_await(TEST_PARENT, STAGE, stage);
        hv_delay(rest);
        shared[LIST] = nonsense[stage % 4];
        hv_delay(rest);
        if (shared[WHICH])
            CHECK_EQ(hv_event_send(own[1]), 0); /* not in the list of the call */
        hv_delay(rest);
        CHECK_EQ(hv_event_send(own[0]), 0);
    }
}

static bool pending(uint32_t n)
{
    return hv_vcpu->pending[0][n / 64] >> n % 64 & 1;
}

/* 0 and above, used and free: one answer each, and no poll is left behind. */
static void check_every_number(uint64_t gpa)
{
    volatile uint32_t *list = hv_va(gpa);

    for (uint32_t n = 0; n < HV_MAX_PORTS + 64; n++) {
        struct hv_event_status s = { 0 };
        bool used = hv_event_query(n, &s) == 0 && s.state != HV_PORT_FREE;

        list[0] = n;
        CHECK_EQ(hv_poll(gpa, 1, 0), used ? 0 : -HV_EINVAL);
        list[1] = port[0];
        CHECK_EQ(hv_poll(gpa, 2, 0), used ? 0 : -HV_EINVAL);
    }
    for (unsigned bit = 12; bit < 32; bit++) {
        list[0] = port[0] | 1u << bit;
        CHECK_EQ(hv_poll(gpa, 1, 0), -HV_EINVAL);
    }
}

void test_main(void)
{
    uint64_t dom, gpa;

    if (test_is("child")) {
        child();
        return;
    }
    dom = test_build("child", 0, NULL);
    volatile uint64_t *shared = test_shared(dom);

    for (unsigned i = 0; i < 2; i++)
        shared[2 + i] = port[i] = (uint32_t)NEED(hv_event_offer(dom, NULL, NULL));
    gpa = hv_gpa((const void *)(uintptr_t)&shared[LIST]);
    NEED(hv_domain_start(dom));
    hv_mask();
    for (uint64_t stage = 1; stage <= 8; stage++) {
        uint64_t start;

        shared[WHICH] = stage > 4;
        *(volatile uint32_t *)hv_va(gpa) = port[0];
        start = hv_now();
        test_signal(dom, STAGE, stage);
        CHECK_EQ(hv_poll(gpa, 1, start + TEST_PATIENCE_NS), 0);
        CHECK(pending(port[0]));
        CHECK_EQ(pending(port[1]), stage > 4);
        CHECK(hv_now() - start >= 290000);
        CHECK_TIME(hv_now() - start < 1000000000);
        /* poll ends as soon as the port's bit is set; what finds it here is set behind that. */
        do
            hv_event_poll();
        while (pending(port[0]) || pending(port[1]));
    }
    check_every_number(gpa);
    hv_unmask();
    test_join(dom);
}
