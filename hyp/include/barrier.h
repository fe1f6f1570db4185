/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * barrier.h: single-copy reads and writes of words that somebody else may change.
 *
 * READ_ONCE is how a word written by a guest is read: exactly one load, which the compiler can
 * neither repeat nor split. Ordering between CPUs is said with the acquire and release forms.
 */
#pragma once

#define READ_ONCE(x)     (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#define load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/** Keeps the compiler from moving or repeating memory accesses across it. */
#define compiler_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/** Orders every earlier store before every later load, for the pending/masked handshake. */
#define full_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
