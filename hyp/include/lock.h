/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock.h: ranked ticket locks.
 *
 * A CPU takes locks in ascending rank only; debug builds check it at run time. hyp runs with
 * interrupts off, so a lock need not care for them; who waits spins, until all that came before
 * have had it. Two locks of one rank are taken through spin_lock_pair() alone, the lower address
 * first. How long each is held at most is in docs/internals/locks.rst.
 */
#pragma once

#include "arch/cpu.h"
#include "barrier.h"

/* The one list: a lock may be taken while locks above it here are held. */
enum lock_rank {
    LOCK_NONE,
    LOCK_DOMAINS, /**< tree_lock: the domain tree and number space */
    LOCK_MEMORY,  /**< memory_lock: frames, P2M, spaces, grants; no device is waited for under it */
    LOCK_EVENT,   /**< a domain's event ports */
    LOCK_SCHED,   /**< a run queue; or a pCPU's timers */
    LOCK_IRQ,     /**< vectors; or I/O APIC registers; or what domains print */
    LOCK_CONSOLE, /**< the UART: may be taken anywhere, takes nothing */
};

struct spinlock {
    uint16_t next;  /**< ticket for the next taker */
    uint16_t owner; /**< ticket that is served */
    uint32_t rank;  /**< enum lock_rank */
};

#define SPINLOCK_INIT(lock_rank)                                                                   \
    { 0, 0, (lock_rank) }

void spin_lock_init(struct spinlock *lock, enum lock_rank rank);

/* Debug builds: note and check what this CPU holds. */
void lock_rank_push(uint32_t rank, bool pair);
void lock_rank_pop(uint32_t rank);

/* The acquire in ticket_take() pairs with the release in ticket_pass(). */
static inline void ticket_take(struct spinlock *lock) {
    uint16_t ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_RELAXED);

    while (__builtin_expect(load_acquire(&lock->owner) != ticket, 0)) cpu_relax();
}

/* Nobody else writes `owner` meanwhile, so that a plain addition to memory does. */
static inline void ticket_pass(struct spinlock *lock) {
    __atomic_thread_fence(__ATOMIC_RELEASE);
    lock->owner++;
    compiler_barrier();
}

static inline void spin_lock(struct spinlock *lock) {
    if (HYP_DEBUG) lock_rank_push(lock->rank, false);
    ticket_take(lock);
}

/** Takes the lock if nobody has it or waits for it. */
static inline bool spin_try_lock(struct spinlock *lock) {
    uint16_t ticket = __atomic_load_n(&lock->owner, __ATOMIC_RELAXED), drawn = ticket;

    if (!__atomic_compare_exchange_n(&lock->next, &drawn, (uint16_t)(ticket + 1), false,
                                     __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return false;
    if (HYP_DEBUG) lock_rank_push(lock->rank, false);
    /* It is served at once, unless all tickets were drawn between the two. */
    while (load_acquire(&lock->owner) != ticket) cpu_relax();
    return true;
}

static inline void spin_unlock(struct spinlock *lock) {
    if (HYP_DEBUG) lock_rank_pop(lock->rank);
    ticket_pass(lock);
}

/** The last thing under a lock: hands on what the work came to. */
static inline int64_t unlock_with(struct spinlock *lock, int64_t result) {
    spin_unlock(lock);
    return result;
}

/** The value of `work`, which is done under a lock. */
#define WITH_LOCK(lock, work) (spin_lock(lock), unlock_with(lock, work))

/** Takes two locks of one rank (a == b allowed) in address order. */
void spin_lock_pair(struct spinlock *a, struct spinlock *b);
void spin_unlock_pair(struct spinlock *a, struct spinlock *b);
