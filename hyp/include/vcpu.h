/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moving between the hypervisor and a vCPU: what entry.S and the architecture offer to core, and
 * what they call.
 */
#pragma once

#include "types.h"

struct hv_entry;
struct hv_vcpu_context;

/* VCPU_FRAMES are charged to d; NULL: there are not as many. */
#define VCPU_FRAMES 3u
struct vcpu *vcpu_create(struct domain *d, uint32_t id);
void vcpu_destroy(struct vcpu *v);
/* Makes a vCPU that is not loaded one that starts there, in space 0; memory_lock is held. */
int vcpu_set_context(struct vcpu *v, const struct hv_vcpu_context *c);
int vcpu_set_entry(struct vcpu *v, const struct hv_entry *e);
int vcpu_switch(struct vcpu *v, uint64_t space, uint64_t kernel_stack);

/* Is this canonical and not in the hypervisor's own range? */
bool address_is_guests(uint64_t a);
bool address_in_kernel_half(uint64_t a);

/* Puts an exception of the loaded vCPU to its kernel, or kills the domain (double fault, no entry
 * points). */
void vcpu_inject(struct vcpu *v, uint32_t vector, uint32_t error, uint64_t cr2);

/* Last stop before a guest: does what cpu.work asks, puts an upcall that is due, and returns the
 * vCPU whose registers entry.S loads. */
struct vcpu *vcpu_leave(struct cpu *c);
/* A trap from a guest that no hot path took; v->regs is complete. */
void trap_from_guest(struct vcpu *v);
/* arch: loads the rest of a vCPU (extended state, FS, GS, CR3, RSP0, port bitmap), saves that of
 * the old one. */
void arch_switch(struct cpu *c, struct vcpu *from, struct vcpu *to);
/* Saves the loaded vCPU, if there is one; hyp's own root is loaded. */
void arch_unload(struct cpu *c);
/* Starts the first vCPU on this pCPU; does not return. */
_Noreturn void arch_run(struct cpu *c);
