/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time without a hypercall: the clock record and the run-states of the shared page.
 */
#ifndef HVLIB_CLOCK_H
#define HVLIB_CLOCK_H

#include "hvlib/cxx.h"
#include <hv_vcpu.h>

HV_C_BEGIN

/** Nanoseconds since boot, by the calling vCPU's record: no vCPU's is behind what another has read
 * where the processors' counters agree, which the hypervisor checks when it boots. */
uint64_t hv_now(void);

/** The same for a value of the time stamp counter, by a given record; pure. */
uint64_t hv_clock_ns(const struct hv_clock *clock, uint64_t tsc);

/** Copy this vCPU's run-state record, consistently. */
void hv_run_state(struct hv_runstate *run);
/** The same of the vCPU whose shared page is at `page`. */
void hv_run_state_of(const struct hv_vcpu_page *page, struct hv_runstate *run);

/** Wait, yielding, until `ns` nanoseconds have passed. */
void hv_delay(uint64_t ns);

HV_C_END

#endif
