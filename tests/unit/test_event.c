/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: every state and error of a port, delivery and upcalls, interrupt lines, and
 * random operations of several domains against a model of who is connected to whom.
 *
 * sources: tests/unit/host_cpu.c tests/unit/host_core.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c
 * sources: hyp/core/console.c hyp/core/counter.c hyp/core/dma.c hyp/core/domain.c hyp/core/epoch.c
 * sources: hyp/core/domain_vcpu.c hyp/core/event.c hyp/core/poll.c
 * sources: hyp/core/event_irq.c
 * sources: hyp/core/frame.c hyp/core/grant.c hyp/core/guestmem.c
 * sources: hyp/core/ioemul.c hyp/core/p2m.c hyp/core/portdecode.c hyp/core/resource.c
 * sources: hyp/core/sched.c hyp/core/space.c hyp/core/space_leaf.c
 * sources: hyp/core/space_table.c hyp/core/timer.c hyp/core/trace.c hyp/lib/lock.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_core.h"

#include "event.h"
#include "frame.h"
#include "hv_domain.h"
#include "resource.h"
#include "sched.h"

#define FRAMES  8192u
#define DOMAINS 4u
#define PORTS   80u /* of the random test: two record frames */

static struct domain *a, *b;

static void start(void)
{
    host_core_start(FRAMES);
    a = host_domain(domain_root, 512, 0);
    b = host_domain(domain_root, 512, 0);
}

static bool pending(struct domain *d, uint64_t port, uint32_t priority)
{
    const struct hv_vcpu_page *p = d->vcpu[0]->page;

    return p->pending[priority][port / 64] >> (port % 64) & 1;
}

/* What a guest does when it serves: selector, then words. Returns how many were pending. */
static unsigned int serve(struct domain *d)
{
    struct hv_vcpu_page *p = d->vcpu[0]->page;
    unsigned int n = 0;

    for (int priority = 0; priority < 2; priority++) {
        uint64_t sel = p->pending_sel[priority];

        p->pending_sel[priority] = 0;
        for (unsigned int w = 0; w < 64; w++) {
            if (sel >> w & 1) {
                n += (unsigned int)__builtin_popcountll(p->pending[priority][w]);
                p->pending[priority][w] = 0;
            }
        }
    }
    return n;
}

static struct hv_event_status status(struct domain *d, uint64_t port)
{
    struct hv_event_status s;

    memset(&s, 0xee, sizeof(s));
    must(event_status(d, port, &s) == 0);
    must(s.rsvd == 0);
    return s;
}

/* A channel from a to b; pa and pb are its ends. */
static void connect(int64_t *pa, int64_t *pb)
{
    *pa = host_port(a, b->id);
    must(*pa > 0);
    *pb = host_bind_peer(b, a->id, (uint64_t)*pa);
    must(*pb > 0);
}

START_TEST(test_send_reaches_the_other_end_alone)
{
    int64_t pa, pb;

    start();
    connect(&pa, &pb);
    host_run(a);
    ck_assert_int_eq(event_send(a->vcpu[0], (uint64_t)pa), 0);
    ck_assert(pending(b, (uint64_t)pb, 0));
    ck_assert_uint_eq(serve(a), 0);
    ck_assert_uint_eq(serve(b), 1);
    ck_assert_uint_eq(a->vcpu[0]->counters.events_sent, 1);
    ck_assert_uint_eq(status(a, (uint64_t)pa).peer, b->id);
    ck_assert_uint_eq(status(a, (uint64_t)pa).source, (uint64_t)pb);
}
END_TEST

START_TEST(test_only_the_named_peer_binds)
{
    int64_t pa, c;

    start();
    pa = host_port(a, b->id);
    ck_assert_int_eq(host_bind_peer(domain_root, a->id, (uint64_t)pa), -HV_EINVAL);
    ck_assert_int_eq(host_bind_peer(a, HV_SELF, (uint64_t)pa), -HV_EINVAL);
    ck_assert_int_eq(host_bind_peer(b, 77, (uint64_t)pa), -HV_EDEAD);
    for (c = 0; c < 5000; c++) {
        if (c != pa) {
            ck_assert_int_eq(host_bind_peer(b, a->id, (uint64_t)c), -HV_EINVAL);
        }
    }
    ck_assert_int_gt(host_bind_peer(b, a->id, (uint64_t)pa), 0);
    ck_assert_int_eq(host_bind_peer(b, a->id, (uint64_t)pa), -HV_EINVAL);
    ck_assert_int_eq(host_port(a, 77), -HV_EINVAL);
}
END_TEST

