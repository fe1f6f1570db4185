/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pvguest's timer queue against a model: random setting, moving and cancelling; each armed timer
 * runs once, in order, never early, and the hardware timer never stands later than the first one.
 *
 * sources: pvguest/kernel/clock.c tests/unit/host_pv.c
 */
#include <check.h>
#include <stdlib.h>

#include "clock.h"
#include "host_pv.h"

#define TIMERS 20
#define ROUNDS 20000

static struct timer timers[TIMERS];
static uint64_t model[TIMERS]; /* deadline, 0: idle */
static uint64_t last;
static int runs;

static void expired(void *arg)
{
    size_t i = (size_t)((struct timer *)arg - timers);

    ck_assert(model[i] != 0 && model[i] <= host_now);
    ck_assert(model[i] >= last);
    last = model[i];
    model[i] = 0;
    runs++;
}

static uint64_t model_first(void)
{
    uint64_t first = UINT64_MAX;

    for (int i = 0; i < TIMERS; i++) {
        first = model[i] != 0 && model[i] < first ? model[i] : first;
    }
    return first;
}

START_TEST(random_operations)
{
    srand(3);
    host_now = 1000;
    for (int n = 0; n < ROUNDS; n++) {
        int i = rand() % TIMERS;

        switch (rand() % 3) {
        case 0:
            model[i] = host_now + 1 + (uint64_t)(rand() % 1000);
            timer_set(&timers[i], model[i], expired, &timers[i]);
            break;
        case 1:
            model[i] = 0;
            timer_cancel(&timers[i]);
            break;
        default:
            host_now += (uint64_t)(rand() % 200);
            last = 0;
            timer_interrupt();
            ck_assert(model_first() > host_now);
            break;
        }
        if (model_first() != UINT64_MAX) {
            ck_assert(host_timer != 0 && host_timer <= model_first());
        }
    }
    ck_assert_int_gt(runs, ROUNDS / 20);
    ck_assert(!host_irqs_off);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pvtimer");
    TCase *t = tcase_create("pvtimer");

    tcase_set_timeout(t, 60); /* a loaded machine is no failure */
    SRunner *r;
    int failed;

    tcase_add_test(t, random_operations);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
