/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits of sends between domains: what a full bucket lets through, when a throttled send arrives,
 * whoever closes, dies or changes the limit meanwhile; many ports at once against a model that
 * counts tokens; and the ports of a poll.
 *
 * sources: tests/unit/host_cpu.c tests/unit/host_core.c tests/audit/audit.c
 * sources: tests/audit/audit_plant.c
 * sources: hyp/core/console.c hyp/core/counter.c hyp/core/dma.c hyp/core/domain.c hyp/core/epoch.c
 * sources: hyp/core/domain_vcpu.c hyp/core/event.c
 * sources: hyp/core/event_irq.c
 * sources: hyp/core/frame.c hyp/core/grant.c hyp/core/guestmem.c
 * sources: hyp/core/ioemul.c hyp/core/p2m.c hyp/core/poll.c hyp/core/portdecode.c
 * sources: hyp/core/resource.c
 * sources: hyp/core/sched.c hyp/core/space.c hyp/core/space_leaf.c
 * sources: hyp/core/space_table.c hyp/core/timer.c hyp/core/trace.c hyp/lib/lock.c
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_core.h"

#include "event.h"
#include "sched.h"
#include "space.h"
#include "vcpu.h"

#define CHANNELS 100u
#define PERIOD   10000u /* of the default rate */

static struct domain *a, *b;
static int64_t from[CHANNELS], to[CHANNELS];

static void start(void)
{
    host_core_start(8192);
    a = host_domain(domain_root, 512, 0);
    b = host_domain(domain_root, 512, 0);
    host_run(b);
    host_run(a);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        from[i] = host_port(a, b->id);
        to[i] = host_bind_peer(b, a->id, (uint64_t)from[i]);
        must(from[i] > 0 && to[i] > 0);
    }
}

/* Takes what is pending for channel `n`. */
static bool arrived(uint32_t n)
{
    struct hv_vcpu_page *p = b->vcpu[0]->page;
    uint64_t bit = (uint64_t)1 << to[n] % 64, *word = &p->pending[0][to[n] / 64];
    bool was = *word & bit;

    *word &= ~bit;
    p->pending_sel[0] = 0;
    return was;
}

static struct hv_event_status status(uint32_t n)
{
    struct hv_event_status s;

    must(event_status(b, (uint64_t)to[n], &s) == 0 && s.rsvd == 0);
    return s;
}

static bool send(uint32_t n)
{
    must(event_send(a->vcpu[0], (uint64_t)from[n]) == 0);
    return arrived(n);
}

static void set(uint32_t n, uint64_t rate, uint64_t burst)
{
    must(event_set_rate(b, (uint64_t)to[n], rate, burst) == 0);
}

/* Uses the bucket up and leaves one event waiting. */
static void exhaust(uint32_t n, uint32_t burst)
{
    for (uint32_t i = 0; i < burst; i++) {
        must(send(n));
    }
    must(!send(n) && !send(n));
}

START_TEST(test_default_limits)
{
    start();
    ck_assert_uint_eq(status(0).rate, HV_RATE_DEFAULT);
    ck_assert_uint_eq(status(0).burst, HV_BURST_DEFAULT);
    exhaust(0, HV_BURST_DEFAULT);
    ck_assert_uint_eq(status(0).throttled, 2);
    ck_assert_msg(send(1), "another port has a bucket of its own");
    host_advance(host_now + PERIOD - 1);
    ck_assert(!arrived(0));
    host_advance(host_now + 1);
    ck_assert_msg(arrived(0), "at the next token, once");
    host_advance(host_now + 100 * PERIOD);
    ck_assert(!arrived(0));
    for (int i = 0; i < 100; i++) {
        must(send(0));
    }
    ck_assert(!send(0));
}
END_TEST

