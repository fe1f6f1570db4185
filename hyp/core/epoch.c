/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flush epoch, see epoch.h. Owns the counter; what each pCPU has passed is in its struct cpu,
 * which that pCPU alone writes. Invariant: cpu.epoch_seen is never above a counter value that the
 * pCPU has not flushed after.
 */
#include "epoch.h"
#include "arch/cpu.h"
#include "arch/irq.h"
#include "barrier.h"
#include "bug.h"

uint64_t epoch_count = 1;

/* Both as ages: a pCPU may be any number of flushes behind, and a stamp less than 2^32. */
bool epoch_passed_by(const struct cpu *c, uint32_t stamp) {
    uint64_t seen = load_acquire(&c->epoch_seen), now = load_acquire(&epoch_count);

    return now - seen < (uint32_t)((uint32_t)now - stamp) || load_acquire(&c->outside);
}

bool epoch_passed(uint32_t stamp) {
    for (uint32_t i = 0; i < cpu_count; i++)
        if (!epoch_passed_by(cpus[i], stamp)) return false;
    return true;
}

/* The counter moves on before the flush: what is stamped from now on waits for the next one. */
void epoch_flush(void) {
    uint64_t next = __atomic_add_fetch(&epoch_count, 1, __ATOMIC_SEQ_CST);

    tlb_flush_all();
    store_release(&this_cpu()->epoch_seen, next);
}

/* With one pCPU it waits for nobody's frames but those that its own call frees; it does not use
 * them after that. */
void epoch_flush_inside(void) { cpu_count == 1 ? epoch_flush() : tlb_flush_all(); }

void epoch_serve(void) {
    if (__atomic_exchange_n(&this_cpu()->flush_asked, 0, __ATOMIC_SEQ_CST)) epoch_flush();
}

/* Those that have to be asked are asked at once; then each of them is waited for, and none that was
 * outside and has come in since. No two wait for each other, since each passes itself before; nor
 * do they make others wait longer: they serve them here. */
uint32_t epoch_wait(uint64_t cpu_mask) {
    struct cpu *me = this_cpu();
    uint32_t stamp;

    ASSERT(me->lock_ranks == 0);
    me->epoch_due = 0;
    full_barrier();
    stamp = (uint32_t)load_acquire(&epoch_count);
    epoch_flush();
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (epoch_passed_by(cpus[i], stamp)) cpu_mask &= ~((uint64_t)1 << i);
        if ((cpu_mask >> i & 1) == 0) continue;
        __atomic_store_n(&cpus[i]->flush_asked, 1, __ATOMIC_SEQ_CST);
        cpu_kick(cpus[i]);
    }
    for (uint32_t i = 0; i < cpu_count; i++)
        while ((cpu_mask >> i & 1) != 0 && !epoch_passed_by(cpus[i], stamp))
            epoch_serve(), cpu_relax();
    return stamp;
}

void epoch_idle(struct cpu *c) {
    __atomic_store_n(&c->outside, 1, __ATOMIC_SEQ_CST);
    arch_idle();
    epoch_enter(c);
}
