/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All of core on the host: real frames, P2Ms, spaces, grants, events, scheduler and domains over an
 * arena as RAM and the pCPU of host_cpu.h. Only the architecture's part of a vCPU is a stand-in.
 */
#ifndef HOST_CORE_H
#define HOST_CORE_H

#include "host_cpu.h"

#include "domain.h"
#include "event.h"

/* What a test file that uses this names as its sources, besides host_cpu.c and host_core.c:
 * audit audit_plant console counter dma domain epoch event frame grant guestmem ioemul p2m
 * portdecode resource sched space space_table timer trace, lib/lock. */

/* A machine without root, of whose memory the last `taken` frames are the boot loader's. What its
 * command line says, the test writes there, is the value of the option root-mem. */
struct boot_info *host_core_boot(uint64_t frames, uint64_t taken);
/* A machine with this much memory and root, made with half of it as quota. */
void host_core_start(uint64_t frames);

/** Ports of each kind, as the calls open them. */
static inline int64_t host_port(struct domain *d, uint64_t peer)
{
    return event_open(d, HV_PORT_UNBOUND, peer, 0, NULL);
}

static inline int64_t host_bind_peer(struct domain *d, uint64_t peer, uint64_t port)
{
    return event_open(d, HV_PORT_PEER, peer, port, NULL);
}

static inline int64_t host_bind_virq(struct domain *d, uint64_t virq, uint64_t vcpu)
{
    return event_open(d, HV_PORT_VIRQ, virq, vcpu, NULL);
}

static inline int64_t host_bind_irq(struct domain *d, uint64_t line, uint64_t flags)
{
    return event_open(d, HV_PORT_IRQ, line, flags, NULL);
}

static inline int64_t host_bind_msi(struct domain *d, uint64_t device, struct hv_msi *msi)
{
    return event_open(d, HV_PORT_MSI, device, 0, msi);
}

/* A child that may create; its number, or the error. */
int64_t host_child(struct domain *parent, uint64_t quota);
/* The same, which has to work, populated with `pages` from GFN 0 on. */
struct domain *host_domain(struct domain *parent, uint64_t quota, uint64_t pages);
/* Destroys until done; returns the last result. */
int host_destroy(struct domain *d);
/* Makes a domain's vCPU 0 the running one; its domain is started if it was not. */
void host_run(struct domain *d);
/* Maps a page of `d` in its kernel half and returns the address. */
uint64_t host_map(struct domain *d, uint64_t gfn, uint32_t rights);
/* Memory of a domain, for the test to read and write. */
void *host_ram(struct domain *d, uint64_t gfn);
/* The audit, which must find nothing. */
void host_audit(void);

/* What vcpu_inject was called with last. */
extern unsigned int host_faults;
extern uint32_t host_fault_vector, host_fault_error;
extern uint64_t host_fault_address;

#endif
