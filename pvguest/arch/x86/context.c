/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first context of a thread: what switch.S finds on its stack when it is switched to for the
 * first time.
 */
#include "context.h"
#include "arch/cpu.h"

/* In the order in which arch_context_switch pops them. */
struct first_frame {
    uint64_t fs_base;
    uint64_t r15;
    uint64_t r14;
    uint64_t r13;
    uint64_t r12;
    uint64_t rbx;
    uint64_t rbp;
    uint64_t rip; /* behind it the stack is empty, as aligned as a call needs it */
};

void arch_context_init(struct arch_context *c, uint64_t stack_top, void (*fn)(void *), void *arg)
{
    struct first_frame *f = (struct first_frame *)(stack_top - sizeof(*f));

    *f = (struct first_frame){ .r12 = (uint64_t)fn,
                               .r13 = (uint64_t)arg,
                               .rip = (uint64_t)context_start };
    c->rsp = (uint64_t)f;
}
