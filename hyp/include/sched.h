/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: weighted fair sharing by virtual time; one run queue a pCPU.
 */
#pragma once

#include "hv_vcpu.h"
#include "types.h"

/* A domain's weight of 1 is so many of a vCPU's, and can be shared by that many of them. */
#define SCHED_WEIGHT_SCALE 64u

void sched_init(void);
void sched_add(struct vcpu *v);                         /* a new vCPU, offline */
void sched_set_weight(struct vcpu *v, uint32_t weight); /* 1.., in parts of a domain's */
/* An equal part of `percent` of a pCPU at most; 0: no cap. */
void sched_set_cap(struct vcpu *v, uint32_t percent, uint32_t parts);
/* One that comes up begins no earlier than its kin has got, but for more than a slice of its own:
 * that may have been in another queue. */
void sched_level(struct vcpu *v, int64_t ahead);
/* The pCPUs that it may run on; -HV_EINVAL: the machine has none of them, or v is NULL. */
int sched_set_affinity(struct vcpu *v, uint64_t mask);
void sched_remove(struct vcpu *v);             /* its domain goes */
bool sched_stopped(const struct vcpu *v);      /* it waits: has its pCPU let go of it? */
void sched_wake(struct vcpu *v, uint32_t why); /* clears VCPU_… bits; runnable when none is left */
/* Sets VCPU_… bits; one that runs leaves at its next exit, to which its pCPU is made. */
void sched_sleep(struct vcpu *v, uint32_t why);
void sched_pass(struct vcpu *v);                      /* the running one yields */
void sched_yield_to(struct vcpu *v, struct vcpu *to); /* to one of its own domain */
void sched_charge(struct vcpu *v, uint64_t ns);       /* for work that it causes at another time */
void sched_refill(struct vcpu *v, uint64_t now);      /* the period of its cap is over */
/* Chooses the next vCPU, waiting for one when there is none (idle). Sets the slice. */
struct vcpu *sched_pick(struct cpu *c);
void sched_tick(struct cpu *c); /* the slice is over: from the timer interrupt */
/* What the hypercall vcpu_info tells; -HV_EINVAL: v is NULL. */
int sched_info(const struct vcpu *v, struct hv_vcpu_info *info);

/* timer.c: timers of vCPUs and the slice, over one hardware timer a pCPU. */
void timer_init(void);
enum timer_kind { TIMER_GUEST, TIMER_POLL, TIMER_TOKEN, TIMER_CAP, TIMER_KINDS };
void timer_add(struct vcpu *v);                                             /* a new vCPU */
void timer_set(struct vcpu *v, enum timer_kind kind, uint64_t deadline_ns); /* 0: off */
void timer_stop(struct vcpu *v);                                            /* all of them */
/* The slice's end of this pCPU into its hardware, if that does not fire before. */
void timer_slice(struct cpu *c);
