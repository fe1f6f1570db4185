/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.c: the per-CPU trace rings.
 *
 * A CPU without a ring (before its struct cpu is complete) records nothing.
 */
#include "trace.h"
#include "printk.h"

uint64_t trace_mask = TRACE_START;

static const char *const event_names[HV_TRACE_LIMIT] = {
#define HV_TRACE(nr, name, ...) [nr] = #name,
#include "trace.def"
#undef HV_TRACE
};

void trace_record(enum hv_trace_event event, uint64_t a, uint64_t b, uint64_t c) {
    trace_write(this_cpu(), event, a, b, c);
}

void trace_print(unsigned int count) {
    const struct trace_ring *ring = this_cpu()->trace;
    struct hv_trace_entry e;

    e.seq = ring != NULL && ring->next > count ? ring->next - count : 0;
    for (; trace_copy(ring, e.seq, &e, 1) > 0; e.seq++)
        printk("  trace %lu: tsc %lu %s %lx %lx %lx", e.seq, e.tsc, event_names[e.event], e.word[0],
               e.word[1], e.word[2]);
}

uint32_t trace_copy(const struct trace_ring *ring, uint64_t seq, struct hv_trace_entry *to,
                    uint64_t max) {
    uint64_t next = ring != NULL ? load_acquire(&ring->next) : 0;
    uint32_t n = 0;

    if (next > TRACE_ENTRIES && seq < next - TRACE_ENTRIES) seq = next - TRACE_ENTRIES;
    for (; n < max && seq < next; seq++) {
        to[n] = ring->entries[seq % TRACE_ENTRIES];
        /* Lost when its place may be being written to: that of the oldest one always may be. */
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (READ_ONCE(ring->next) < seq + TRACE_ENTRIES) n++;
    }
    return n;
}
