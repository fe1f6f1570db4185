/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers of the event family, and of poll: with 4,000 ports in use, 1,000 of them throttled where
 * that makes a difference.
 */
#include "bounds.h"

static struct hv_event_status *const status = (void *)bound_page;

/* The other end's port. */
static uint32_t remote_of(uint32_t port)
{
    CHECK_EQ(hv_event_status(HV_SELF, port, hv_gpa(status)), 0);
    return status->source;
}

static void drive_event_alloc(void)
{
    uint64_t port, peer = bound_peer();

    for (unsigned i = 0; i < 3; i++) {
        port = (uint64_t)NEED(TIMED(hv_event_alloc(HV_SELF, peer)));
        NEED(hv_event_close(HV_SELF, port));
    }
    /* Until there is none left. */
    while (TIMED(hv_event_alloc(peer, 0)) > 0 && port < 4096)
        port++;
}
BOUND(event_alloc, 1100, drive_event_alloc);

static void drive_event_bind(void)
{
    struct hv_msi *msi = (void *)bound_page;
    uint64_t other, port;

    for (unsigned i = 0; i < 3; i++) {
        other = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
        port = (uint64_t)NEED(TIMED(hv_event_bind(HV_SELF, HV_BIND_PEER, HV_SELF, other, 0)));
        NEED(hv_event_close(HV_SELF, port));
        NEED(hv_event_close(HV_SELF, other));
        port = (uint64_t)NEED(TIMED(hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 0, 0)));
        NEED(hv_event_close(HV_SELF, port));
        port = (uint64_t)NEED(
            TIMED(hv_event_bind(HV_SELF, HV_BIND_IRQ, 17, HV_IRQ_LEVEL | HV_IRQ_LOW, 0)));
        NEED(hv_event_close(HV_SELF, port));
        port = (uint64_t)NEED(TIMED(hv_event_bind(HV_SELF, HV_BIND_MSI, DEVICE, 0, hv_gpa(msi))));
        NEED(hv_event_close(HV_SELF, port));
    }
}
BOUND(event_bind, 620, drive_event_bind);

/* Takes the only tokens, those of the last channels first, so that of two that are throttled then
 * the later one is due earlier: it goes in front of the heap. None is due within a second, that is,
 * while this runs: no interrupt of theirs falls into a call. */
static void use_up(void)
{
    for (unsigned i = CHANNELS; i-- > 0;) {
        NEED(hv_event_set_rate(bound_peer(), remote_of(bound_port[i]), 1, 1));
        CHECK_EQ(hv_event_send(bound_port[i]), 0);
    }
}

static void drive_event_send(void)
{
    use_up();
    for (unsigned i = 0; i < CHANNELS; i++) {
        if (i % 4 == 0 || i == CHANNELS - 1)
            CHECK_EQ(TIMED(hv_event_send(bound_port[i])), 0);
        else
            CHECK_EQ(hv_event_send(bound_port[i]), 0);
    }
}
BOUND(event_send, 1600, drive_event_send);

/* None is throttled any more. */
static void let_go(void)
{
    for (unsigned i = 0; i < CHANNELS; i++)
        NEED(hv_event_set_rate(bound_peer(), remote_of(bound_port[i]), HV_RATE_MAX, 1));
}

/* One that is throttled, the first in the heap and one in its middle. */
static void drive_event_close(void)
{
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(TIMED(hv_event_close(HV_SELF, bound_port[CHANNELS - 1 - 100 * i])), 0);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t remote, peer = bound_peer();

        /* Throttled like the one that is gone. */
        for (remote = 1; hv_event_status(peer, remote, hv_gpa(status)) == 0; remote++) {
            if (status->state == HV_PORT_CLOSED)
                break;
        }
        CHECK_EQ(TIMED(hv_event_close(peer, remote)), 0);
        remote = (uint64_t)NEED(hv_event_alloc(peer, 0));
        bound_port[CHANNELS - 1 - 100 * i] =
            (uint32_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, peer, remote, 0));
        NEED(hv_event_set_rate(peer, remote, 1, 1));
        for (unsigned sends = 0; sends < 2; sends++)
            NEED(hv_event_send(bound_port[CHANNELS - 1 - 100 * i]));
    }
    let_go();
}
BOUND(event_close, 1800, drive_event_close);

