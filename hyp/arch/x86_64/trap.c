/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traps from guests that no hot path of entry.S took: interrupts, exceptions other than page
 * faults, and page faults of a kernel that cannot take them.
 */
#include "arch/trap.h"
#include "arch/insn.h"
#include "arch/irq.h"
#include "cpu.h"
#include "domain.h"
#include "ioemul.h"
#include "vcpu.h"

void trap_from_guest(struct vcpu *v) {
    uint32_t vector = (uint32_t)v->regs.vector;
    uint64_t cr2 = vector == VECTOR_PF ? read_cr2() : 0;

    /* An NMI is the machine's own; guests get none. */
    if (vector >= 32 || vector == VECTOR_NMI) {
        v->counters.interrupts++;
        vector == VECTOR_NMI ? panic_nmi() : irq_dispatch(vector);
        return;
    }
    if (vector == VECTOR_MC) panic_regs(&v->regs, "machine check");
    /* A port access of a kernel, routed to a device model; user mode never reaches one. */
    if (vector == VECTOR_GP && !v->cpu->user_mode && io_trap(v)) return;
    vcpu_inject(v, vector, (uint32_t)v->regs.error, cr2);
}
