/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual CPU as its guest sees it: entry points and the shared page.
 *
 * The shared page is one page per vCPU, written by the hypervisor and by the guest. The hypervisor
 * trusts nothing in it. Those of all vCPUs of a domain are GFNs HV_GFN_SHARED + vCPU; any vCPU may
 * map and read any of them, and writes to another's no more than what "guest" writes below.
 *
 * Entry from user mode: the hypervisor fills the save area (rip, rsp, rflags, rax, rcx, r11,
 * gs_base, vector, error, cr2, prev_masked), sets `masked` and `busy`, loads RSP = the kernel stack
 * word, GS base = the kernel GS base and RFLAGS = 0x202, and goes on at the syscall or the
 * event_user entry point. All other registers pass through, FS base included; RAX, RCX and R11 hold
 * no meaning. Entry from kernel mode: the same, but RSP and GS base are unchanged and the entry
 * point is event_kernel. The guest copies the save area and clears `busy`; it clears `masked` when
 * it can take upcalls again.
 *
 * DS, ES, FS and GS selectors are no part of a vCPU's state: they can be null again at any time.
 * The FS and GS bases are kept.
 *
 * A fault with `masked` set alone is delivered. A fault with `busy` set is a double fault: the
 * domain dies with a report. Upcalls wait while `masked` or `busy` is set.
 */
#ifndef HV_VCPU_H
#define HV_VCPU_H

#include "hv_call.h"

/** Vectors in the save area: below 32 the processor's exceptions; these two are the interface's
 * own. */
#define HV_VECTOR_EVENT   256u /**< an upcall: events are pending */
#define HV_VECTOR_SYSCALL 257u /**< a SYSCALL from user mode */

/** vCPUs of a domain. */
#define HV_MAX_VCPUS 64u
/** Ports of a domain. */
#define HV_MAX_PORTS 4096u
/** Ports of one poll. */
#define HV_MAX_POLL_PORTS 64u
/** Deadline of a poll that has none. */
#define HV_POLL_FOREVER (~(uint64_t)0)

/** IN of set_entry. Entry points lie in the kernel half; stack and GS base are canonical and not
 * the hypervisor's. */
struct hv_entry {
    uint64_t syscall;        /**< IN entry for SYSCALL from user mode */
    uint64_t event_user;     /**< IN entry for upcalls and faults from user mode */
    uint64_t event_kernel;   /**< IN entry for upcalls and faults from kernel mode */
    uint64_t kernel_gs_base; /**< IN GS base of the kernel; also loaded at once */
    uint64_t kernel_stack;   /**< IN RSP at entries from user mode, until `switch` sets another */
    uint64_t rsvd;           /**< IN 0 */
};
HV_STATIC_ASSERT(sizeof(struct hv_entry) == 48, "layout");

/** The save area: what an entry interrupted. Written by hyp at entry; read by hyp in
 * return_to_user, each word once. */
struct hv_save_area {
    uint64_t rip;
    uint64_t rsp;
    uint64_t rflags;
    uint64_t rax;
    uint64_t rcx;
    uint64_t r11;
    uint64_t gs_base;     /**< GS base of the interrupted mode */
    uint64_t cr2;         /**< fault address, vector 14 only */
    uint32_t vector;      /**< exception, HV_VECTOR_EVENT or HV_VECTOR_SYSCALL; return_to_user uses
                             SYSRET for the last */
    uint32_t error;       /**< error code of the exception, or 0 */
    uint32_t prev_masked; /**< `masked` before the entry (0 from user mode) */
    uint32_t rsvd;
    uint64_t rsvd2[6];
};
HV_STATIC_ASSERT(sizeof(struct hv_save_area) == 128, "layout");

/**
 * Nanoseconds since boot = ns_base + ((tsc - tsc_base) * mult >> shift), 128-bit product. Written
 * by hyp; read like a seqlock: version even and unchanged around the reads.
 */
struct hv_clock {
    uint32_t version;
    uint32_t shift;
    uint64_t mult;
    uint64_t tsc_base;
    uint64_t ns_base;
    uint64_t rsvd[4];
};
HV_STATIC_ASSERT(sizeof(struct hv_clock) == 64, "layout");

/** Run-states, index of hv_runstate.time. */
#define HV_RUN_RUNNING  0u
#define HV_RUN_RUNNABLE 1u
#define HV_RUN_BLOCKED  2u
#define HV_RUN_OFFLINE  3u

/** Where the vCPU's time went, in nanoseconds, up to `since`; state is what it has been since.
 * Written by hyp, seqlock. */
struct hv_runstate {
    uint32_t version;
    uint32_t state;
    uint64_t since;
    uint64_t time[4];
    uint32_t weight;
    uint32_t cap; /**< percent of a CPU, 0: none */
    uint64_t rsvd;
};
HV_STATIC_ASSERT(sizeof(struct hv_runstate) == 64, "layout");

/** What a vCPU waits for: bits of hv_vcpu_info.wait. Several at once: for all of them. */
#define HV_WAIT_BLOCK  1u  /**< in block, for an event */
#define HV_WAIT_IO     2u  /**< an emulated port access is with its model */
#define HV_WAIT_PAUSE  4u  /**< its domain is paused */
#define HV_WAIT_DOWN   8u  /**< it is down, or its domain ended */
#define HV_WAIT_TRACED 16u /**< its recorded calls have to be read first */
#define HV_WAIT_POLL   32u /**< in poll */
#define HV_WAIT_CAP    64u /**< the period in which its cap's budget was used up is not over */

