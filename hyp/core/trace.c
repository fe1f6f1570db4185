/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.c: the per-CPU trace rings.
 *
 * A CPU without a ring (before its struct cpu is complete) records nothing.
 */
#include "trace.h"
#include "clock.h"
#include "cpu.h"
#include "domain.h"
#include "printk.h"

uint64_t trace_mask = ~UINT64_C(0);

static const char *const event_names[TRACE_EVENT_COUNT] = {
#define TRACE_NAME(name, text) [TRACE_##name] = text,
    TRACE_EVENTS(TRACE_NAME)
#undef TRACE_NAME
};

void trace_record(enum trace_event event, uint64_t a, uint64_t b, uint64_t c) {
    struct trace_ring *ring = this_cpu()->trace;
    const struct vcpu *v = this_cpu()->vcpu;
    struct trace_entry *entry;

    if (ring == NULL) return;
    entry = &ring->entries[ring->next % TRACE_ENTRIES];
    entry->tsc = arch_counter();
    entry->event = event;
    entry->domain = v != NULL ? (uint32_t)v->domain->id : ~(uint32_t)0;
    entry->words[0] = a;
    entry->words[1] = b;
    entry->words[2] = c;
    ring->next++;
}

void trace_print(unsigned int count) {
    const struct trace_ring *ring = this_cpu()->trace;
    uint64_t first;

    if (ring == NULL) return;
    count = count < TRACE_ENTRIES ? count : TRACE_ENTRIES;
    first = ring->next > count ? ring->next - count : 0;
    for (uint64_t i = first; i < ring->next; i++) {
        const struct trace_entry *e = &ring->entries[i % TRACE_ENTRIES];

        printk("  trace %lu: tsc %lu %s %lx %lx %lx", i, e->tsc,
               e->event < TRACE_EVENT_COUNT ? event_names[e->event] : "?", e->words[0], e->words[1],
               e->words[2]);
    }
}

uint32_t trace_copy(uint64_t seq, struct hv_trace_entry *to, uint64_t max) {
    const struct trace_ring *ring = this_cpu()->trace;
    uint32_t n = 0;

    if (ring == NULL) return 0;
    if (ring->next > TRACE_ENTRIES && seq < ring->next - TRACE_ENTRIES)
        seq = ring->next - TRACE_ENTRIES;
    for (; n < max && seq < ring->next; n++, seq++) {
        const struct trace_entry *e = &ring->entries[seq % TRACE_ENTRIES];

        to[n] = (struct hv_trace_entry){ .seq = seq,
                                         .tsc = e->tsc,
                                         .event = e->event,
                                         .domain = e->domain,
                                         .word = { e->words[0] } };
    }
    return n;
}
