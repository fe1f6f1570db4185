/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What entry code and start code call in the library, and nobody else.
 */
#ifndef TRAP_INTERNAL_H
#define TRAP_INTERNAL_H

#include "hvlib/trap.h"

/** The state for user mode was refused and there is nowhere to return to: report, shut down. */
void hv_user_refused(const struct hv_frame *frame, int64_t error);

/** First C function of a guest; `start_page` is the address of its start page. */
_Noreturn void hv_start(const void *start_page);

/** First instructions of a vCPU that hv_vcpu_start has started, and first C function; `start` is
 * what that has left for it. */
void hv_vcpu_entry(void);
_Noreturn void hv_vcpu_main(const void *start);

#endif
