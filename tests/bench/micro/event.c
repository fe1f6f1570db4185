/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows event.*: signalling oneself, with upcalls masked and with the handler's turn in it.
 */
#include "bench.h"

static uint32_t handled;

static void on_event(uint32_t port, void *arg)
{
    (void)port;
    (void)arg;
    handled++;
}

static void clear_pending(uint32_t port)
{
    hv_vcpu->pending_sel[HV_PRIORITY_NORMAL] = 0;
    hv_vcpu->pending[HV_PRIORITY_NORMAL][port / 64] = 0;
}

static void bench_event(void)
{
    uint32_t raised = (uint32_t)NEED(hv_event_offer(HV_SELF, on_event, NULL));
    uint64_t port = (uint64_t)NEED(hv_event_listen(HV_BIND_PEER, HV_SELF, raised, on_event, NULL));

    hv_mask();
    MEASURE("event.send_masked", 1, clear_pending(raised), hv_event_send(port));
    clear_pending(raised);
    hv_unmask();
    handled = 0;
    MEASURE("event.roundtrip", 1, , hv_event_send(port));
    CHECK_EQ(handled, RUNS);
}

BENCH_FAMILY(event, .run = bench_event);
