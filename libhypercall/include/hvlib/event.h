/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events: handlers of ports, masking, waiting.
 *
 * Each port has a handler. Pending ports are served with upcalls masked, urgent ones first, on the
 * stack of what was interrupted. A handler must not unmask, wait, or switch threads: ports taken
 * out of the pending bitmap but not yet served are only in the dispatcher's registers.
 *
 * With several vCPUs: masking, pending events and waiting are of the calling vCPU alone. A port is
 * served on the vCPU that it is delivered to, which is the one that made it until event_set_vcpu
 * says otherwise; the table of handlers is all vCPUs'. A handler is exchanged for another on the
 * vCPU that the port is delivered to, or while nobody raises it.
 */
#ifndef HVLIB_EVENT_H
#define HVLIB_EVENT_H

#include "hvlib/arch/hypercall.h"
#include "hvlib/cxx.h"
#include "hvlib/vcpu.h"
#include <hv_event.h>
#include <hv_vcpu.h>
#include <stdbool.h>

HV_C_BEGIN

typedef void (*hv_event_fn)(uint32_t port, void *arg);

/** Call fn(port, arg) when `port` is raised; fn NULL: ignore it. Takes effect at once. Returns 0,
 * or -HV_EINVAL for a port beyond HV_MAX_PORTS. */
int64_t hv_event_handler(uint64_t port, hv_event_fn fn, void *arg);

/** Serve what is pending. Upcalls must be masked, and stay so. */
void hv_event_poll(void);

/** Is anything pending? */
static inline bool hv_event_pending(void)
{
    return (HV_GET_SELECTOR(HV_PRIORITY_NORMAL) | HV_GET_SELECTOR(HV_PRIORITY_URGENT)) != 0;
}

/** No upcalls from here on. Returns whether they were masked before. */
static inline bool hv_mask(void)
{
    bool was = hv_get_masked() != 0;

    hv_set_masked(1);
    return was;
}

/** Allow upcalls; what became pending meanwhile is served before this returns. */
void hv_unmask(void);

/** Undo hv_mask: unmask unless it returned true. */
static inline void hv_restore(bool was)
{
    if (!was)
        hv_unmask();
}

/** Wait until an event was served. Upcalls must be masked, the condition that is waited for just
 * checked; they are masked again when this returns. The loop `hv_mask(); while (!condition)
 * hv_wait(); hv_unmask();` loses no event. */
void hv_wait(void);

/** Wait until one of `count` (1..HV_MAX_POLL_PORTS) own ports is pending, or `deadline`
 * (nanoseconds since boot; HV_POLL_FOREVER: none) has passed, with upcalls masked meanwhile: all
 * other events are left for later. Takes the event, so that its handler is not called, and returns
 * its port; the first in the order given when there are several. 0: the deadline has passed.
 * Errors: those of poll. */
int64_t hv_event_await(const uint32_t *ports, uint32_t count, uint64_t deadline);

/** Allocate a port for `peer` and set its handler. Returns the port or an error of event_alloc. */
int64_t hv_event_offer(uint64_t peer, hv_event_fn fn, void *arg);
/** Bind a port (kinds and arguments of event_bind but for MSI) and set its handler. Returns the
 * port or an error. */
int64_t hv_event_listen(uint64_t kind, uint64_t a, uint64_t b, hv_event_fn fn, void *arg);
/** Close an own port and forget its handler. */
int64_t hv_event_end(uint64_t port);
/** Status of an own port. Returns 0 or an error of event_status. */
int64_t hv_event_query(uint64_t port, struct hv_event_status *status);

HV_C_END

#endif
