/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.h: a ring of the last events of each CPU, for panics and for the trace hypercall.
 *
 * Each ring is written by its own CPU only, with interrupts off, so an entry needs no lock. An
 * entry is written before `next` counts it; a reader on another CPU copies it, then looks whether
 * the place is being used again: if so the entry is lost, not torn.
 */
#pragma once

#include "barrier.h"
#include "clock.h"
#include "domain.h"
#include "hv_trace.h"
#include "types.h"

#define TRACE_ENTRIES 256u
#define TRACE_ALL     ((UINT64_C(1) << HV_TRACE_LIMIT) - 1)
/* What is recorded at the start: not what would push all else out. */
#define TRACE_START ((UINT64_C(1) << HV_TRACE_state) - 1)

/** The newest entry is entries[(next - 1) % TRACE_ENTRIES]. */
struct trace_ring {
    uint64_t next;
    struct hv_trace_entry entries[TRACE_ENTRIES];
};

/** Bit n set: event n is recorded. */
extern uint64_t trace_mask;

/** Into the ring of `here`, the running pCPU. */
static inline void trace_write(const struct cpu *here, enum hv_trace_event event, uint64_t a,
                               uint64_t b, uint64_t c) {
    struct trace_ring *ring = here->trace;
    struct hv_trace_entry *entry;

    if (ring == NULL) return;
    entry = &ring->entries[ring->next % TRACE_ENTRIES];
    entry->seq = ring->next;
    entry->event = event;
    entry->domain = here->vcpu != NULL ? (uint32_t)here->vcpu->domain->id : ~(uint32_t)0;
    entry->word[0] = a, entry->word[1] = b, entry->word[2] = c;
    entry->tsc = arch_counter();
    store_release(&ring->next, ring->next + 1);
}

void trace_record(enum hv_trace_event event, uint64_t a, uint64_t b, uint64_t c);

/** Copies up to `max` entries of a ring (NULL: there are none) with sequence numbers from `seq` on;
 *  returns how many. Older ones than the ring holds are left out. */
uint32_t trace_copy(const struct trace_ring *ring, uint64_t seq, struct hv_trace_entry *to,
                    uint64_t max);

/** Prints this CPU's newest entries, the newest last. */
void trace_print(unsigned int count);

/** Is an event recorded? One test and a branch. */
static inline bool trace_on(enum hv_trace_event event) {
    return __builtin_expect((trace_mask & (UINT64_C(1) << event)) != 0, 0);
}

/** Records an event if its bit is set. */
static inline void trace(enum hv_trace_event event, uint64_t a, uint64_t b, uint64_t c) {
    if (trace_on(event)) trace_record(event, a, b, c);
}