static void drive_event_status(void)
{
    uint64_t peer = bound_peer();

    CHECK_EQ(TIMED(hv_event_status(HV_SELF, bound_port[CHANNELS - 1], hv_gpa(status))), 0);
    CHECK_EQ(TIMED(hv_event_status(peer, HV_MAX_PORTS - 1, hv_gpa(status))), 0);
    CHECK_EQ(status->state, HV_PORT_FREE);
}
BOUND(event_status, 250, drive_event_status);

static void drive_event_unmask(void)
{
    uint64_t port =
        (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_IRQ, 17, HV_IRQ_LEVEL | HV_IRQ_LOW, 0));

    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(TIMED(hv_event_unmask(port)), 0);
    NEED(hv_event_close(HV_SELF, port));
}
BOUND(event_unmask, 160, drive_event_unmask);

static void drive_event_set_vcpu(void)
{
    uint64_t peer = bound_peer(), remote = remote_of(bound_port[CHANNELS - 1]);

    CHECK_EQ(TIMED(hv_event_set_vcpu(peer, remote, 0)), 0);
}
BOUND(event_set_vcpu, 200, drive_event_set_vcpu);

static void drive_event_set_priority(void)
{
    uint64_t peer = bound_peer(), remote = remote_of(bound_port[CHANNELS - 1]);

    CHECK_EQ(TIMED(hv_event_set_priority(peer, remote, HV_PRIORITY_URGENT)), 0);
    CHECK_EQ(TIMED(hv_event_set_priority(peer, remote, HV_PRIORITY_NORMAL)), 0);
}
BOUND(event_set_priority, 160, drive_event_set_priority);

/* Of ports that are throttled, to the front of the heap and to its end. */
static void drive_event_set_rate(void)
{
    uint64_t peer = bound_peer();

    use_up();
    for (unsigned i = 0; i < CHANNELS; i++)
        CHECK_EQ(hv_event_send(bound_port[i]), 0);
    for (unsigned i = 0; i < 100; i++) {
        uint32_t remote = remote_of(bound_port[i * 10]);

        CHECK_EQ(TIMED(hv_event_set_rate(peer, remote, i & 1 ? 1 : HV_RATE_MAX, 1)), 0);
    }
    let_go();
}
BOUND(event_set_rate, 1500, drive_event_set_rate);

/* All ports that it takes: none is pending and the deadline has passed; the last one is pending. */
static void drive_poll(void)
{
    uint32_t *ports = (void *)bound_page;
    uint64_t last = (uint64_t)NEED(hv_event_alloc(HV_SELF, HV_SELF));
    uint64_t sender = (uint64_t)NEED(hv_event_bind(HV_SELF, HV_BIND_PEER, HV_SELF, last, 0));

    for (unsigned i = 0; i < HV_MAX_POLL_PORTS - 1; i++)
        ports[i] = bound_port[i];
    ports[HV_MAX_POLL_PORTS - 1] = (uint32_t)last;
    hv_mask();
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(TIMED(hv_poll(hv_gpa(ports), HV_MAX_POLL_PORTS, 1)), 0);
        NEED(hv_event_send(sender));
    }
    CHECK_EQ(TIMED(hv_poll(hv_gpa(ports), HV_MAX_POLL_PORTS, HV_POLL_FOREVER)), 0);
    hv_unmask();
    NEED(hv_event_close(HV_SELF, sender));
    NEED(hv_event_close(HV_SELF, last));
}
BOUND(poll, 7500, drive_poll);