START_TEST(test_who_has_a_limit)
{
    struct hv_event_status s;
    struct hv_msi msi;
    int64_t p, q;

    start();
    p = host_port(a, HV_SELF);
    q = host_bind_peer(a, a->id, (uint64_t)p);
    ck_assert_int_eq(event_set_rate(a, (uint64_t)p, 1, 1), -HV_EINVAL);
    ck_assert_int_eq(event_set_rate(a, (uint64_t)q, 1, 1), -HV_EINVAL);
    ck_assert_int_eq(event_status(a, (uint64_t)q, &s), 0);
    ck_assert_uint_eq(s.rate, 0);
    for (int i = 0; i < 5000; i++) {
        must(event_send(a->vcpu[0], (uint64_t)p) == 0);
    }
    ck_assert_int_eq(event_status(a, (uint64_t)q, &s), 0);
    ck_assert_uint_eq(s.throttled, 0);
    p = host_bind_virq(a, HV_VIRQ_TIMER, 0);
    ck_assert_int_eq(event_set_rate(a, (uint64_t)p, 1, 1), -HV_EINVAL);
    p = host_bind_msi(domain_root, 0x18, &msi);
    ck_assert_int_eq(event_set_rate(domain_root, (uint64_t)p, 1, 1), -HV_EINVAL);
    ck_assert_int_eq(event_set_rate(a, 0, 1, 1), -HV_EINVAL);
    ck_assert_int_eq(event_set_rate(a, HV_MAX_PORTS, 1, 1), -HV_EINVAL);
}
END_TEST

START_TEST(test_numbers_of_a_limit)
{
    static const uint64_t bad_rate[] = { 0, HV_RATE_MAX + 1, (uint64_t)1 << 32, ~(uint64_t)0 };
    static const uint64_t bad_burst[] = { 0, (uint64_t)1 << 32, ~(uint64_t)0 };

    start();
    for (uint32_t i = 0; i < ARRAY_LEN(bad_rate); i++) {
        ck_assert_int_eq(event_set_rate(b, (uint64_t)to[0], bad_rate[i], 1), -HV_EINVAL);
    }
    for (uint32_t i = 0; i < ARRAY_LEN(bad_burst); i++) {
        ck_assert_int_eq(event_set_rate(b, (uint64_t)to[0], 1, bad_burst[i]), -HV_EINVAL);
    }
    set(0, 1, UINT32_MAX); /* the fullest and slowest bucket */
    for (int i = 0; i < 10000; i++) {
        must(send(0));
    }
    ck_assert_uint_eq(status(0).throttled, 0);
    set(0, HV_RATE_MAX, 1);
    exhaust(0, 1);
    host_advance(host_now + 100);
    ck_assert(arrived(0));
    set(0, 3, 1); /* not a whole number of nanoseconds a token: rounded up */
    exhaust(0, 1);
    host_advance(host_now + 333333333);
    ck_assert(!arrived(0));
    host_advance(host_now + 1);
    ck_assert(arrived(0));
    ck_assert_uint_eq(status(0).rate, 3);
}
END_TEST

/* A new limit before the old token is due: what waits need not. */
START_TEST(test_a_change_of_limit)
{
    start();
    set(0, 1, 1);
    exhaust(0, 1);
    set(0, 1, 2);
    ck_assert(arrived(0));
    exhaust(0, 2);
    host_advance(host_now + 999999999);
    ck_assert(!arrived(0));
    host_advance(host_now + 1);
    ck_assert(arrived(0));
}
END_TEST

/* Either end goes while an event waits; the port's number starts clean, other waiting ports wait.
 */
START_TEST(test_ends_that_go)
{
    uint64_t began;

    start();
    began = host_now;
    for (uint32_t i = 0; i < 4; i++) {
        set(i, 1, 1);
        exhaust(i, 1);
        host_now += 1000;
    }
    ck_assert_int_eq(event_close(b, (uint64_t)to[0]), 0);
    ck_assert_int_eq(host_bind_peer(b, domain_root->id, 77), -HV_EINVAL);
    ck_assert_int_eq(host_port(b, a->id), to[0]);
    ck_assert_int_eq(event_close(a, (uint64_t)from[1]), 0);
    ck_assert_msg(arrived(1), "the end is an event, at once");
    ck_assert_int_eq(event_close(b, (uint64_t)to[1]), 0);
    host_advance(began + 3000000000);
    ck_assert(!arrived(0) && !arrived(1) && arrived(2) && arrived(3));
    exhaust(2, 1);
    host_run(domain_root);
    must(host_destroy(a) == 0);
    ck_assert(arrived(2) && arrived(3));
    host_advance(host_now + 2000000000);
    ck_assert(!arrived(2) && !arrived(3));
    host_audit();
}
END_TEST

