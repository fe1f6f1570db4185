/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.c: ticket locks and the run-time check of their ranks.
 *
 * The check keeps, per CPU, the set of ranks held; it costs nothing in release builds.
 */
#include "lock.h"
#include "bug.h"
#include "cpu.h"

void lock_rank_push(uint32_t rank, bool pair) {
    struct cpu *cpu = this_cpu();
    uint64_t bit = UINT64_C(1) << rank;

    ASSERT(pair ? cpu->lock_ranks >> rank == 1 : cpu->lock_ranks < bit);
    cpu->lock_ranks |= bit;
}

/* The pair helper drops the rank once, with the second of the two. */
void lock_rank_pop(uint32_t rank) {
    struct cpu *cpu = this_cpu();

    ASSERT(cpu->lock_ranks & (UINT64_C(1) << rank));
    cpu->lock_ranks &= ~(UINT64_C(1) << rank);
}

void spin_lock_init(struct spinlock *lock, enum lock_rank rank) {
    *lock = (struct spinlock)SPINLOCK_INIT(rank);
}

void spin_lock_pair(struct spinlock *a, struct spinlock *b) {
    struct spinlock *second = a < b ? b : a;

    spin_lock(a < b ? a : b);
    if (a != b) {
        if (HYP_DEBUG) lock_rank_push(second->rank, true);
        ticket_take(second);
    }
}

void spin_unlock_pair(struct spinlock *a, struct spinlock *b) {
    if (a != b) ticket_pass(b);
    spin_unlock(a);
}
