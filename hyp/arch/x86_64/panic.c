/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * panic.c: the end of hyp by its own fault, and the traps of ring 0 that lead there.
 *
 * A panic trusts little: it takes no lock, allocates nothing, and a second panic on the same CPU
 * stops at once.
 */
#include "arch/insn.h"
#include "arch/irq.h"
#include "arch/trap.h"
#include "boot_arch.h"
#include "bug.h"
#include "cpu.h"
#include "epoch.h"
#include "machine.h"
#include "printk.h"
#include "trace.h"
#include "version.h"

#define TRACE_SHOWN 16

static const char *const names[32] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#9",  "#TS",
    "#NP", "#SS", "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

static void print_regs(const struct regs *r) {
    printk("rip %016lx rsp %016lx rbp %016lx rflags %lx", r->rip, r->rsp, r->rbp, r->rflags);
    printk("rax %016lx rbx %016lx rcx %016lx rdx %016lx", r->rax, r->rbx, r->rcx, r->rdx);
    printk("rsi %016lx rdi %016lx r8  %016lx r9  %016lx", r->rsi, r->rdi, r->r8, r->r9);
    printk("r10 %016lx r11 %016lx r12 %016lx r13 %016lx", r->r10, r->r11, r->r12, r->r13);
    printk("r14 %016lx r15 %016lx cs %lx ss %lx", r->r14, r->r15, r->cs, r->ss);
    printk("cr0 %lx cr2 %lx cr3 %lx cr4 %lx", read_cr0(), read_cr2(), read_cr3(), read_cr4());
}

static struct cpu *panicked; /* the first one */

/* The first CPU to panic stops the others, wherever they are; one that panics while it panics ends
 * the machine at once, without another word. */
static _Noreturn void stop(const struct regs *regs, const char *format, va_list args) {
    struct cpu *cpu = this_cpu(), *none = NULL;
    char reason[256];

    if (cpu->panicking) machine_halt();
    cpu->panicking = 1;
    if (!__atomic_compare_exchange_n(&panicked, &none, cpu, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
        cpu_stop();
    apic_send_nmi_to_others();
    vsnprintf(reason, sizeof(reason), format, args);
    printk("PANIC: %s", reason);
    printk("version " HYP_VERSION " (" HYP_COMPILER ", " HYP_BUILD ") build %s, cpu %u", build_id(),
           cpu->id);
    print_regs(regs);
    backtrace(regs);
    trace_print(TRACE_SHOWN);
    machine_halt();
}

void panic_regs(const struct regs *regs, const char *format, ...) {
    va_list args;

    va_start(args, format);
    stop(regs, format, args);
}

void panic(const char *format, ...) {
    struct regs regs;
    va_list args;

    regs_capture(&regs);
    va_start(args, format);
    stop(&regs, format, args);
}

static _Noreturn void fatal_trap(const struct regs *regs) {
    const char *name = regs->vector < 32 && names[regs->vector] ? names[regs->vector] : "trap";
    uint64_t cr2 = read_cr2();

    if (regs->vector == VECTOR_DF && paging_in_guard(cr2))
        panic_regs(regs, "stack overflow: %s after a fault on guard page %lx", name, cr2);
    if (regs->vector == VECTOR_PF)
        panic_regs(regs, "%s in hyp: %s %lx, error %lx", name,
                   regs->error & 16  ? "executing"
                   : regs->error & 2 ? "writing"
                                     : "reading",
                   cr2, regs->error);
    panic_regs(regs, "%s in hyp: vector %lu, error %lx", name, regs->vector, regs->error);
}

void panic_nmi(void) {
    if (load_acquire(&panicked) != NULL) cpu_stop();
}

void trap_from_hyp(struct regs *regs) {
    if (regs->vector >= VECTOR_PIC) {
        epoch_enter(this_cpu()); /* it was idle */
        irq_dispatch((unsigned int)regs->vector);
        return;
    }
    /* A guest's breakpoint on an operand of an instruction that entered hyp: not for us. */
    if (regs->vector == VECTOR_DB)
        write_dr6(0xffff0ff0);
    else if (regs->vector == VECTOR_NMI)
        panic_nmi();
    else
        fatal_trap(regs);
}
