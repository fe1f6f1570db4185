/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * irq.c: vectors and who handles them.
 *
 * A vector's handler changes only while nothing can raise it: its line is masked, its MSI off. So
 * irq_dispatch() reads the table without the lock, which guards allocation alone.
 */
#include "arch/trap.h"
#include "boot_arch.h"
#include "bug.h"
#include "cpu.h"
#include "lock.h"
#include "trace.h"

static struct spinlock vector_lock = SPINLOCK_INIT(LOCK_IRQ);
static struct vector_handler {
    irq_handler_t *handler;
    void *arg;
} handlers[256];

void irq_vector_set(unsigned int vector, irq_handler_t *handler, void *arg) {
    handlers[vector].arg = arg;
    handlers[vector].handler = handler;
}

int irq_vector_alloc(irq_handler_t *handler, void *arg) {
    unsigned int v = VECTOR_IRQ;

    spin_lock(&vector_lock);
    while (v < VECTOR_IRQ_END && handlers[v].handler != NULL) v++;
    if (v < VECTOR_IRQ_END) irq_vector_set(v, handler, arg);
    spin_unlock(&vector_lock);
    return v < VECTOR_IRQ_END ? (int)v : -1;
}

void irq_vector_free(int vector) {
    BUG_ON(vector < (int)VECTOR_IRQ || vector >= (int)VECTOR_IRQ_END);
    spin_lock(&vector_lock);
    irq_vector_set((unsigned int)vector, NULL, NULL);
    spin_unlock(&vector_lock);
}

void irq_dispatch(unsigned int vector) {
    const struct vector_handler *h = &handlers[vector & 255];

    if (vector == VECTOR_SPURIOUS || (vector >= VECTOR_PIC && vector < VECTOR_PIC + 16))
        return; /* neither is in service: acknowledging would end somebody else's */
    trace(HV_TRACE_irq, vector, 0, 0);
    if (h->handler != NULL) h->handler(h->arg);
    apic_eoi();
}

struct hv_msi irq_msi_message(int vector, uint32_t cpu) {
    return (struct hv_msi){ 0xfee00000ul | (uint64_t)cpus[cpu]->apic_id << 12, (uint32_t)vector,
                            0 };
}

/* STI holds interrupts off for one instruction: none can slip in before HLT. */
void arch_idle(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

void arch_poll(void) { __asm__ volatile("sti; nop; cli" : : : "memory"); }
