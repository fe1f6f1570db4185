/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush epoch: which frames no TLB can hold any more, and no pCPU inside the hypervisor has a
 * pointer to. The epoch is a counter; whoever removes a translation, or the last way to a frame,
 * stamps it with the counter, and a pCPU that holds no pointer to a frame and flushes its whole TLB
 * first advances the counter and then records that it has passed all earlier stamps. A stamp has
 * passed when every pCPU has passed it, or is outside: idle, with the root table of hyp's own.
 *
 * A pCPU passes where it has nothing in its hands: when it loads another vCPU or another space, in
 * the kick's handler, which interrupts a guest or an idle loop, and while it waits for others at
 * the end of a call. Nothing is recorded on the hot paths: whoever waits kicks those that have not
 * passed. A pCPU inside the hypervisor takes the interrupt at its first instruction outside, and as
 * every step inside is bounded, so is the wait.
 *
 * The counter has 64 bits, a stamp the low 32: one that is 2^32 flushes old looks younger, which
 * only makes it wait. How far a pCPU is behind is told by all 64: one that runs a single vCPU may
 * not pass for any number of flushes, which a guest on another can make.
 *
 * Ordering. Who stamps or waits changes tables and records, then reads epoch_count and `outside`
 * behind a full barrier; a pCPU advances the counter by an atomic operation before it flushes, and
 * clears `outside` by one before it reads anything. One of both sees the other.
 */
#pragma once

#include "arch/tlb.h"
#include "barrier.h"
#include "cpu.h"

extern uint64_t epoch_count;
#define epoch_now ((uint32_t)READ_ONCE(epoch_count)) /* what is stamped */

/* Has every pCPU passed this stamp, which was taken from epoch_now, or is it outside? */
bool epoch_passed(uint32_t stamp);
bool epoch_passed_by(const struct cpu *c, uint32_t stamp); /* has this one? */
/* The running pCPU, which holds no pointer to a frame that is not its own vCPU's or that one's
 * domain's, flushes its whole TLB by reloading its root, and passes. */
void epoch_flush(void);
/* The flush alone, in the middle of a call; with one pCPU it passes all the same. */
void epoch_flush_inside(void);
/* Flushes, and passes, if somebody has asked for it. */
void epoch_serve(void);
/* Waits until all other pCPUs, or those of a mask, have passed what was stamped before the call.
 * The caller holds no lock, and no pointer as above; it passes too. The last stamp waited for. */
uint32_t epoch_wait(uint64_t cpu_mask);
#define EPOCH_ALL UINT64_MAX
/* What a step that holds locks does instead: notes for whom the pCPU has to wait. */
static inline void epoch_ask(uint64_t cpu_mask) { this_cpu()->epoch_due |= cpu_mask; }
/* Is outside until the next interrupt. No vCPU is loaded on `c`, the running pCPU, and the root is
 * hyp's own. */
void epoch_idle(struct cpu *c);

/* Comes in: from here on the pCPU may have pointers. Of one that is in, nothing. */
static inline void epoch_enter(struct cpu *c) {
    __atomic_exchange_n(&c->outside, 0, __ATOMIC_SEQ_CST);
}

/* Passes by loading another root on `c`, the running pCPU. */
static inline void epoch_load_root(struct cpu *c, uint64_t root) {
    uint64_t next = __atomic_add_fetch(&epoch_count, 1, __ATOMIC_SEQ_CST);

    tlb_load_root(root);
    store_release(&c->epoch_seen, next);
}
