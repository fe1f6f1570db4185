/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Vectors, and the way into hyp through them.
 *
 * trap_stubs.S has a stub for each vector. A trap from ring 3 goes on to entry_from_guest with
 * {vector, error, RIP, CS, RFLAGS, RSP, SS} on the stack and all registers live; one from ring 0
 * goes to trap_from_hyp().
 */
#pragma once

#include "arch/regs.h"

#define VECTOR_DB       1u
#define VECTOR_NMI      2u
#define VECTOR_BP       3u
#define VECTOR_OF       4u
#define VECTOR_DF       8u
#define VECTOR_GP       13u
#define VECTOR_PF       14u
#define VECTOR_MC       18u
#define VECTOR_PIC      0x20u /* 0x20-0x2f: what the masked 8259s may still raise */
#define VECTOR_IRQ      0x30u /* first of those that irq_vector_alloc() gives out */
#define VECTOR_IRQ_END  0xe0u
#define VECTOR_TIMER    0xf0u
#define VECTOR_KICK     0xf1u
#define VECTOR_ERROR    0xfeu
#define VECTOR_SPURIOUS 0xffu

/* A trap, exception or interrupt, that found the pCPU in ring 0. */
void trap_from_hyp(struct regs *regs);

/* The timer's interrupt, of a guest or of an idle hyp; trap_stubs.S takes it past the others. */
void irq_timer(void);
void irq_timer_idle(void);

/* An NMI: another CPU's panic stops this one; nothing else of the machine's sends them. */
void panic_nmi(void);

/* Stops with the registers of a trap instead of the caller's. */
_Noreturn void panic_regs(const struct regs *regs, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