START_TEST(test_upcall_only_when_a_selector_bit_rises)
{
    int64_t pa, pb, qa, qb;

    start();
    connect(&pa, &pb);
    connect(&qa, &qb);
    host_run(b);
    b->vcpu[0]->page->masked = 0;
    event_raise(b, (uint32_t)pb);
    ck_assert(host_cpu0.work & CPU_WORK_UPCALL);
    host_cpu0.work = 0;
    event_raise(b, (uint32_t)qb);
    event_raise(b, (uint32_t)pb);
    ck_assert_uint_eq(host_cpu0.work, 0);
    ck_assert_uint_eq(serve(b), 2);
    b->vcpu[0]->page->masked = 1;
    event_raise(b, (uint32_t)pb);
    ck_assert_uint_eq(host_cpu0.work, 0);
    a->vcpu[0]->page->masked = 0;
    event_raise(a, (uint32_t)pa);
    ck_assert_msg(host_cpu0.work == 0, "not the one that runs");
    ck_assert(event_pending(b->vcpu[0]) && !event_upcall_due(b->vcpu[0]));
    b->vcpu[0]->page->masked = 0;
    ck_assert(event_upcall_due(b->vcpu[0]));
    b->vcpu[0]->page->busy = 1;
    ck_assert(!event_upcall_due(b->vcpu[0]));
}
END_TEST

START_TEST(test_a_blocked_vcpu_is_woken)
{
    int64_t pa, pb;

    start();
    connect(&pa, &pb);
    host_run(b);
    host_run(a);
    sched_sleep(b->vcpu[0], VCPU_BLOCKED);
    ck_assert_uint_eq(b->vcpu[0]->wait, VCPU_BLOCKED);
    event_send(a->vcpu[0], (uint64_t)pa);
    ck_assert_uint_eq(b->vcpu[0]->wait, 0);
    ck_assert(tree_has(&b->vcpu[0]->sched.node));
}
END_TEST

START_TEST(test_close_tells_the_other_end)
{
    int64_t pa, pb, again;

    start();
    connect(&pa, &pb);
    host_run(a);
    ck_assert_int_eq(event_close(b, (uint64_t)pb), 0);
    ck_assert_int_eq(event_close(b, (uint64_t)pb), -HV_EINVAL);
    ck_assert(pending(a, (uint64_t)pa, 0));
    ck_assert_uint_eq(status(a, (uint64_t)pa).state, HV_PORT_CLOSED);
    ck_assert_int_eq(event_send(a->vcpu[0], (uint64_t)pa), -HV_EDEAD);
    ck_assert_int_eq(event_close(a, (uint64_t)pa), 0);
    ck_assert(!pending(a, (uint64_t)pa, 0));
    ck_assert_int_eq(event_send(a->vcpu[0], (uint64_t)pa), -HV_EINVAL);
    again = host_port(a, HV_SELF);
    ck_assert_int_eq(again, pa);
    ck_assert_uint_eq(status(a, (uint64_t)again).state, HV_PORT_UNBOUND);
}
END_TEST

START_TEST(test_a_port_to_oneself)
{
    int64_t p, q;

    start();
    p = host_port(a, HV_SELF);
    q = host_bind_peer(a, HV_SELF, (uint64_t)p);
    ck_assert_int_gt(q, 0);
    host_run(a);
    ck_assert_int_eq(event_send(a->vcpu[0], (uint64_t)p), 0);
    ck_assert(pending(a, (uint64_t)q, 0));
    ck_assert_int_eq(event_close(a, (uint64_t)q), 0);
    ck_assert_uint_eq(status(a, (uint64_t)p).state, HV_PORT_CLOSED);
}
END_TEST

