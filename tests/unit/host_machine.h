/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine on the host for core's memory code: an arena as RAM behind a direct map, one pCPU, a
 * TLB that remembers what it was shown until it is flushed, and domains without anything but
 * memory.
 */
#ifndef HOST_MACHINE_H
#define HOST_MACHINE_H

#include "domain.h"
#include "frame.h"
#include "space.h"

/* A machine with this many frames of RAM, some of them with holes between; all state of core's
 * memory starts anew. */
void machine_start(uint64_t frames);

/* A domain with these limits. Aborts when it cannot be made. */
struct domain *machine_domain(uint64_t quota, uint64_t ram_pages, uint64_t window_pages);
/* The same; NULL when memory or quota does not suffice, and then nothing of it is left. */
struct domain *machine_try_domain(uint64_t quota, uint64_t ram_pages, uint64_t window_pages);
/* All of a domain's teardown, in the order of the hypervisor; counts the steps. Its record stays,
 * and is freed with machine_bury once nothing is quarantined. */
unsigned int machine_kill(struct domain *d);
void machine_bury(struct domain *d);

/* The vCPU 0 of a domain runs on the pCPU, in this space. */
void machine_run(struct domain *d, struct space *s);
/* An access by the running vCPU: false: a fault. It may hit the TLB, and then sees what it held. */
bool machine_touch(uint64_t va, bool write, mfn_t *m);
/* Does the TLB have a translation to this frame? */
bool machine_tlb_has(mfn_t m);
/* How often it was flushed, whole and by page. */
extern unsigned int machine_flushes, machine_page_flushes;

/* Frames that were free at the start. */
extern uint64_t machine_frames;

/* What core raised last, and how often. */
extern struct domain *machine_raised;
extern uint32_t machine_raised_port;
extern unsigned int machine_raises;

/* Audit options for boot_option, "" for none; lines that printk got. */
extern char machine_plant[32], machine_log[4096];

/* Called when code asks on which pCPU it is, as each lock does: what others do in between. */
extern void (*machine_this_cpu_hook)(void);

/* Expects that the audit finds nothing. */
void machine_audit(void);

/* Repeatable random numbers. */
uint64_t machine_random(uint64_t below);
void machine_seed(uint64_t seed);

/* Check's own assertions talk to the parent each time: too slow for loops. */
#define must(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("%s:%d: %s", __FILE__, __LINE__, #x);                                     \
    } while (0)

#endif
