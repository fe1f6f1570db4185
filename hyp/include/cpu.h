/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Per-pCPU data. struct cpu lies at the top of the pCPU's own stack; SYSCALL finds it through
 * KERNEL_GS_BASE, C through this_cpu() from any of the pCPU's stacks: the last word of each points
 * to it.
 *
 * Only the pCPU itself writes its struct, with interrupts off, but for work and flush_asked, which
 * others may set, by atomic operations.
 */
#pragma once

#include "arch/cpu.h"
#include "arch/layout.h"
#include "types.h"

/* Bits of cpu.work: looked at before each return to a guest. */
#define CPU_WORK_RESCHED 1u /* choose again who runs */
#define CPU_WORK_UPCALL  2u /* the current vCPU may have an event to be told of */

#define CPU_MAX 64u

struct cpu {
    struct vcpu *vcpu; /* whose registers are loaded; idle: NULL. Others read it */
    uint32_t work;
    uint32_t user_mode;          /* the loaded vCPU is in user mode */
    uint64_t scratch;            /* the guest's RSP in the first instructions of SYSCALL */
    uint64_t scratch2, scratch3; /* entry.S: registers, while interrupts cannot come */
    uint32_t id, apic_id;        /* id is dense, 0: the boot CPU */
    uint64_t *tss_rsp0; /* the TSS word RSP0, the end of the loaded vCPU's registers; not aligned */
    uint8_t *tss_iomap; /* the TSS port bitmap, 8,192 bytes */
    uint16_t *tss_iobase; /* the TSS word that opens (TSS_IOMAP_OPEN) or closes the bitmap */
    uint64_t epoch_seen;  /* last flush epoch that this pCPU has passed, see epoch.h */
    uint32_t outside;     /* idle: no guest's translation, no pointer of ours to a frame */
    uint32_t flush_asked; /* somebody waits for this pCPU to pass the epoch */
    uint64_t epoch_due;   /* pCPUs that have to pass before the call is over, see epoch.h */
    struct vcpu *last;    /* whose extended state and bases the registers still have, if its
                             loaded_on says so, too; not to be followed */
    uint64_t late_domain, late_port; /* to be told when the call has waited, see grant_tell */
    uint64_t lock_ranks;             /* bit r: a lock of rank r is held (debug builds) */
    struct trace_ring *trace;        /* NULL: not recording */
    uint32_t panicking;
    uint32_t iobase_kernel;    /* what *tss_iobase is in kernel mode of the loaded vCPU */
    uint64_t iomap_version;    /* domain.io_version of the bitmap that is in the TSS */
    struct timers *timers;     /* timer.c */
    uint64_t timer_armed;      /* what the hardware will fire for, ns; all ones: for nothing */
    struct run_queue *queue;   /* sched.c */
    const uint64_t *slice_end; /* ns, when the slice of who runs is over; 0: it has no rival */
    struct cpu *self;          /* the stack's last word, see this_cpu() */
};
STATIC_ASSERT(sizeof(struct cpu) % 16 == 0);
STATIC_ASSERT(offsetof(struct cpu, self) == sizeof(struct cpu) - sizeof(void *));

/* What entry.S leaves below struct cpu while a hypercall is served: the guest's registers. */
struct call_frame {
    uint64_t rax, r9, r8, r10, rdx, rsi, rdi, rflags, rip, rsp;
};

/* Values of *tss_iobase. */
#define TSS_IOMAP_OPEN   104u
#define TSS_IOMAP_CLOSED 0xffffu

extern struct cpu *cpus[CPU_MAX];
extern uint32_t cpu_count;

/* The pCPU that runs this code. */
#ifdef HYP_UNIT
struct cpu *this_cpu(void); /* on a host's stack there is none: tests bring their own */
#else
static inline struct cpu *this_cpu(void) {
    return *(struct cpu **)((stack_pointer | (STACK_SIZE - 1)) - 7);
}
#endif

/* Interrupts another pCPU: it looks at its work, and at flush_asked, before it is in a guest again;
 * an idle one wakes up. */
void cpu_kick(const struct cpu *c);

static inline void cpu_raise_work(struct cpu *c, uint32_t bits) {
    __atomic_fetch_or(&c->work, bits, __ATOMIC_RELAXED);
}
