/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traces: the events of a CPU, and the hypercalls of one vCPU.
 */
#ifndef HV_TRACE_H
#define HV_TRACE_H

#include "hv_call.h"

enum hv_trace_event {
#define HV_TRACE(nr, name, ...) HV_TRACE_##name = nr,
#include "trace.def"
#undef HV_TRACE
    /** One more than the highest number in use. */
    HV_TRACE_LIMIT
};

/** OUT of trace_read. */
struct hv_trace_entry {
    uint64_t seq;
    uint64_t tsc;
    uint32_t event;   /**< HV_TRACE_… */
    uint32_t domain;  /**< low half of the number of the domain that ran; ~0: none */
    uint64_t word[3]; /**< what they are: trace.def */
};
HV_STATIC_ASSERT(sizeof(struct hv_trace_entry) == 48, "layout");

/** Modes of call_trace. */
#define HV_CALLS_OFF    0u
#define HV_CALLS_NEWEST 1u
#define HV_CALLS_ALL    2u

/** Hypercalls that are kept of a vCPU. */
#define HV_CALLS_KEPT 32u

/** OUT of call_trace_read. Registers that the call does not take hold what they held. */
struct hv_call_entry {
    uint64_t seq;    /**< counts the recorded calls of this vCPU */
    uint64_t tsc;    /**< when it was made */
    uint64_t rip;    /**< where its caller goes on */
    uint64_t nr;     /**< RAX; not always a hypercall's number */
    uint64_t arg[6]; /**< RDI RSI RDX R10 R8 R9 */
    int64_t result;  /**< a call that does not return: 0 */
};
HV_STATIC_ASSERT(sizeof(struct hv_call_entry) == 88, "layout");

#endif
