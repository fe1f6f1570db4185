/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels: what a port can be bound to, and its status.
 */
#ifndef HV_EVENT_H
#define HV_EVENT_H

#include "hv_call.h"

/** Kinds of event_bind. */
#define HV_BIND_PEER                                                                               \
    1u /**< a = domain, b = a port of it that was allocated for the binder's domain */
#define HV_BIND_VIRQ 2u /**< a = HV_VIRQ_… */
#define HV_BIND_IRQ                                                                                \
    3u /**< a = GSI, b = HV_IRQ_… flags; the line stays masked from an interrupt until           \
          event_unmask */
#define HV_BIND_MSI 4u /**< a = device (bus << 8 | devfn); gpa receives struct hv_msi */
#define HV_BIND_IPI 5u /**< a = vCPU that a send through the port raises it for */

/** Virtual IRQs. */
#define HV_VIRQ_TIMER   0u /**< the one-shot timer of vCPU b */
#define HV_VIRQ_CONSOLE 1u /**< console input has come; the console's holder only */
#define HV_VIRQ_DOMAIN  2u /**< a child has ended */
#define HV_VIRQ_LIMIT   3u

/** Flags of HV_BIND_IRQ. */
#define HV_IRQ_LEVEL 1u
#define HV_IRQ_LOW   2u

/** States of a port. */
#define HV_PORT_FREE    0u
#define HV_PORT_UNBOUND 1u /**< waits for its named peer */
#define HV_PORT_PEER    2u
#define HV_PORT_VIRQ    3u
#define HV_PORT_IRQ     4u
#define HV_PORT_MSI     5u
#define HV_PORT_CLOSED  6u /**< the other end has closed or died */
#define HV_PORT_IPI     7u

/** Limits of sends to a port from another domain: tokens a second, and how many are kept. */
#define HV_RATE_DEFAULT  100000u
#define HV_BURST_DEFAULT 1000u
#define HV_RATE_MAX      10000000u

/** OUT of event_status. */
struct hv_event_status {
    uint32_t state;     /**< HV_PORT_… */
    uint32_t vcpu;      /**< delivered to */
    uint32_t priority;  /**< HV_PRIORITY_… */
    uint32_t source;    /**< peer's port, virtual IRQ or GSI */
    uint64_t peer;      /**< peer domain, or 0 */
    uint32_t rate;      /**< sends to it a second, 0: no limit */
    uint32_t burst;     /**< that many at once */
    uint64_t throttled; /**< sends that found no token and were delayed; wraps at 2^32 */
    uint64_t rsvd;
};
HV_STATIC_ASSERT(sizeof(struct hv_event_status) == 48, "layout");

/** OUT of HV_BIND_MSI: what to write into the device's MSI or MSI-X table. */
struct hv_msi {
    uint64_t address;
    uint32_t data;
    uint32_t rsvd;
};
HV_STATIC_ASSERT(sizeof(struct hv_msi) == 16, "layout");

#endif