/* Every number beyond the end, free ports, ports of kinds that cannot be sent through. */
START_TEST(test_numbers_out_of_range)
{
    static const uint64_t bad[] = {
        0, 1, 63, 64, 4095, 4096, 4097, (uint64_t)1 << 32, (uint64_t)1 << 63, ~(uint64_t)0
    };
    struct hv_event_status s;
    int64_t p;

    start();
    host_run(a);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(event_send(a->vcpu[0], bad[i]), -HV_EINVAL);
        ck_assert_int_eq(event_close(a, bad[i]), -HV_EINVAL);
        ck_assert_int_eq(event_unmask(a, bad[i]), -HV_EINVAL);
        ck_assert_int_eq(event_set_vcpu(a, bad[i], 0), -HV_EINVAL);
        ck_assert_int_eq(event_set_priority(a, bad[i], 0), -HV_EINVAL);
        ck_assert_ptr_null(event_port(a, bad[i]));
        ck_assert_int_eq(event_status(a, bad[i], &s),
                         bad[i] > 0 && bad[i] < HV_MAX_PORTS ? 0 : -HV_EINVAL);
    }
    p = host_port(a, b->id);
    ck_assert_int_eq(event_send(a->vcpu[0], (uint64_t)p), -HV_EINVAL);
    ck_assert_int_eq(event_set_vcpu(a, (uint64_t)p, 1), -HV_EINVAL);
    ck_assert_int_eq(event_set_priority(a, (uint64_t)p, 2), -HV_EINVAL);
    ck_assert_int_eq(event_unmask(a, (uint64_t)p), -HV_EINVAL);
    event_raise(a, 0);
    event_raise(a, 4095);
    ck_assert_uint_eq(serve(a), 0);
}
END_TEST

START_TEST(test_priorities)
{
    int64_t pa, pb;

    start();
    connect(&pa, &pb);
    host_run(a);
    ck_assert_int_eq(event_set_priority(b, (uint64_t)pb, HV_PRIORITY_URGENT), 0);
    event_send(a->vcpu[0], (uint64_t)pa);
    ck_assert(pending(b, (uint64_t)pb, HV_PRIORITY_URGENT));
    ck_assert(!pending(b, (uint64_t)pb, HV_PRIORITY_NORMAL));
}
END_TEST

/* A domain takes every port; each frame of records is charged, and comes back. */
START_TEST(test_the_table_ends)
{
    uint64_t used;

    start();
    used = a->used;
    for (int64_t i = 1; i < HV_MAX_PORTS; i++) {
        must(host_port(a, HV_SELF) == i);
    }
    ck_assert_uint_eq(a->used, used + 64);
    ck_assert_int_eq(host_port(a, HV_SELF), -HV_ENOSPC);
    ck_assert_int_eq(event_close(a, 1234), 0);
    ck_assert_int_eq(event_close(a, 2345), 0);
    ck_assert_int_eq(host_port(a, HV_SELF), 1234);
    ck_assert_int_eq(host_port(a, HV_SELF), 2345);
    ck_assert_int_eq(host_port(a, HV_SELF), -HV_ENOSPC);
    ck_assert_int_eq(host_destroy(a), 0);
}
END_TEST

START_TEST(test_no_quota_no_port)
{
    struct hv_msi msi;
    int64_t p;

    start();
    p = host_port(b, a->id);
    a->quota = a->used;
    ck_assert_int_eq(host_port(a, HV_SELF), -HV_ENOMEM);
    ck_assert_int_eq(host_bind_peer(a, b->id, (uint64_t)p), -HV_ENOMEM);
    ck_assert_uint_eq(status(b, (uint64_t)p).state, HV_PORT_UNBOUND);
    ck_assert_int_eq(host_bind_virq(a, HV_VIRQ_TIMER, 0), -HV_ENOMEM);
    ck_assert_ptr_null(a->vcpu[0]->timer_port);
    domain_root->quota = domain_root->used + domain_root->granted_quota;
    ck_assert_int_eq(host_bind_irq(domain_root, 5, 0), -HV_ENOMEM);
    ck_assert_int_eq(host_bind_msi(domain_root, 0x18, &msi), -HV_ENOMEM);
    ck_assert_msg(host_handler[0] == NULL && host_masked[5], "nothing was connected");
    a->quota++;
    ck_assert_int_eq(host_port(a, HV_SELF), 1);
    a->quota = 512;
}
END_TEST

START_TEST(test_virtual_irqs)
{
    int64_t p;

    start();
    ck_assert_int_eq(host_bind_virq(a, HV_VIRQ_CONSOLE, 0), -HV_EPERM);
    ck_assert_int_eq(host_bind_virq(a, HV_VIRQ_LIMIT, 0), -HV_EINVAL);
    ck_assert_int_eq(host_bind_virq(a, HV_VIRQ_TIMER, 1), -HV_EINVAL);
    p = host_bind_virq(a, HV_VIRQ_TIMER, 0);
    ck_assert_int_gt(p, 0);
    ck_assert_int_eq(host_bind_virq(a, HV_VIRQ_TIMER, 0), -HV_EBUSY);
    timer_set(a->vcpu[0], TIMER_GUEST, host_now + 100);
    host_advance(host_now + 99);
    ck_assert(!pending(a, (uint64_t)p, 0));
    host_advance(host_now + 1);
    ck_assert(pending(a, (uint64_t)p, 0));
    ck_assert_int_eq(event_send(a->vcpu[0], (uint64_t)p), -HV_EINVAL);
    ck_assert_msg(event_set_vcpu(a, (uint64_t)p, 0) == -HV_EINVAL, "a timer is its vCPU's");
    ck_assert_int_eq(event_close(a, (uint64_t)p), 0);
    ck_assert_int_eq(host_bind_virq(a, HV_VIRQ_TIMER, 0), p);
}
END_TEST

