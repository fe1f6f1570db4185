/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch of what enters the kernel: faults to their handlers, guarded accesses to "peer gone",
 * system calls to theirs, events from user mode to the event handlers.
 *
 * Owns the handler tables. A slot is never NULL, so dispatch does not ask.
 */
#include "hvlib/trap.h"
#include "hvlib/arch/guard.h"
#include "hvlib/arch/hypercall.h"
#include "hvlib/console.h"
#include "hvlib/event.h"
#include "hvlib/memory.h"
#include "trap_internal.h"

#define VECTORS 32u

static void unhandled(struct hv_frame *frame);

static hv_fault_fn fault_handler[VECTORS] = { [0 ... VECTORS - 1] = unhandled };
static hv_fault_fn syscall_handler = unhandled;

static const char *const vector_name[VECTORS] = {
    [0] = "divide error",
    [1] = "debug",
    [3] = "breakpoint",
    [4] = "overflow",
    [5] = "bound range",
    [6] = "invalid opcode",
    [7] = "no device",
    [10] = "invalid TSS",
    [11] = "segment gone",
    [12] = "stack fault",
    [13] = "general protection",
    [14] = "page fault",
    [16] = "x87",
    [17] = "alignment check",
    [19] = "SIMD",
};

const char *hv_vector_name(uint32_t vector)
{
    if (vector == HV_VECTOR_SYSCALL)
        return "system call";
    return vector < VECTORS && vector_name[vector] ? vector_name[vector] : "exception";
}

void hv_print_frame(const struct hv_frame *f)
{
    hv_printf("%s (vector %u, error %x) in %s mode, rip %lx, cr2 %lx\n", hv_vector_name(f->vector),
              f->vector, f->error, f->user ? "user" : "kernel", f->rip, f->cr2);
    hv_printf("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    hv_printf("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    hv_printf("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    hv_printf("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    hv_printf("  rflags %lx, gs base %lx, upcalls %s\n", f->rflags, f->gs_base,
              f->prev_masked ? "masked" : "unmasked");
}

static void unhandled(struct hv_frame *frame)
{
    hv_puts("unhandled ");
    hv_print_frame(frame);
    hv_shutdown(HV_REASON_FAULT);
}

hv_fault_fn hv_set_fault_handler(uint32_t vector, hv_fault_fn fn)
{
    hv_fault_fn old = fault_handler[vector % VECTORS];

    fault_handler[vector % VECTORS] = fn ? fn : unhandled;
    return old;
}

hv_fault_fn hv_set_syscall_handler(hv_fault_fn fn)
{
    hv_fault_fn old = syscall_handler;

    syscall_handler = fn ? fn : unhandled;
    return old;
}

/* A page fault in a guarded access says that the window's owner is gone, not that code is wrong. */
static inline bool guarded(const struct hv_frame *frame)
{
    uint64_t start = (uint64_t)(uintptr_t)hv_guard_start;
    uint64_t bytes = (uint64_t)(uintptr_t)hv_guard_end - start;

    return frame->rip - start < bytes && frame->vector == 14 && !frame->user;
}

void hv_trap(struct hv_frame *frame)
{
    uint32_t vector = frame->vector;

    if (guarded(frame))
        frame->rip = (uint64_t)(uintptr_t)hv_guard_gone;
    else if (vector < VECTORS)
        fault_handler[vector](frame);
    else if (vector == HV_VECTOR_EVENT)
        hv_event_poll();
    else
        syscall_handler(frame);
}

void hv_user_refused(const struct hv_frame *frame, int64_t error)
{
    hv_printf("return to user mode refused (%ld)\n", error);
    hv_print_frame(frame);
    hv_shutdown(HV_REASON_FAULT);
}

int64_t hv_set_entries(uint64_t kernel_gs_base, uint64_t kernel_stack)
{
    HV_BUFFER(64)
    struct hv_entry entry = {
        .syscall = (uint64_t)(uintptr_t)hv_entry_syscall,
        .event_user = (uint64_t)(uintptr_t)hv_entry_user,
        .event_kernel = (uint64_t)(uintptr_t)hv_entry_kernel,
        .kernel_gs_base = kernel_gs_base,
        .kernel_stack = kernel_stack,
    };

    return hv_set_entry(hv_gpa(&entry));
}
