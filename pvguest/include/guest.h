/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest image: its roles, and what they measure themselves with.
 */
#ifndef PVGUEST_GUEST_H
#define PVGUEST_GUEST_H

#include <stdbool.h>
#include <stdint.h>

/* Each returns the reason of the shutdown. */
unsigned role_diskbench(void);
unsigned role_counter(void);
unsigned role_reconnect(void);
unsigned role_selftest(void);
unsigned role_hostile(void);
unsigned role_blockbench(void);

/** Run the embedded user programs: true when all behaved as they should. */
bool user_programs(void);
/** Write, flush, read back and compare on the scratch disk vdb; true also when there is none. */
bool scratch_test(void);

/** What this domain has done and used so far, or between two such moments. */
struct measure {
    uint64_t ns;
    uint64_t hypercalls;
    uint64_t transitions;
    uint64_t syscalls;
    uint64_t faults;
    uint64_t events; /**< sent and taken */
    uint64_t port_traps;
    uint64_t hyp_copied; /**< bytes copied by the hypervisor on its behalf */
    uint64_t running;    /**< nanoseconds on the CPU */
    uint64_t total;      /**< nanoseconds in all states */
};

struct measure measure_now(void);
struct measure measure_since(const struct measure *start);
/** Share of the CPU in tenths of a percent. */
unsigned measure_share(const struct measure *m);
/** Print the share since the domain's start. */
void print_share(void);

#endif