START_TEST(test_the_receiver_dies)
{
    start();
    for (uint32_t i = 0; i < CHANNELS; i++) {
        set(i, 1 + i, 1);
        exhaust(i, 1);
    }
    must(host_destroy(b) == 0);
    ck_assert_int_eq(event_send(a->vcpu[0], (uint64_t)from[0]), -HV_EDEAD);
    host_advance(host_now + 2000000000);
    host_audit();
}
END_TEST

/* All due at one moment: 64 an interrupt, the rest right behind. */
START_TEST(test_many_due_at_once)
{
    uint32_t n = 0;

    start();
    for (uint32_t i = 0; i < CHANNELS; i++) {
        set(i, 1000, 1);
        exhaust(i, 1);
    }
    host_advance(host_now + 1000000);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        n += arrived(i);
    }
    ck_assert_uint_eq(n, 64);
    host_advance(host_now + 1);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        n += arrived(i);
    }
    ck_assert_uint_eq(n, CHANNELS);
}
END_TEST

START_TEST(test_the_sender_pays)
{
    uint64_t before;

    start();
    set(0, 1, 1);
    before = a->vcpu[0]->sched.node.key;
    must(send(0));
    ck_assert_uint_eq(a->vcpu[0]->sched.node.key, before);
    must(!send(0));
    ck_assert_uint_gt(a->vcpu[0]->sched.node.key, before);
    before = a->vcpu[0]->sched.node.key;
    must(!send(0));
    ck_assert_msg(a->vcpu[0]->sched.node.key == before, "it waits already: no more work");
}
END_TEST

/* ---- against a model that counts tokens in nanoseconds ---- */

static struct {
    uint64_t period, room, level, at; /* level: ns of tokens at time `at`, at most room */
    uint64_t due;                     /* when the waiting event comes; 0: none waits */
    uint32_t throttled;
} model[CHANNELS];

static void model_set(uint32_t n)
{
    uint64_t rate = 1 + host_random(n % 3 == 0 ? 1000 : 1000000), burst = 1 + host_random(20);

    set(n, rate, burst);
    must(arrived(n) == (model[n].due != 0));
    model[n].period = (1000000000 + rate - 1) / rate;
    model[n].room = model[n].level = burst * model[n].period;
    model[n].at = host_now;
    model[n].due = 0;
}

static void model_refill(uint32_t n, uint64_t now)
{
    model[n].level += now - model[n].at;
    model[n].at = now;
    if (model[n].level > model[n].room) {
        model[n].level = model[n].room;
    }
}

static void model_send(uint32_t n)
{
    bool came = send(n);

    model_refill(n, host_now);
    if (model[n].due == 0 && model[n].level >= model[n].period) {
        must(came);
        model[n].level -= model[n].period;
        return;
    }
    must(!came);
    model[n].throttled++;
    if (model[n].due == 0) {
        model[n].due = host_now + model[n].period - model[n].level;
    }
}

static void model_check(uint32_t n)
{
    bool due = model[n].due != 0 && model[n].due <= host_now;

    must(arrived(n) == due);
    must(status(n).throttled == model[n].throttled);
    if (due) {
        model_refill(n, model[n].due);
        model[n].level -= model[n].period;
        model[n].due = 0;
    }
}

START_TEST(test_against_a_model)
{
    start();
    memset(model, 0, sizeof(model));
    for (uint32_t n = 0; n < 64; n++) {
        model_set(n);
    }
    for (int i = 0; i < 100000; i++) {
        uint32_t n = (uint32_t)host_random(64);

        if (host_random(500) == 0) {
            model_set(n);
        } else {
            model_send(n);
        }
        host_advance(host_now + host_random(host_random(4) == 0 ? 20000 : 200));
        for (n = 0; n < 64; n++) {
            model_check(n);
        }
    }
}
END_TEST

/* ---- polling ---- */

static bool poll(uint32_t first, uint32_t second)
{
    const uint32_t ports[] = { first, second };
    bool ok = event_poll(b->vcpu[0], ports, 2);

    if (ok) {
        sched_sleep(b->vcpu[0], VCPU_POLLING);
    }
    return ok;
}