START_TEST(test_interrupt_lines)
{
    int64_t p;
    uint64_t n;

    start();
    n = 5;
    ck_assert_int_eq(host_bind_irq(a, n, 0), -HV_EPERM);
    ck_assert_int_eq(host_bind_irq(domain_root, HOST_LINES, 0), -HV_EINVAL);
    ck_assert_int_eq(host_bind_irq(domain_root, n, 4), -HV_EINVAL);
    p = host_bind_irq(domain_root, n, HV_IRQ_LEVEL);
    ck_assert_int_gt(p, 0);
    ck_assert_int_eq(host_bind_irq(domain_root, n, 0), -HV_EBUSY);
    ck_assert(host_interrupt(5));
    ck_assert(pending(domain_root, (uint64_t)p, 0));
    ck_assert_msg(!host_interrupt(5), "masked until it was served");
    ck_assert_int_eq(event_unmask(domain_root, (uint64_t)p), 0);
    ck_assert(host_interrupt(5));
    ck_assert_int_eq(event_unmask(domain_root, (uint64_t)p), 0);
    ck_assert_int_eq(event_close(domain_root, (uint64_t)p), 0);
    ck_assert(host_masked[5]);
    ck_assert_int_gt(host_bind_irq(domain_root, n, 0), 0);
}
END_TEST

START_TEST(test_message_interrupts)
{
    struct hv_msi msi;
    int64_t p = 0, last = 0;

    start();
    ck_assert_int_eq(host_bind_msi(a, 0x18, &msi), -HV_EPERM);
    for (int i = 0; (p = host_bind_msi(domain_root, 0x18, &msi)) > 0; i++) {
        last = p;
        host_handler[msi.data](host_handler_arg[msi.data]);
        must(pending(domain_root, (uint64_t)p, 0));
    }
    ck_assert_int_eq(p, -HV_ENOSPC);
    ck_assert_msg(host_bind_irq(domain_root, 5, 0) == -HV_ENOSPC, "no vector is left for a line");
    ck_assert(host_masked[5]);
    ck_assert_int_eq(event_close(domain_root, (uint64_t)last), 0);
    ck_assert_int_eq(host_bind_msi(domain_root, 0x18, &msi), last);
}
END_TEST

/* A domain with a device has as many vectors as it may, and leaves the others. */
START_TEST(test_vectors_are_shared)
{
    struct hv_msi msi;
    int64_t p, last = 0;
    uint32_t n = 0;

    start();
    ck_assert_int_eq(resource_assign(domain_root, a, HV_ASSIGN_DEVICE, 0x18, 0), 0);
    for (; (p = host_bind_msi(a, 0x18, &msi)) > 0; n++) {
        last = p;
    }
    ck_assert_int_eq(p, -HV_ENOSPC);
    ck_assert_uint_eq(n, 16);
    ck_assert_int_gt(host_bind_msi(domain_root, 0x18, &msi), 0);
    ck_assert_int_eq(event_close(a, (uint64_t)last), 0);
    ck_assert_int_eq(host_bind_msi(a, 0x18, &msi), last);
}
END_TEST

/* ---- random operations against a model ---- */

struct model {
    uint32_t state;
    uint32_t domain, port; /* UNBOUND: who may bind; PEER: the other end */
};

static struct domain *dom[DOMAINS];
static struct model model[DOMAINS][PORTS];

static void check_models(void)
{
    for (uint32_t d = 0; d < DOMAINS; d++) {
        for (uint32_t p = 1; p < PORTS; p++) {
            const struct model *m = &model[d][p];
            struct hv_event_status s = status(dom[d], p);

            must(s.state == m->state);
            must(m->state != HV_PORT_PEER || s.source == m->port);
            must(m->state == HV_PORT_FREE || s.peer == dom[m->domain]->id);
        }
    }
}

