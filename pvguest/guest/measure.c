/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest can learn about its own cost: the hypervisor's counters, the run-state record and
 * the clock. Owns nothing. Reading them costs one hypercall, which is taken off.
 */
#include "clock.h"
#include "guest.h"
#include "kstring.h"
#include "printk.h"

#include <hv_domain.h>
#include <hvlib/arch/hypercall.h>
#include <hvlib/clock.h>
#include <hvlib/memory.h>

/* The record says how long each state lasted up to `since`; the state it names goes on. */
static void read_runstate(struct measure *m)
{
    struct hv_runstate run;

    hv_run_state(&run);
    m->ns = clock_ns();
    run.time[run.state % 4] += m->ns - run.since;
    m->running = run.time[HV_RUN_RUNNING];
    m->total = run.time[HV_RUN_RUNNING] + run.time[HV_RUN_RUNNABLE] + run.time[HV_RUN_BLOCKED];
}

struct measure measure_now(void)
{
    HV_BUFFER(128) struct hv_counters c;
    struct measure m = { 0 };

    memset(&c, 0, sizeof(c));
    if (hv_counters(HV_SELF, hv_gpa(&c)) < 0) {
        panic("no counters");
    }
    m.hypercalls = c.hypercalls;
    m.transitions = c.transitions;
    m.syscalls = c.syscalls;
    m.faults = c.faults;
    m.events = c.events_sent + c.upcalls;
    m.port_traps = c.port_traps;
    m.hyp_copied = c.bytes_copied;
    read_runstate(&m);
    return m;
}

struct measure measure_since(const struct measure *start)
{
    struct measure m = measure_now();

    m.ns -= start->ns;
    m.hypercalls -= start->hypercalls + 1; /* the one that read them */
    m.transitions -= start->transitions + 1;
    m.syscalls -= start->syscalls;
    m.faults -= start->faults;
    m.events -= start->events;
    m.port_traps -= start->port_traps;
    m.hyp_copied -= start->hyp_copied + sizeof(struct hv_counters);
    m.running -= start->running;
    m.total -= start->total;
    return m;
}

unsigned measure_share(const struct measure *m)
{
    return m->total == 0 ? 0 : (unsigned)(m->running * 1000 / m->total);
}

void print_share(void)
{
    struct measure m = measure_now();
    unsigned share = measure_share(&m);

    printk("share of the CPU: %u.%u%% (%lu of %lu ms)\n", share / 10, share % 10,
           (unsigned long)(m.running / NS_PER_MS), (unsigned long)(m.total / NS_PER_MS));
}
