/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries into this guest's kernel: the frame, fault handlers, user mode.
 *
 * The library's entry code copies the save area into a frame on the stack and calls hv_trap. A
 * kernel that wants entry code of its own defines hv_entry_syscall, hv_entry_user or
 * hv_entry_kernel itself: all three are weak symbols.
 *
 * While a handler runs, upcalls are masked. It may fault itself (handlers nest), may not unmask,
 * and may not wait for an event.
 */
#ifndef HVLIB_TRAP_H
#define HVLIB_TRAP_H

#include "hvlib/cxx.h"
#include <hv_vcpu.h>

HV_C_BEGIN

/** What was interrupted. The upper half is all that an event upcall in kernel mode saves (C
 * functions keep the other registers); it lies directly below the interrupted stack pointer. */
struct hv_frame {
    uint32_t vector;      /**< exception, HV_VECTOR_EVENT or HV_VECTOR_SYSCALL */
    uint32_t error;       /**< error code of the exception, or 0 */
    uint32_t prev_masked; /**< upcalls were masked */
    uint32_t user;        /**< 1: from user mode */
    uint64_t cr2;         /**< fault address of vector 14 */
    uint64_t gs_base;     /**< of the interrupted mode */
    uint64_t rsp;         /**< a change counts in user frames only */
    uint64_t rbx;
    uint64_t rbp;
    uint64_t r12;
    uint64_t r13;
    uint64_t r14;
    uint64_t r15;
    uint64_t r10;
    uint64_t r9;
    uint64_t r8;
    uint64_t rdi;
    uint64_t rsi;
    uint64_t rdx;
    uint64_t r11;
    uint64_t rcx;
    uint64_t rax;
    uint64_t rflags;
    uint64_t rip;
};
HV_STATIC_ASSERT(sizeof(struct hv_frame) == 176, "layout");

/** Handler of a fault; it may change the frame, and the interrupted code goes on from there. */
typedef void (*hv_fault_fn)(struct hv_frame *frame);

/** Handle exceptions of `vector` (0..31), from user and kernel mode, by `fn`; NULL: the default,
 * which reports the frame on the console and shuts the domain down with reason
 * HV_REASON_FAULT. Returns the handler it replaces. */
hv_fault_fn hv_set_fault_handler(uint32_t vector, hv_fault_fn fn);

/** Handle system calls from user mode (default: as an unhandled fault). Same rules. */
hv_fault_fn hv_set_syscall_handler(hv_fault_fn fn);

/** Reason of the shutdown after a fault that nobody handles. */
#define HV_REASON_FAULT 14u

/** The name of an exception, or of HV_VECTOR_SYSCALL. */
const char *hv_vector_name(uint32_t vector);

/** Print a frame on the console. */
void hv_print_frame(const struct hv_frame *frame);

/** Called by the entry code for everything but events in kernel mode. */
void hv_trap(struct hv_frame *frame);

/**
 * Leave for user mode with the state in the frame, for good: the stack pointer goes back to the
 * kernel stack word at the next entry. Upcalls must be masked. Returns only when the state is
 * refused, with the error of return_to_user; upcalls stay masked.
 */
int64_t hv_enter_user(const struct hv_frame *frame);

/** The entry points, weak. */
void hv_entry_syscall(void);
void hv_entry_user(void);
void hv_entry_kernel(void);

/** Set the entry points, GS base and kernel stack of this vCPU. Result of set_entry. */
int64_t hv_set_entries(uint64_t kernel_gs_base, uint64_t kernel_stack);

HV_C_END

#endif