/** OUT of vcpu_info: all as it was at one moment. A processor is named by its bit in an affinity.
 */
struct hv_vcpu_info {
    uint32_t state;    /**< HV_RUN_… */
    uint32_t wait;     /**< HV_WAIT_…; 0: it runs, or could */
    uint32_t cpu;      /**< processor that it runs on, wants to run on, or ran on last */
    uint32_t weight;   /**< its domain's */
    uint32_t cap;      /**< its domain's, percent of a CPU, 0: none */
    uint32_t rsvd0;    /**< 0 */
    uint64_t affinity; /**< bit n: may run on processor n; bits of those that are not there, too */
    uint64_t since;    /**< nanoseconds since boot: when `state` began */
    uint64_t time[4];  /**< nanoseconds in each state, up to that moment */
    uint64_t wakeups;  /**< times that it was made ready to run */
    uint64_t migrations; /**< times that it went to another processor */
    uint64_t rsvd1[2];   /**< 0 */
};
HV_STATIC_ASSERT(sizeof(struct hv_vcpu_info) == 104, "layout");

/** Event priorities: index of the pending words. */
#define HV_PRIORITY_NORMAL 0u
#define HV_PRIORITY_URGENT 1u

/**
 * The shared page. Pending events are a two-level bitmap a priority: bit w of pending_sel[p] says
 * that word w of pending[p] may be non-zero; bit b of word w is port w * 64 + b. hyp raises an
 * upcall only when a selector bit goes from 0 to 1. A selector bit without a bit in its word is
 * harmless.
 *
 * Ordering. Every word is aligned and read and written as a whole. "hyp" below is hyp on any CPU
 * where that is said, else hyp in the vCPU's own place, that is in its program order. "Release" and
 * "acquire" are those of C11; a LOCKed instruction or XCHG is both, and a full barrier.
 *
 *  word         written by                      read by
 *  masked       hyp: 1, at an entry; 0, in      hyp on any CPU, behind the LOCKed OR of a selector
 *               block and return_to_user        (U2); at an entry
 *               guest: 1, relaxed; 0, release
 *  busy         hyp: 1, at an entry             hyp: at faults, before an upcall
 *               guest: 0, release (S2)
 *  save         hyp: at an entry, before it     guest: between the entry and busy = 0 (S1)
 *               goes on in the guest (S1)       hyp: in return_to_user, each word once
 *               guest: before return_to_user
 *  clock, run   hyp on any CPU, one at a time   guest: a seqlock's reader (R2)
 *               (R1)
 *  pending      hyp on any CPU: LOCK OR, first  guest: XCHG with 0, or LOCK AND, second (P2);
 *               (P1)                            hyp: in poll (W2)
 *  pending_sel  hyp on any CPU: LOCK OR,        guest: XCHG with 0, first (P2); relaxed reads (U1)
 *               second (P1)                     hyp: in block and return_to_user (U1)
 *
 * Each pair, and what it is for:
 *  P1/P2  release/acquire. Who takes a selector bit finds the bit of the word that it was set for,
 *         and everything that the sender wrote before event_send. A bit that is set after its word
 *         was taken sets the selector again: no event is lost.
 *  U1/U2  the other side of the same words, store then load on both: the guest writes masked = 0,
 *         MFENCE, reads pending_sel, and when it is not zero sets masked again and serves; hyp sets
 *         the selector, which is a full barrier, then reads masked. One of the two sees the other:
 *         no upcall is lost. block and return_to_user do the guest's part in one call.
 *  W1/W2  the same for sleepers: block and poll mark the vCPU (W1), a full barrier, then read
 *         pending_sel (block) or the words of their ports (poll); who raises sets the bits, then
 *         reads the mark. No wake-up is lost.
 *  S1/S2  one CPU at a time: the save area is hyp's from the guest's last read (made before the
 *         release of busy = 0, S2) to the entry. hyp writes all of it before the entry point runs.
 *  R1/R2  hyp: version odd, release fence, fields, version even (release). Guest: version
 *         (acquire), fields (relaxed), acquire fence, version again: equal and even, or once more.
 */
struct hv_vcpu_page {
    uint32_t masked; /**< hyp sets at entry, guest clears and sets: no upcalls */
    uint32_t busy;   /**< hyp sets at entry, guest clears: the save area is in use */
    uint64_t rsvd0[7];
    struct hv_save_area save; /**< both, see above */
    struct hv_clock clock;    /**< hyp writes */
    struct hv_runstate run;   /**< hyp writes */
    uint64_t rsvd1[24];
    uint64_t pending_sel[2]; /**< hyp sets bits, guest clears */
    uint64_t rsvd2[62];
    uint64_t pending[2][64]; /**< hyp sets bits, guest clears */
    uint64_t rsvd3[256];
};
HV_STATIC_ASSERT(sizeof(struct hv_vcpu_page) == 4096, "layout");
HV_STATIC_ASSERT(offsetof(struct hv_vcpu_page, save) == 0x40, "layout");
HV_STATIC_ASSERT(offsetof(struct hv_vcpu_page, clock) == 0xc0, "layout");
HV_STATIC_ASSERT(offsetof(struct hv_vcpu_page, run) == 0x100, "layout");
HV_STATIC_ASSERT(offsetof(struct hv_vcpu_page, pending_sel) == 0x200, "layout");
HV_STATIC_ASSERT(offsetof(struct hv_vcpu_page, pending) == 0x400, "layout");

#endif
