/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * qemu: icount=1 smp=1 timeout=180
 *
 * Caps, in virtual time: who wants more has its cap within 2%, alone and beside others, with one
 * vCPU and with several, computing all the time and with pauses; what it leaves is the others', by
 * weight. In no time does it have more than its part and one budget more. A changed cap holds at
 * once.
 */
#include "load.h"

const char test_title[] = "caps hold within 2%, alone and beside others";

#define WINDOW   (2 * LOAD_S)
#define PERIOD   (10 * LOAD_MS)
#define UNCAPPED 2u

static void check_cap(uint32_t cap, uint32_t rivals, struct load capped)
{
    struct load l[1 + UNCAPPED] = { capped };
    uint64_t passed, due;
    char line[80];

    l[0].cap = cap;
    load_start_all(l, 1 + rivals);
    load_sleep(50 * LOAD_MS);
    passed = load_measure(l, 1 + rivals, WINDOW);
    due = passed * cap / 100;
    hv_snprintf(line, sizeof line, "cap %u%%, %u vCPUs, %u beside it", cap,
                capped.vcpus ? capped.vcpus : 1, rivals);
    load_expect(line, l[0].ran, due, 2);
    for (uint32_t i = 1; i <= rivals; i++)
        load_expect("what is left for each", l[i].ran, (passed - due) / rivals, 2);
    load_end_all(l, 1 + rivals);
}

/* The bound for any time, from one measurement to the next, of whatever length. */
static void check_every_while(void)
{
    struct load l = { .cap = 20 };
    uint64_t last, most = 0;

    load_start_all(&l, 1);
    load_sleep(50 * LOAD_MS);
    last = test_info(l.dom).cpu_ns;
    for (uint64_t n = 1; n <= 200; n++) {
        uint64_t ns = n * 137000 % (3 * PERIOD), start = hv_now(), ran;

        load_sleep(ns);
        ran = test_info(l.dom).cpu_ns - last;
        last += ran;
        ns = hv_now() - start;
        CHECK(ran * 100 <= ns * 20 + PERIOD * 20 + 100 * LOAD_STEP * 4);
        if (ns <= PERIOD && ran > most)
            most = ran;
    }
    hv_printf("cap 20%%: at most %lu us in a while of up to a period\n", most / 1000);
    load_end_all(&l, 1);
}

/* Raised, lowered, taken away and given again while it runs. */
static void check_changes(void)
{
    static const uint32_t caps[] = { 50, 5, 80, 0, 10, 25 };
    struct load l[2] = { { .weight = 256 }, { .weight = 256 } };
    char line[40];

    load_start_all(l, 2);
    for (uint32_t i = 0; i < sizeof caps / sizeof *caps; i++) {
        uint32_t due = caps[i] == 0 || caps[i] > 50 ? 50 : caps[i];
        uint64_t passed;

        NEED(hv_sched_set(l[0].dom, 256, caps[i]));
        passed = load_measure(l, 2, LOAD_S);
        hv_snprintf(line, sizeof line, "changed to %u%%", caps[i]);
        load_expect(line, l[0].ran, passed * due / 100, 2);
    }
    load_end_all(l, 2);
}

void test_main(void)
{
    static const uint32_t caps[] = { 10, 25, 50 };

    if (load_main())
        return;
    for (uint32_t i = 0; i < 3; i++) {
        check_cap(caps[i], 0, (struct load){ 0 });
        check_cap(caps[i], 0, (struct load){ .vcpus = 3 });
        check_cap(caps[i], 1, (struct load){ .weight = 1024 });
        check_cap(caps[i], 2, (struct load){ .weight = 1024, .vcpus = 2 });
        check_cap(
            caps[i], 2,
            (struct load){ .weight = 1024, .run = 300000, .then = LOAD_SLEEPS, .sleep = 50000 });
    }
    check_every_while();
    check_changes();
}
