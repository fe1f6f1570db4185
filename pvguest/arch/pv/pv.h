/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between the C and the assembly of this architecture.
 */
#ifndef PVGUEST_PV_H
#define PVGUEST_PV_H

#include <stdbool.h>
#include <stdint.h>

/** An upcall or a fault in user mode, from entry.S. */
void user_event(uint32_t vector, uint32_t error, uint64_t cr2, uint64_t rip);
/** return_to_user failed: no state that we let a user have can be refused. */
_Noreturn void user_refused(int64_t error);

/** The shared page of CPU `n`, which runs. */
const struct hv_vcpu_page *pv_page(unsigned n);
/** Call an interrupt's handler, inside the kernel. */
void pv_serve(void (*fn)(void *arg), void *arg);
/** Have the timer of vCPU `n` raise the timer interrupt there. */
bool pv_timer_listen(unsigned n);

#endif
