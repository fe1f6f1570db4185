/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: weighted fair sharing by virtual time; one run queue a pCPU.
 */
#pragma once

#include "types.h"

struct cpu;
struct vcpu;

void sched_init(void);
void sched_add(struct vcpu *v);                         /* a new vCPU, offline */
void sched_set_weight(struct vcpu *v, uint32_t weight); /* 1.. */
void sched_remove(struct vcpu *v);                      /* its domain goes */
void sched_wake(struct vcpu *v, uint32_t why); /* clears VCPU_… bits; runnable when none is left */
void sched_sleep(struct vcpu *v,
                 uint32_t why); /* sets VCPU_… bits; the current vCPU leaves at the next exit */
void sched_pass(struct vcpu *v);
void sched_charge(struct vcpu *v, uint64_t ns); /* for work that it causes at another time */
/* Chooses the next vCPU, waiting for one when there is none (idle). Sets the slice. */
struct vcpu *sched_pick(struct cpu *c);
void sched_tick(struct cpu *c);              /* the slice is over: from the timer interrupt */
uint64_t sched_cpu_ns(const struct vcpu *v); /* up to now */

/* timer.c: timers of vCPUs and the slice, over one hardware timer a pCPU. */
void timer_init(void);
enum timer_kind { TIMER_GUEST, TIMER_POLL, TIMER_TOKEN, TIMER_KINDS };
void timer_set(struct vcpu *v, enum timer_kind kind, uint64_t deadline_ns); /* 0: off */
void timer_stop(struct vcpu *v);                                            /* all of them */
void timer_program(struct cpu *c); /* the earliest of slice and timers into the hardware */
