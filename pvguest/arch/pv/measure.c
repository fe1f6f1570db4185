/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hypervisor has counted for this domain: its counters and the run-state record. Owns the
 * number of readings so far: each costs one hypercall, which is taken off.
 */
#include "arch/measure.h"

#include "arch/cpu.h"
#include "cpu.h"
#include "kstring.h"
#include "printk.h"
#include "pv.h"

#include <hv_domain.h>
#include <hvlib/arch/hypercall.h>
#include <hvlib/clock.h>
#include <hvlib/memory.h>

static uint64_t readings;

enum { PORT_TRAPS, TRANSITIONS, HYPERCALLS, EVENTS, COUNTERS };

const struct arch_counter *arch_counter(unsigned n)
{
    static const struct arch_counter counters[COUNTERS] = {
        [PORT_TRAPS] = { "port_traps", "trapped accesses" },
        [TRANSITIONS] = { "transitions", "transitions" },
        [HYPERCALLS] = { "hypercalls", "hypercalls" },
        [EVENTS] = { "events", "events" },
    };

    return n < COUNTERS ? &counters[n] : NULL;
}

/* The record says how long each state lasted up to `since`; the state it names goes on. */
static void read_runstate(struct arch_usage *u, unsigned cpu, uint64_t *now)
{
    struct hv_runstate run;

    hv_run_state_of(pv_page(cpu), &run);
    *now = arch_clock_ns();
    run.time[run.state % 4] += *now - run.since;
    u->running += run.time[HV_RUN_RUNNING];
    u->total += run.time[HV_RUN_RUNNING] + run.time[HV_RUN_RUNNABLE] + run.time[HV_RUN_BLOCKED];
}

void arch_usage_read(struct arch_usage *u, uint64_t *now)
{
    HV_BUFFER(128) struct hv_counters c;

    memset(&c, 0, sizeof(c));
    if (hv_counters(HV_SELF, hv_gpa(&c)) < 0) {
        panic("no counters");
    }
    memset(u, 0, sizeof(*u));
    u->trapped = c.port_traps;
    u->copied = c.bytes_copied - readings * sizeof(c);
    u->count[PORT_TRAPS] = c.port_traps;
    u->count[TRANSITIONS] = c.transitions - readings;
    u->count[HYPERCALLS] = c.hypercalls - readings;
    u->count[EVENTS] = c.events_sent + c.upcalls;
    readings++;
    for (unsigned n = 0; n < cpu_count(); n++) {
        read_runstate(u, n, now);
    }
}
