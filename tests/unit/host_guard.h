/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guarded accesses for the host: plain copies, until the test takes the peer away.
 */
#ifndef HOST_GUARD_H
#define HOST_GUARD_H

#include <stdbool.h>
#include <stdint.h>

/** Every access fails with -HV_EDEAD while set. */
extern bool host_guard_gone;
/** Accesses made. */
extern uint64_t host_guard_accesses;
/** Before access number host_guard_turn the peer has its turn, when there is one. */
extern uint64_t host_guard_turn;
extern void (*host_guard_peer)(void);

#endif
