/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine of several pCPUs in simulated time, on which the hypervisor's own scheduler and timers
 * run (core/sched.c, core/timer.c) and vCPUs that compute and sleep.
 *
 * Each pCPU is a coroutine: it gives up the host's thread where real code would run a guest or
 * halt, and goes on at the next interrupt or when its guest has done its work. An interrupt from
 * one pCPU to another arrives SIM_KICK_NS later. Code of the hypervisor takes no time.
 */
#ifndef HOST_SIM_H
#define HOST_SIM_H

#include "domain.h"

#define SIM_CPUS     8u
#define SIM_VCPUS    128u
#define SIM_KICK_NS  2000u
#define SIM_CLEAR_NS 20000u
#define SIM_MS       1000000u
#define SIM_S        1000000000u

struct sim_vcpu {
    struct vcpu v;
    struct domain d;
    struct hv_vcpu_page page;
    uint64_t run, sleep;            /* computes for, then sleeps for, ns; sleep 0: never */
    uint32_t jitter;                /* percent by which each of them varies */
    struct sim_vcpu *yields;        /* instead of sleeping it yields to this one; itself: to any */
    uint64_t left;                  /* of its burst */
    uint64_t woken;                 /* when it last became ready and has not run since; 0: it has */
    uint64_t latency, wake_latency; /* the longest it waited for a pCPU: ever, after a sleep */
    bool slept;
    uint64_t begun; /* when it was added */
    uint32_t moves; /* to another pCPU */
    uint32_t where;
};

extern struct sim_vcpu sim_vcpu[SIM_VCPUS];
extern uint32_t sim_vcpus;
extern uint64_t sim_now;
/* The longest that a pCPU was idle while one that might run there waited. */
extern uint64_t sim_idle_beside_work;
extern uint64_t sim_idle_ns, sim_interrupts; /* of all pCPUs */
/* So many pieces of memory are there to be cleared by who is idle, SIM_CLEAR_NS each. */
extern uint32_t sim_dirty;

/* Anew, with so many pCPUs and nothing to run. */
void sim_start(uint32_t cpus, uint64_t seed);
struct sim_vcpu *sim_add(uint32_t weight, uint64_t run, uint64_t sleep);
void sim_run(uint64_t ns);
uint64_t sim_random(uint64_t below);
/* CPU time so far. */
uint64_t sim_cpu_ns(const struct sim_vcpu *g);

#endif
