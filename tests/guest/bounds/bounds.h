/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a driver is written against. For each hypercall there is one: it makes the call with the
 * most expensive input that the call's documented bound allows, in as many forms as may be the
 * worst, each through TIMED. The list in main.c is made from hypercalls.def, so a call without
 * driver does not link.
 *
 * BOUND(name, ceiling, driver) defines one: `ceiling` is what the call may take at most, in
 * instructions of gcc's release build from the one before it in the guest to the one after it. It
 * is written into the reference (docs/gen_abi.py reads this folder), and is the measured figure,
 * rounded up, with some room for the next change.
 * BOUND_PART(name, ceiling, driver, "why") is one that cannot be driven to its bound here.
 */
#ifndef BOUNDS_H
#define BOUNDS_H

#include "measure.h"
#include "raw.h"
#include "test.h"

#define RW     (HV_MAP_READ | HV_MAP_WRITE)
#define DEVICE 0x10u
#define OTHER  0x18u

struct bound {
    uint32_t ceiling;
    void (*drive)(void);
};

#define BOUND(name, ceiling, driver)           const struct bound bound_##name = { ceiling, driver }
#define BOUND_PART(name, ceiling, driver, why) BOUND(name, ceiling, driver)

#define HV_CALL(nr, name, ...) extern const struct bound bound_##name;
#include <hypercalls.def>

/** A sample of the call that is driven. */
void bound_note(uint32_t instructions, bool interrupted);

/** Interrupts that this guest has taken so far. */
uint64_t bound_interrupts(void);

/** The result of a call, which is measured. Within a call there are no interrupts: one that comes
 * just before or behind it counts where there is no sample without. */
#define TIMED(call)                                                                                \
    ({                                                                                             \
        uint64_t interrupts_ = bound_interrupts();                                                 \
        uint32_t from_ = bench_begin();                                                            \
        int64_t result_ = (call);                                                                  \
        uint32_t to_ = bench_end();                                                                \
        bound_note(to_ - from_, bound_interrupts() != interrupts_);                                \
        result_;                                                                                   \
    })

/** A page for the buffers of calls; what is in it is the driver's until it returns. */
extern char bound_page[HV_PAGE_SIZE];

/** 4,000 ports of root in use, 1,000 of them channels to a domain that does not run: its number,
 * and root's port of a channel. Made once. */
#define CHANNELS 1000u
uint64_t bound_peer(void);
extern uint32_t bound_port[CHANNELS];

/** A domain without image, which may have all vCPUs: RAM of so many pages, populated, and windows.
 */
uint64_t bound_domain(uint64_t ram_pages, uint64_t window_pages, uint64_t quota);
/** Give a domain without image all the vCPUs that there can be; those from 1 on start at `rip`. */
void bound_vcpus(uint64_t dom, uint64_t rip);
/** Destroy it to the last step. */
void bound_end(uint64_t dom);

/** The GFN of 1,024 pages that can be two mappings of 2 MiB; these, on both sides of an address in
 * a space of root's. */
uint64_t bound_frames(void);
void bound_large(uint64_t space, uint64_t border);

/** Use up the frames that are known to be zero: the next ones have to be zeroed. */
void bound_dirty(void);

/** What a child with a role of these does. */
void bound_child_system(void);
void bound_child_domains(void);

#endif
