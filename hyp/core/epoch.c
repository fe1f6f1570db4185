/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush epoch, see epoch.h. Owns the counter; what each pCPU has passed is in its struct cpu.
 * memory_lock guards both. Invariant: cpu.epoch_seen is never above a counter value that the pCPU
 * has not flushed after.
 */
#include "epoch.h"

uint32_t epoch_now = 1;

bool epoch_passed(uint32_t stamp) {
    for (uint32_t i = 0; i < cpu_count; i++)
        if ((int32_t)((uint32_t)cpus[i]->epoch_seen - stamp) <= 0) return false;
    return true;
}

/* The counter moves on before the flush: what is stamped from now on waits for the next one. */
void epoch_flush(void) {
    uint32_t next = ++epoch_now;

    tlb_flush_all();
    this_cpu()->epoch_seen = next;
}
