/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the C and the assembly of this architecture.
 */
#ifndef PVGUEST_PV_H
#define PVGUEST_PV_H

#include <stdint.h>

/** An upcall or a fault in user mode, from entry.S. */
void user_event(uint32_t vector, uint32_t error, uint64_t cr2, uint64_t rip);
/** return_to_user failed: no state that we let a user have can be refused. */
_Noreturn void user_refused(int64_t error);

#endif
