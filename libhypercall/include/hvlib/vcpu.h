/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual CPUs: which one this is, starting the others, locks between them.
 *
 * A vCPU's own are its shared page, with masking, pending events, clock and run-state, its timer,
 * its stacks and registers. All else of the domain is everybody's: spaces, the P2M, ports, grants.
 * The library's own tables are safe for several vCPUs where their headers say so. Where nothing is
 * said, as of a ring, a device or a builder, an object belongs to one vCPU at a time: whoever
 * shares one holds a lock.
 *
 * An event from one vCPU to another (IPI): the receiver, or anybody, binds a port by
 * hv_event_listen(HV_BIND_IPI, vcpu, 0, fn, arg); any vCPU raises it by hv_event_send(port).
 */
#ifndef HVLIB_VCPU_H
#define HVLIB_VCPU_H

#include "hvlib/arch/vcpu.h"
#include "hvlib/cxx.h"
#include <stdbool.h>

HV_C_BEGIN

/** The calling vCPU's shared page. */
#define hv_vcpu hv_this_page()

/** The calling vCPU's number. */
uint32_t hv_vcpu_number(void);

/** How many vCPUs this domain may have: their numbers are below it. */
uint32_t hv_vcpu_limit(void);

typedef void (*hv_vcpu_fn)(void *arg);

/**
 * Start vCPU `vcpu`, made when there is none: map its shared page, set entry points as vCPU 0 has
 * them, and call fn(arg) there, with upcalls masked. When fn returns the vCPU goes down, and can be
 * started again. The stack is `bytes` (at least 8,192, a multiple of 32) at `stack`, of which fn
 * has the upper half and entries from user mode the lower; it is the vCPU's until that is down.
 * Returns 0, or an error of vcpu_create (but -HV_EBUSY), map, vcpu_set_context or vcpu_up:
 * -HV_EBUSY is a vCPU that is up.
 */
int64_t hv_vcpu_start(uint32_t vcpu, hv_vcpu_fn fn, void *arg, void *stack, uint64_t bytes);

/** Take a vCPU down and wait until it does not run any more. Returns 0 or an error of vcpu_down. */
int64_t hv_vcpu_stop(uint32_t vcpu);

/**
 * A lock between vCPUs: 0 is free. Whoever holds it must not wait for anything but the time that
 * its work takes. hv_lock masks upcalls, so that no handler of the same vCPU can want it, and
 * returns what hv_mask does, for hv_unlock. A holder that is not running is waited for by giving
 * the processor away.
 */
struct hv_spinlock {
    uint32_t taken;
};

bool hv_lock(struct hv_spinlock *lock);
void hv_unlock(struct hv_spinlock *lock, bool was_masked);

HV_C_END

#endif
