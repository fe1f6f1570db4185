/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domain control and system information: structures of create, context, info, counters and assign.
 */
#ifndef HV_DOMAIN_H
#define HV_DOMAIN_H

#include "hv_call.h"

/** Domains that can exist at once. */
#define HV_MAX_DOMAINS 256u

/** Flags of hv_domain_create. */
#define HV_CREATE_MAY_CREATE 1u /**< the child may create domains itself */

/** IN of domain_create. Everything is charged to the child's quota, and the quota is taken from the
 * creator's, while the child exists; so are the domains that it may create, and itself; so is the
 * weight, but for root's children. */
struct hv_domain_create {
    uint64_t quota;        /**< IN frames it may use in all: RAM, tables, everything */
    uint64_t ram_pages;    /**< IN size of its RAM range of GFNs, 1..HV_MAX_RAM_PAGES */
    uint64_t window_pages; /**< IN size of its window range, 0..HV_MAX_WINDOW_PAGES */
    uint32_t vcpus;   /**< IN vCPUs that it may have, 1..HV_MAX_VCPUS; number 0 exists at once */
    uint32_t flags;   /**< IN HV_CREATE_… */
    uint32_t weight;  /**< IN share of the CPU relative to others, 1..65535 (default 256); its
                         vCPUs that are up share it equally */
    uint32_t cap;     /**< IN percent of a CPU at most, all vCPUs together, 0: none; up to 6400 */
    uint32_t domains; /**< IN domains that may exist below it; 0 if it may not create */
    uint32_t rsvd0;   /**< IN 0 */
    uint64_t rsvd1;   /**< IN 0 */
};
HV_STATIC_ASSERT(sizeof(struct hv_domain_create) == 56, "layout");

/** IN of vcpu_set_context: where a vCPU starts, in kernel mode, space 0, masked, RFLAGS 0x202,
 * other registers 0. For a vCPU that the guest starts itself the conventions are the guest's. */
struct hv_vcpu_context {
    uint64_t rip; /**< IN in the kernel half */
    uint64_t rsp; /**< IN canonical, not the hypervisor's */
    uint64_t rdi; /**< IN convention: virtual address of the start page */
    uint64_t rsi; /**< IN convention: 0 */
};
HV_STATIC_ASSERT(sizeof(struct hv_vcpu_context) == 32, "layout");

/** States of a domain. */
#define HV_DOMAIN_BUILDING 0u
#define HV_DOMAIN_RUNNING  1u
#define HV_DOMAIN_PAUSED   2u
#define HV_DOMAIN_SHUTDOWN 3u /**< ended itself; reason is what it said */
#define HV_DOMAIN_KILLED   4u /**< broke its contract; report says how */
#define HV_DOMAIN_DYING    5u /**< being destroyed */

/** General registers of a vCPU, without RIP, RSP and RFLAGS. */
struct hv_registers {
    uint64_t r15;
    uint64_t r14;
    uint64_t r13;
    uint64_t r12;
    uint64_t rbp;
    uint64_t rbx;
    uint64_t r11;
    uint64_t r10;
    uint64_t r9;
    uint64_t r8;
    uint64_t rax;
    uint64_t rcx;
    uint64_t rdx;
    uint64_t rsi;
    uint64_t rdi;
};
HV_STATIC_ASSERT(sizeof(struct hv_registers) == 120, "layout");

/** OUT of domain_info. Registers are those of vCPU 0, or of the vCPU for which the domain was
 * killed. What is said of a fault, and the registers beyond RIP and RSP, are zero unless it was. */
struct hv_domain_info {
    uint64_t id;
    uint64_t parent;
    uint32_t state;       /**< HV_DOMAIN_… */
    uint32_t reason;      /**< of shutdown */
    uint64_t quota;       /**< frames */
    uint64_t used;        /**< frames charged now */
    uint64_t quarantined; /**< of these, frames in DMA quarantine */
    uint64_t cpu_ns;      /**< CPU time of all its vCPUs */
    uint32_t weight;
    uint32_t vcpus; /**< that it has, up or down */
    uint64_t rip;   /**< last known state when not running */
    uint64_t rsp;
    uint64_t cr2; /**< address of a page fault that killed it; 0 for other vectors */
    uint32_t vector;
    uint32_t error;
    char report[56]; /**< why it was killed, NUL-terminated */
    uint64_t rflags;
    uint64_t space; /**< number of the space that was loaded */
    struct hv_registers regs;
    uint64_t ram_pages; /**< size of its RAM range, populated or not */
    uint64_t populated; /**< frames of RAM that it has now */
};
HV_STATIC_ASSERT(sizeof(struct hv_domain_info) == 304, "layout");

/** OUT of counters: what a domain has done since it was created. */
struct hv_counters {
    uint64_t hypercalls;
    uint64_t transitions; /**< entries into the hypervisor of any kind: hypercalls, system calls,
                             faults, interrupts */
    uint64_t syscalls;    /**< user system calls bounced to its kernel */
    uint64_t faults;      /**< exceptions reflected to its kernel */
    uint64_t interrupts;  /**< physical interrupts taken while it ran */
    uint64_t events_sent;
    uint64_t upcalls;
    uint64_t port_traps;   /**< emulated port accesses (a REP counts once) */
    uint64_t bytes_copied; /**< by the hypervisor on its behalf: buffers, copies, emulated strings,
                              and domain_copy where it is the descendant */
    uint64_t switches;     /**< times it was switched to */
    uint64_t rsvd[6];
};
HV_STATIC_ASSERT(sizeof(struct hv_counters) == 128, "layout");

/** Kinds of assign. */
#define HV_ASSIGN_PORTS  1u
#define HV_ASSIGN_MMIO   2u
#define HV_ASSIGN_IRQ    3u
#define HV_ASSIGN_DEVICE 4u

#endif
