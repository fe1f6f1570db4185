/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest with a clock: wakes up every 100 milliseconds, sleeps in between, and says how late the
 * latest wake-up was. `ticks=N` on the command line says how often (5).
 */
#include <hvlib/clock.h>
#include <hvlib/console.h>
#include <hvlib/consolefront.h>
#include <hvlib/event.h>
#include <hvlib/start.h>

#define TICK_NS 100000000u

static uint64_t fired; /* timers that have run out */

static void on_timer(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    fired++;
}

uint32_t guest_main(void)
{
    uint64_t ticks = hv_start_number("ticks", 5), latest = 0;

    hv_console_open();
    if (hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_timer, NULL) < 0)
        return 1;
    uint64_t start = hv_now();

    for (uint64_t n = 1; n <= ticks; n++) {
        uint64_t deadline = start + n * TICK_NS;

        hv_set_timer(deadline);
        while (fired < n)
            hv_wait();
        uint64_t late = hv_now() - deadline;

        latest = late > latest ? late : latest;
        hv_printf("timer: tick %lu after %lu ms\n", n, (hv_now() - start) / 1000000);
    }
    hv_printf("timer: %lu ticks, none more than %lu us late\n", ticks, latest / 1000 + 1);
    return 0;
}
