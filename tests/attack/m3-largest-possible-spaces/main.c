/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 timeout=120
 *
 * Threat (M3). Taking an address space apart is work in proportion to what the guest put in. The
 * bound of building it was checked, call by call; forgotten was the end: one call, or the death of
 * the domain, walks all of it with interrupts off, and every other guest waits.
 *
 * This guest has the largest spaces that its quota allows, spread so that each page costs three
 * tables, and as many as there can be; it destroys them and is destroyed. Beside it a probe with an
 * equal share asks for a timer and notes by how much it comes too late. A vulnerable system shows
 * one long gap. Held here, in virtual time: no gap beyond the documented latency, space_destroy
 * comes back in steps, and every frame returns.
 */
#include "hvlib/clock.h"
#include "test.h"

const char test_title[] = "the end of the largest spaces delays nobody";

#define R            HV_MAP_READ
#define PERIOD_NS    200000u
#define LATENCY_NS   6000000u /* a slice of 5 ms, and a bounded step of somebody else */
#define ATTACKER_RAM 4096u
#define GIVEN_BACK   3000u /* quota for tables instead */

enum { READY, STOP, WORST, WAKES };

/* ---- the probe ---- */

static volatile unsigned fired;

static void on_timer(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    fired = 1;
}

static void probe(void)
{
    volatile uint64_t *shared = test_shared(TEST_PARENT);

    NEED(hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_timer, NULL));
    shared[READY] = 1;
    while (!shared[STOP]) {
        uint64_t deadline = hv_now() + PERIOD_NS;

        fired = 0;
        hv_mask();
        NEED(hv_set_timer(deadline));
        while (!fired)
            hv_wait();
        hv_unmask();
        uint64_t late = hv_now() - deadline;

        CHECK((int64_t)late >= 0);
        if (late > shared[WORST])
            shared[WORST] = late;
        shared[WAKES]++;
    }
}

/* ---- the attacker ---- */

/* One page a GiB, then a page a 2 MiB, until nothing is left. */
static uint64_t fill(uint64_t space, uint64_t gfn)
{
    uint64_t mapped = 0;

    for (unsigned shift = 39; shift >= 21; shift -= 9) {
        for (uint64_t i = 0; i < 255; i++) {
            int64_t result = test_map(HV_SELF, space, i << shift, gfn, 1, R);

            if (result == -HV_ENOMEM)
                return mapped;
            CHECK_EQ(result, 1);
            mapped++;
        }
    }
    return mapped;
}

static void attack(void)
{
    uint64_t gfn = hv_gfn(test_pages(1)), steps = 0, mapped = 0, last = 0;
    uint64_t mapped_first = 0, last_first = 0;
    void *room = test_pages(GIVEN_BACK);

    CHECK_EQ(hv_unmap_range(HV_SELF, 0, (uint64_t)(uintptr_t)room, GIVEN_BACK), 0);
    CHECK_EQ(hv_give_back_range(HV_SELF, hv_gfn(room), GIVEN_BACK), 0);
    for (unsigned round = 0; round < 3; round++) {
        uint64_t first = (uint64_t)NEED(hv_space_create(HV_SELF));
        int64_t more;

        mapped = fill(first, gfn);
        CHECK(mapped > 255);
        while ((more = hv_space_create(HV_SELF)) > 0)
            last = (uint64_t)more;
        CHECK(more == -HV_ENOMEM || more == -HV_ENOSPC);
        for (steps = 1; hv_space_destroy(HV_SELF, first) == 1; steps++)
            CHECK_EQ(test_map(HV_SELF, first, 0, gfn, 1, R), -HV_EINVAL);
        CHECK(steps > 1);
        for (uint64_t s = first + 1; s <= last; s++)
            hv_space_end(HV_SELF, s);
        CHECK_EQ(hv_space_destroy(HV_SELF, first), -HV_EINVAL);
        /* What was freed may wait for the flush epoch, but an allocation never fails for that. */
        mapped_first = round ? mapped_first : mapped;
        last_first = round ? last_first : last;
        CHECK_EQ(mapped, mapped_first);
        CHECK_EQ(last, last_first);
        last = 0;
    }
    /* Once more, for the death of the domain to find. */
    for (uint64_t s; (int64_t)(s = (uint64_t)hv_space_create(HV_SELF)) > 0;)
        fill(s, gfn);
    CHECK(mapped > 0);
}

static void check_probe(uint64_t watch, const char *when)
{
    volatile uint64_t *shared = test_shared(watch);

    CHECK_TIME(shared[WAKES] > 10);
    if (shared[WORST] > LATENCY_NS && test_virtual_time())
        test_failure("%s: a timer was %lu ns late", when, shared[WORST]);
    shared[WORST] = 0;
    shared[WAKES] = 0;
}

void test_main(void)
{
    if (test_is("probe")) {
        probe();
        return;
    }
    if (test_is("attacker")) {
        attack();
        return;
    }
    uint64_t used = test_info(HV_SELF).used;
    uint64_t watch = test_spawn("probe", 256);

    test_await(watch, READY, 1);
    for (uint64_t end = hv_now() + 20 * PERIOD_NS; hv_now() < end;)
        hv_yield();
    check_probe(watch, "alone");
    uint64_t attacker = test_spawn("attacker", ATTACKER_RAM);

    test_wait(attacker, NULL);
    check_probe(watch, "while spaces were destroyed");
    test_join(attacker);
    for (uint64_t end = hv_now() + 20 * PERIOD_NS; hv_now() < end;)
        hv_yield();
    check_probe(watch, "while the domain was destroyed");
    test_signal(watch, STOP, 1);
    test_join(watch);
    /* The second domain that ever lived has cost root nothing that did not come back. */
    watch = test_spawn("attacker", ATTACKER_RAM);
    test_join(watch);
    test_settle();
    CHECK(test_info(HV_SELF).used <= used + 8);
}