static bool polling(void)
{
    return b->vcpu[0]->wait & VCPU_POLLING;
}

START_TEST(test_ports_of_a_poll)
{
    uint32_t p = 0, q = 0, r = 0;

    start();
    p = (uint32_t)to[0], q = (uint32_t)to[1], r = (uint32_t)to[2];
    ck_assert(!poll(0, p) && !poll(p, 4095) && !poll(p, HV_MAX_PORTS) && !poll(p | 1u << 16, p));
    b->vcpu[0]->page->masked = 1;
    ck_assert(poll(p, q) && !event_polled(b->vcpu[0]));
    must(event_send(a->vcpu[0], (uint64_t)from[2]) == 0);
    ck_assert_msg(polling(), "not its port, and masked");
    must(event_send(a->vcpu[0], (uint64_t)from[1]) == 0);
    ck_assert_msg(!polling(), "though the selector was set already");
    ck_assert(event_polled(b->vcpu[0]));
    must(arrived(1) && arrived(2));
    ck_assert(poll(r, r));
    must(event_send(a->vcpu[0], (uint64_t)from[0]) == 0);
    ck_assert_msg(polling(), "that was the last poll's");
    ck_assert_int_eq(event_close(b, r), 0);
    ck_assert_msg(!polling(), "a closed port ends it");
    must(arrived(0));
    b->vcpu[0]->page->masked = 0;
    ck_assert(poll(p, p));
    must(event_send(a->vcpu[0], (uint64_t)from[1]) == 0);
    ck_assert_msg(!polling(), "unmasked, an upcall ends it");
    must(arrived(1));
    ck_assert(poll(p, p));
    must(event_close(a, (uint64_t)from[0]) == 0);
    ck_assert_msg(!polling(), "the other end closes");
}
END_TEST

/* A throttled event ends the poll when it comes, not before. */
START_TEST(test_poll_for_a_throttled_port)
{
    start();
    b->vcpu[0]->page->masked = 1;
    set(0, 1000, 1);
    exhaust(0, 1);
    ck_assert(poll((uint32_t)to[0], (uint32_t)to[1]));
    host_advance(host_now + 999999);
    ck_assert(polling());
    host_advance(host_now + 1);
    ck_assert(!polling() && arrived(0));
}
END_TEST

/* A second vCPU of the receiver, as several processors will have. */
static struct vcpu *second(void)
{
    struct vcpu *v = vcpu_create(b, 1);

    must(v != NULL);
    b->vcpu[1] = v;
    b->nr_vcpus = 2;
    space_load(v, b->spaces[0]);
    sched_add(v);
    return v;
}

static bool has_pending(const struct vcpu *v, int64_t port)
{
    return v->page->pending[0][port / 64] >> port % 64 & 1;
}

START_TEST(test_a_port_moves_during_a_poll)
{
    uint32_t p = 0, q = 0;
    struct vcpu *v = NULL;

    start();
    p = (uint32_t)to[0], q = (uint32_t)to[1];
    v = second();
    b->vcpu[0]->page->masked = 1;
    ck_assert(poll(p, q));
    must(event_set_vcpu(b, p, 0) == 0);
    ck_assert_msg(polling(), "it stays where it is");
    must(event_set_vcpu(b, p, 1) == 0);
    ck_assert_msg(!polling(), "nobody would wake it");
    ck_assert(!poll(p, q) && !poll(q, p));

    /* The other one waits for it. The first one's next poll forgets its last ports, but not this.
     */
    ck_assert(event_poll(v, &p, 1));
    sched_sleep(v, VCPU_POLLING);
    ck_assert(poll(q, q));
    must(event_send(a->vcpu[0], (uint64_t)from[0]) == 0);
    ck_assert((v->wait & VCPU_POLLING) == 0 && polling());
    ck_assert(has_pending(v, to[0]) && !has_pending(b->vcpu[0], to[0]));

    /* It moves, or is closed, between the look at the ports and the sleep. */
    ck_assert(event_poll(b->vcpu[0], &q, 1) && !event_polled(b->vcpu[0]));
    must(event_set_vcpu(b, q, 1) == 0);
    ck_assert(event_polled(b->vcpu[0]));
    ck_assert(event_poll(v, &q, 1) && !event_polled(v));
    must(event_close(b, q) == 0);
    ck_assert(event_polled(v));
    host_audit();
}
END_TEST

