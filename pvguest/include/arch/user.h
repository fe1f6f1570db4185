/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User mode: the registers of an interrupted user program, how to start one, and what the
 * architecture's entry code calls in the portable kernel.
 */
#ifndef PVGUEST_ARCH_USER_H
#define PVGUEST_ARCH_USER_H

#include <stdbool.h>
#include <stdint.h>

/** Kinds of faults that process_fault() is told of. */
#define USER_FAULT_PAGE    1u
#define USER_FAULT_ILLEGAL 2u
#define USER_FAULT_OTHER   3u

struct user_fault {
    unsigned kind;
    unsigned vector;  /**< as the processor numbers it */
    bool write;       /**< page faults: by a write */
    bool exec;        /**< page faults: by an instruction fetch */
    uint64_t address; /**< page faults: where */
    uint64_t rip;
};

/** Leave for user mode at `entry` with stack `stack`; the calling thread stays in it for good. */
_Noreturn void arch_user_start(uint64_t entry, uint64_t stack);
/** The calling thread's thread-local base in user mode. */
void arch_user_set_fs(uint64_t base);

/* Called by the architecture, on the kernel stack of the user's thread, interrupts off. */

/** A system call. Arguments first, so that they stay in their registers; the number last. */
int64_t syscall_dispatch(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                         uint64_t a5, uint64_t nr);
/** A fault in user mode; returns when it was mended, else the process is gone. */
void process_fault(const struct user_fault *f);

#endif
