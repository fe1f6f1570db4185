/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush epoch: which frames no TLB can hold any more. The epoch is a counter; whoever removes a
 * translation stamps what it named with the counter, and a pCPU that flushes its whole TLB first
 * advances the counter and then records that it has passed all earlier stamps. A stamp has passed
 * when every pCPU has. Flushes that are not recorded (those of the hot paths) only make waits
 * longer. The counter may wrap: a stamp that is 2^31 flushes old looks as if it had not passed,
 * which again only makes it wait.
 */
#pragma once

#include "arch/tlb.h"
#include "cpu.h"

extern uint32_t epoch_now;

/* Has every pCPU flushed its TLB since this stamp was taken from epoch_now? */
bool epoch_passed(uint32_t stamp);
/* Flushes the running pCPU's whole TLB by reloading its root, and records it. One pCPU runs: its
 * own flush is everybody's, and every stamp taken so far passes. */
void epoch_flush(void);
/* The same by loading another root on `c`, the running pCPU. The counter moves on before the flush:
 * what is stamped from now on waits for the next one. */
static inline void epoch_load_root(struct cpu *c, uint64_t root) {
    uint32_t next = ++epoch_now;

    tlb_load_root(root);
    c->epoch_seen = next;
}
