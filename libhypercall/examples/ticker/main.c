/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that handles two events: its one-shot timer, and a port that it raises itself.
 *
 * The timer's handler sets the timer again and raises the port; the port's handler counts. The main
 * loop sleeps until the count is there: no busy waiting, and no wake-up can be lost.
 */
#include "hvlib/arch/hypercall.h"
#include "hvlib/clock.h"
#include "hvlib/console.h"
#include "hvlib/event.h"
#include "hvlib/start.h"

#define TICK_NS 100000000u
#define TICKS   5u

static uint64_t next_tick, ticks;
static int64_t near_end, far_end; /* the two ends of a channel inside this domain */

static void on_timer(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    next_tick += TICK_NS;
    hv_set_timer(next_tick);
    hv_event_send((uint64_t)near_end);
}

static void on_tick(uint32_t port, void *arg)
{
    uint64_t *count = arg;

    ++*count;
    hv_printf("tick %lu on port %u at %lu ms\n", *count, port, hv_now() / 1000000);
}

uint32_t guest_main(void)
{
    far_end = hv_event_offer(HV_SELF, on_tick, &ticks);
    near_end = hv_event_listen(HV_BIND_PEER, HV_SELF, (uint64_t)far_end, NULL, NULL);
    if (hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, 0, on_timer, NULL) < 0 || near_end < 0)
        return 1;
    next_tick = hv_now() + TICK_NS;
    hv_set_timer(next_tick);
    while (ticks < TICKS)
        hv_wait();
    hv_set_timer(0);
    return 0;
}
