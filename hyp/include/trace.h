/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.h: a ring of the last events of each CPU, for panics and for the trace hypercall.
 *
 * Each ring is written by its own CPU only, with interrupts off, so an entry needs no lock; a
 * reader on another CPU may see a torn entry and treats the ring as a hint.
 */
#pragma once

#include <stdint.h>

#define TRACE_ENTRIES 256u

/* Event numbers and names; append only. */
#define TRACE_EVENTS(X)                                                                            \
    X(NONE, "none")                                                                                \
    X(BOOT, "boot")                                                                                \
    X(TRAP, "trap")                                                                                \
    X(IRQ, "irq")                                                                                  \
    X(HYPERCALL, "hypercall")                                                                      \
    X(SWITCH, "switch")                                                                            \
    X(EVENT, "event")                                                                              \
    X(GRANT, "grant")                                                                              \
    X(SPACE, "space")                                                                              \
    X(DOMAIN, "domain")                                                                            \
    X(TIMER, "timer")                                                                              \
    X(PANIC, "panic")

enum trace_event {
#define TRACE_ENUM(name, text) TRACE_##name,
    TRACE_EVENTS(TRACE_ENUM)
#undef TRACE_ENUM
        TRACE_EVENT_COUNT
};

struct trace_entry {
    uint64_t tsc;
    uint32_t event;  /**< enum trace_event */
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

void trace_record(enum trace_event event, uint64_t a, uint64_t b, uint64_t c);

struct hv_trace_entry;

/** Copies up to `max` entries of this CPU with sequence numbers from `seq` on; returns how many.
 *  Older ones than the ring holds are left out. */
uint32_t trace_copy(uint64_t seq, struct hv_trace_entry *to, uint64_t max);

/** Prints this CPU's newest entries, the newest last. */
void trace_print(unsigned int count);

/** Records an event if its bit is set; one test and a branch otherwise. */
static inline void trace(enum trace_event event, uint64_t a, uint64_t b, uint64_t c) {
    if (trace_mask & (UINT64_C(1) << event)) trace_record(event, a, b, c);
}