START_TEST(test_what_is_pending_moves_too)
{
    struct vcpu *v = NULL;

    start();
    v = second();
    must(event_send(a->vcpu[0], (uint64_t)from[2]) == 0);
    ck_assert(has_pending(b->vcpu[0], to[2]));
    must(event_set_vcpu(b, (uint64_t)to[2], 1) == 0);
    ck_assert(!has_pending(b->vcpu[0], to[2]) && has_pending(v, to[2]));
    ck_assert(event_pending(v));
    must(event_set_vcpu(b, (uint64_t)to[3], 1) == 0);
    ck_assert_msg(!has_pending(v, to[3]), "it was not");
    must(event_close(b, (uint64_t)to[2]) == 0);
    ck_assert(!has_pending(v, to[2]));
}
END_TEST

/* What a sender on another processor finds that has read the port just before it was closed, and
 * all others with it; and a timer that had fired then. */
START_TEST(test_the_table_goes_under_a_send)
{
    struct port_table *table = NULL;

    start();
    set(0, 1000, 1);
    exhaust(0, 1);
    table = b->ports;
    b->ports = NULL;
    ck_assert_int_eq(event_send(a->vcpu[0], (uint64_t)from[0]), 0);
    event_release(b, host_now + 10000000);
    b->ports = table;
    ck_assert_uint_eq(status(0).throttled, 2);
    host_advance(host_now + 1000000);
    ck_assert_msg(arrived(0), "what had waited before still does");
}
END_TEST

/* A timer's interrupt that came before the domain's end, and goes on after the last of its timers
 * has been stopped. */
START_TEST(test_no_timer_at_the_end)
{
    struct vcpu *v = NULL;

    start();
    v = b->vcpu[0];
    set(0, 1000, 1);
    exhaust(0, 1);
    must(v->due[TIMER_TOKEN] != 0);
    b->state = HV_DOMAIN_DYING;
    timer_stop(v);
    event_release(b, host_now);
    ck_assert_uint_eq(v->due[TIMER_TOKEN], 0);
    b->state = HV_DOMAIN_RUNNING;

    sched_set_cap(v, 10, 1);
    v->sched.cap_used = 1000000000;
    sched_refill(v, host_now);
    ck_assert_uint_ne(v->due[TIMER_CAP], 0);
    timer_stop(v);
    v->wait |= VCPU_OFFLINE;
    sched_refill(v, host_now);
    ck_assert_uint_eq(v->due[TIMER_CAP], 0);
}
END_TEST

/* One call closes a port while another one, that began before, has moved it. */
START_TEST(test_who_closes_frees_the_number)
{
    uint64_t q = 0;

    start();
    q = (uint64_t)to[0];
    cpu_count = 2;
    must(event_close(b, q) == 0);
    cpu_count = 1;
    must(event_settle(b, q, false) == 0);
    ck_assert_int_ne(host_port(b, a->id), (int64_t)q);
    must(event_settle(b, q, true) == 0);
    ck_assert_int_eq(host_port(b, a->id), (int64_t)q);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tokens");
    TCase *tc = tcase_create("tokens");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_default_limits);
    tcase_add_test(tc, test_who_has_a_limit);
    tcase_add_test(tc, test_numbers_of_a_limit);
    tcase_add_test(tc, test_a_change_of_limit);
    tcase_add_test(tc, test_ends_that_go);
    tcase_add_test(tc, test_the_receiver_dies);
    tcase_add_test(tc, test_many_due_at_once);
    tcase_add_test(tc, test_the_sender_pays);
    tcase_add_test(tc, test_against_a_model);
    tcase_add_test(tc, test_ports_of_a_poll);
    tcase_add_test(tc, test_poll_for_a_throttled_port);
    tcase_add_test(tc, test_a_port_moves_during_a_poll);
    tcase_add_test(tc, test_what_is_pending_moves_too);
    tcase_add_test(tc, test_the_table_goes_under_a_send);
    tcase_add_test(tc, test_no_timer_at_the_end);
    tcase_add_test(tc, test_who_closes_frees_the_number);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
