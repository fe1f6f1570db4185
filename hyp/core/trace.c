/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.c: the per-CPU trace rings.
 *
 * A CPU without a ring (before its struct cpu is complete) records nothing.
 */
#include "trace.h"
#include "clock.h"
#include "cpu.h"
#include "printk.h"

uint64_t trace_mask = ~UINT64_C(0);

static const char *const event_names[TRACE_EVENT_COUNT] = {
#define TRACE_NAME(name, text) [TRACE_##name] = text,
    TRACE_EVENTS(TRACE_NAME)
#undef TRACE_NAME
};

void trace_record(enum trace_event event, uint64_t a, uint64_t b, uint64_t c)
{
    struct trace_ring *ring = this_cpu()->trace;
    struct trace_entry *entry;

    if (ring == NULL) {
        return;
    }
    entry = &ring->entries[ring->next % TRACE_ENTRIES];
    entry->tsc = arch_counter();
    entry->event = event;
    entry->words[0] = a;
    entry->words[1] = b;
    entry->words[2] = c;
    ring->next++;
}

const char *trace_event_name(uint32_t event)
{
    return event < TRACE_EVENT_COUNT ? event_names[event] : "?";
}

void trace_print(unsigned int count)
{
    const struct trace_ring *ring = this_cpu()->trace;
    uint64_t first;

    if (ring == NULL) {
        return;
    }
    count = count < TRACE_ENTRIES ? count : TRACE_ENTRIES;
    first = ring->next > count ? ring->next - count : 0;
    for (uint64_t i = first; i < ring->next; i++) {
        const struct trace_entry *e = &ring->entries[i % TRACE_ENTRIES];

        printk("  trace %lu: tsc %lu %s %lx %lx %lx", i, e->tsc, trace_event_name(e->event),
               e->words[0], e->words[1], e->words[2]);
    }
}
