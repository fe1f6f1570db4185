/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.h: a ring of the last events of each CPU, for panics and for the trace hypercall.
 *
 * Each ring is written by its own CPU only, with interrupts off, so an entry needs no lock; a
 * reader on another CPU may see a torn entry and treats the ring as a hint.
 */
#pragma once

#include "hv_trace.h"

#define TRACE_ENTRIES 256u
#define TRACE_ALL     ((UINT64_C(1) << HV_TRACE_LIMIT) - 1)

struct trace_entry {
    uint64_t tsc;
    uint32_t event;  /**< enum hv_trace_event */
    uint32_t domain; /**< low half of the number of the domain whose vCPU is loaded; ~0: none */
    uint64_t words[3];
};

/** The newest entry is entries[(next - 1) % TRACE_ENTRIES]. */
struct trace_ring {
    uint64_t next;
    struct trace_entry entries[TRACE_ENTRIES];
};

/** Bit n set: event n is recorded. */
extern uint64_t trace_mask;

void trace_record(enum hv_trace_event event, uint64_t a, uint64_t b, uint64_t c);

/** Copies up to `max` entries of this CPU with sequence numbers from `seq` on; returns how many.
 *  Older ones than the ring holds are left out. */
uint32_t trace_copy(uint64_t seq, struct hv_trace_entry *to, uint64_t max);

/** Prints this CPU's newest entries, the newest last. */
void trace_print(unsigned int count);

/** Records an event if its bit is set; one test and a branch otherwise. */
static inline void trace(enum hv_trace_event event, uint64_t a, uint64_t b, uint64_t c) {
    if (trace_mask & (UINT64_C(1) << event)) trace_record(event, a, b, c);
}
