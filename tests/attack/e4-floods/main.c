/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=180 again=2
 *
 * Threat (E4). Events and timers make the hypervisor work in the time of whoever runs when they
 * come. Nobody limits or charges them, so two domains can take the CPU from a third without ever
 * being charged for it: by flooding its ports, by flooding an accomplice's ports that are throttled
 * (each token is a timer interrupt in somebody's time), by timers that expire all the time, by
 * polls that end as soon as they begin.
 *
 * The victim counts while two attackers of two vCPUs each spin, then while all four do each of
 * these. Held here: in the same virtual time it does at least 90% of the work. On several
 * processors, where time is the host's, it gets on in each case, and nobody comes to harm.
 */
#include "hvlib/clock.h"
#include "hvlib/vcpu.h"
#include "test.h"

const char test_title[] = "no flood of events or timers takes the time of another domain";

enum mode { SPIN, FLOOD, ACCOMPLICE, TIMERS, POLLS, MODES };
static const char *const name[] = { "spinning", "a flood of the victim", "throttled accomplice",
                                    "a storm of timers", "a storm of polls" };

enum { MODE, WORK, PORTS_AT, OWN_AT, SENT }; /* words of the shared page */

#define PORTS    100u /* from each attacker to the victim, and between the attackers */
#define PHASE_NS 400000000u

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
}

static void victim(void)
{
    volatile uint64_t *work = &test_shared(TEST_PARENT)[WORK];

    for (;;)
        (*work)++;
}

/* Ports from `first` on are bound already, by root. */
static void flood(uint64_t first)
{
    volatile uint64_t *sent = &test_shared(TEST_PARENT)[SENT + hv_vcpu_number()];

    for (uint64_t i = 0; i < PORTS; i++)
        *sent += hv_event_send(first + i) == 0;
}

static void attack(void *arg)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);
    HV_BUFFER(64) uint32_t list[1];

    (void)arg;
    list[0] = (uint32_t)NEED(
        hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, hv_vcpu_number(), on_event, NULL));
    hv_mask();
    for (;;) {
        switch (shared[MODE]) {
        case FLOOD:
            flood(shared[PORTS_AT]);
            break;
        case ACCOMPLICE:
            flood(shared[OWN_AT]);
            /* Room for the interrupts that it has ordered. */
            hv_set_timer(hv_now() + 500000);
            hv_wait();
            break;
        case TIMERS:
            hv_set_timer(hv_now() + 1000);
            hv_wait();
            break;
        case POLLS:
            hv_poll(hv_gpa(list), 1, hv_now() + 1000);
            hv_event_poll();
            break;
        default:;
        }
    }
}

static void attacker(void)
{
    static char stack[16384] __attribute__((aligned(4096)));

    CHECK_EQ(hv_vcpu_start(1, attack, NULL, stack, sizeof stack), 0);
    attack(NULL);
}

/* `PORTS` channels between two children, made for both; returns the first port of `from`. */
static uint64_t channels(uint64_t from, uint64_t to, uint64_t rate, uint64_t burst)
{
    uint64_t first = 0;

    for (uint64_t i = 0; i < PORTS; i++) {
        uint64_t there = (uint64_t)NEED(hv_event_alloc(to, from));
        uint64_t here = (uint64_t)NEED(hv_event_bind(from, HV_BIND_PEER, to, there, 0));

        NEED(rate ? hv_event_set_rate(to, there, rate, burst) : 0);
        first = first ? first : here;
        CHECK_EQ(here, first + i);
    }
    return first;
}

static uint64_t sent_by(uint64_t dom)
{
    return test_shared(dom)[SENT] + test_shared(dom)[SENT + 1];
}

static uint64_t phase(uint64_t of, const uint64_t *attackers, enum mode mode)
{
    uint64_t timer_end, before, sent = sent_by(attackers[0]);

    for (unsigned i = 0; i < 2; i++)
        test_shared(attackers[i])[MODE] = mode;
    before = test_shared(of)[WORK];
    timer_end = hv_now() + PHASE_NS;
    hv_mask();
    while (hv_now() < timer_end) {
        NEED(hv_set_timer(timer_end));
        hv_wait();
    }
    hv_unmask();
    /* Where time is the host's, it may not have had a turn yet. */
    for (timer_end += TEST_PATIENCE_NS; test_shared(of)[WORK] == before; hv_yield())
        if (hv_now() > timer_end)
            test_failure("%s leaves the victim nothing", name[mode]);
    while (mode == FLOOD && !test_virtual_time() && sent_by(attackers[0]) - sent < 1000) {
        CHECK(hv_now() < timer_end);
        hv_yield();
    }
    return test_shared(of)[WORK] - before;
}

void test_main(void)
{
    uint64_t target, attackers[2], usual, sent = 0;

    if (test_is("victim")) {
        victim();
    } else if (test_is("attacker")) {
        attacker();
    }
    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_event, NULL));
    target = test_build("victim", 0, NULL);
    test_options.vcpus = 2;
    for (unsigned i = 0; i < 2; i++)
        attackers[i] = test_build("attacker", 0, NULL);
    for (unsigned i = 0; i < 2; i++) {
        test_shared(attackers[i])[PORTS_AT] = channels(attackers[i], target, 0, 0);
        test_shared(attackers[i])[OWN_AT] = channels(attackers[i], attackers[!i], 1000, 1);
        NEED(hv_domain_start(attackers[i]));
    }
    NEED(hv_domain_start(target));
    (void)phase(target, attackers, SPIN); /* the start of all three */
    usual = phase(target, attackers, SPIN);
    for (enum mode mode = FLOOD; mode < MODES; mode++) {
        uint64_t work = phase(target, attackers, mode);

        sent += sent_by(attackers[0]);
        hv_printf("%s: the victim does %lu%% of its work\n", name[mode], work * 100 / usual);
        for (unsigned i = 0; i < 2; i++)
            CHECK_EQ(test_info(attackers[i]).state, HV_DOMAIN_RUNNING);
        if (work * 10 < usual * 9 && test_virtual_time())
            test_failure("%s leaves the victim %lu of %lu", name[mode], work, usual);
    }
    hv_printf("%lu events were sent\n", sent);
    CHECK(sent > 1000);
    for (unsigned i = 0; i < 2; i++)
        test_destroy(attackers[i]);
    test_destroy(target);
}