static void random_alloc(uint32_t d)
{
    uint32_t peer = (uint32_t)host_random(DOMAINS);
    int64_t p = host_port(dom[d], dom[peer]->id);

    must(p > 0);
    if (p >= PORTS) {
        must(event_close(dom[d], (uint64_t)p) == 0);
        return;
    }
    must(model[d][p].state == HV_PORT_FREE);
    model[d][p] = (struct model){ HV_PORT_UNBOUND, peer, 0 };
}

static void random_bind(uint32_t d)
{
    uint32_t peer = (uint32_t)host_random(DOMAINS), port = (uint32_t)host_random(PORTS);
    struct model *m = &model[peer][port];
    int64_t p = host_bind_peer(dom[d], dom[peer]->id, port);

    must((p > 0) == (m->state == HV_PORT_UNBOUND && m->domain == d));
    if (p <= 0) {
        must(p == -HV_EINVAL);
    } else if (p >= PORTS) {
        must(event_close(dom[d], (uint64_t)p) == 0);
        m->state = HV_PORT_CLOSED;
        serve(dom[peer]);
    } else {
        model[d][p] = (struct model){ HV_PORT_PEER, peer, port };
        *m = (struct model){ HV_PORT_PEER, d, (uint32_t)p };
    }
}

static void random_close(uint32_t d)
{
    uint32_t port = (uint32_t)host_random(PORTS);
    struct model *m = &model[d][port];
    int e = event_close(dom[d], port);

    must((e == 0) == (m->state != HV_PORT_FREE));
    if (m->state == HV_PORT_PEER) {
        model[m->domain][m->port].state = HV_PORT_CLOSED;
        must(pending(dom[m->domain], m->port, 0));
        serve(dom[m->domain]);
    }
    *m = (struct model){ HV_PORT_FREE, 0, 0 };
}

static void random_send(uint32_t d)
{
    uint32_t port = (uint32_t)host_random(PORTS);
    const struct model *m = &model[d][port];
    int64_t e = event_send(dom[d]->vcpu[0], port);

    if (m->state == HV_PORT_PEER) {
        must(e == 0 && pending(dom[m->domain], m->port, 0));
        must(serve(dom[m->domain]) == 1);
    } else {
        must(e == (m->state == HV_PORT_CLOSED ? -HV_EDEAD : -HV_EINVAL));
    }
    for (uint32_t i = 0; i < DOMAINS; i++) {
        must(serve(dom[i]) == 0);
    }
}

START_TEST(test_random_operations)
{
    start();
    for (uint32_t i = 0; i < DOMAINS; i++) {
        dom[i] = host_domain(domain_root, 256, 0);
    }
    host_run(domain_root);
    memset(model, 0, sizeof(model));
    for (int i = 0; i < 20000; i++) {
        uint32_t d = (uint32_t)host_random(DOMAINS);

        switch (host_random(4)) {
        case 0:
            random_alloc(d);
            break;
        case 1:
            random_bind(d);
            break;
        case 2:
            random_close(d);
            break;
        default:
            random_send(d);
        }
        if (i % 64 == 0) {
            check_models();
        }
    }
    /* The end of one: all its peers are told. */
    must(host_destroy(dom[0]) == 0);
    for (uint32_t d = 1; d < DOMAINS; d++) {
        for (uint32_t p = 1; p < PORTS; p++) {
            if (model[d][p].state == HV_PORT_PEER && model[d][p].domain == 0) {
                must(status(dom[d], p).state == HV_PORT_CLOSED && pending(dom[d], p, 0));
            }
        }
    }
    host_audit();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event");
    TCase *tc = tcase_create("event");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_send_reaches_the_other_end_alone);
    tcase_add_test(tc, test_only_the_named_peer_binds);
    tcase_add_test(tc, test_upcall_only_when_a_selector_bit_rises);
    tcase_add_test(tc, test_a_blocked_vcpu_is_woken);
    tcase_add_test(tc, test_close_tells_the_other_end);
    tcase_add_test(tc, test_a_port_to_oneself);
    tcase_add_test(tc, test_numbers_out_of_range);
    tcase_add_test(tc, test_priorities);
    tcase_add_test(tc, test_the_table_ends);
    tcase_add_test(tc, test_no_quota_no_port);
    tcase_add_test(tc, test_virtual_irqs);
    tcase_add_test(tc, test_interrupt_lines);
    tcase_add_test(tc, test_message_interrupts);
    tcase_add_test(tc, test_vectors_are_shared);
    tcase_add_test(tc, test_random_operations);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
