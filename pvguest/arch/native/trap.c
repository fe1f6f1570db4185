/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults: a user program's go to the portable kernel, the kernel's own end in a panic that shows
 * the registers and the way that led there. Owns nothing. Interrupts are off.
 */
#include "arch/cpu.h"
#include "arch/user.h"
#include "insn.h"
#include "kstring.h"
#include "layout.h"
#include "native.h"
#include "printk.h"
#include "thread.h"

#define VECTOR_NMI        2u
#define VECTOR_DF         8u
#define VECTOR_PAGE_FAULT 14u
#define VECTOR_MC         18u
#define ERROR_WRITE       2u
#define ERROR_FETCH       16u
#define TRAIL             8u
#define STACK_WORDS       512u

extern const char native_text_start[], native_rodata_start[];

static const char *name_of(uint64_t vector)
{
    static const char *const names[] = {
        "divide error",
        "debug",
        "NMI",
        "breakpoint",
        "overflow",
        "bound range",
        "invalid opcode",
        "no FPU",
        "double fault",
        "fault 9",
        "invalid TSS",
        "segment not present",
        "stack fault",
        "general protection fault",
        "page fault",
        "fault 15",
        "x87 fault",
        "alignment check",
        "machine check",
        "SIMD fault",
    };

    return vector < sizeof(names) / sizeof(names[0]) ? names[vector] : "unknown trap";
}

static bool is_text(uint64_t value)
{
    return value >= (uint64_t)native_text_start && value < (uint64_t)native_rodata_start;
}

static void line(const char *format, ...)
{
    char text[160];
    va_list args;
    int n;

    va_start(args, format);
    n = format_textv(text, sizeof(text), format, args);
    va_end(args);
    arch_early_write(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* Words of the stack that point into the text: return addresses, and some that were once. A stack
 * ends at a multiple of its size. */
static void show_trail(uint64_t rsp)
{
    const uint64_t *word = (const uint64_t *)(rsp & ~(uint64_t)7);
    unsigned shown = 0;

    line("  called from:");
    for (unsigned i = 0; i < STACK_WORDS && shown < TRAIL; i++) {
        if (((uint64_t)&word[i] & 0x3fff) == 0 && i > 0) {
            break;
        }
        if (is_text(word[i])) {
            line(" %lx", (unsigned long)word[i]);
            shown++;
        }
    }
    line("\n");
}

static void show_registers(const struct trap_frame *f)
{
    line("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
    line("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", f->rsi, f->rdi, f->rbp, f->rsp);
    line("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", f->r8, f->r9, f->r10, f->r11);
    line("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", f->r12, f->r13, f->r14, f->r15);
    line("  rip %016lx cs %lx flags %lx error %lx cr2 %016lx\n", f->rip, f->cs, f->rflags, f->error,
         read_cr2());
}

_Noreturn static void kernel_fault(const struct trap_frame *f)
{
    bool page = f->vector == VECTOR_PAGE_FAULT;

    line("\n%s in the kernel, thread %s\n", name_of(f->vector), thread_name(thread_current()));
    show_registers(f);
    if (f->rsp >= NATIVE_DIRECT) {
        show_trail(f->rsp);
    }
    if (page) {
        panic("page fault: %s %lx at %lx",
              f->error & ERROR_FETCH   ? "executing"
              : f->error & ERROR_WRITE ? "writing"
                                       : "reading",
              (unsigned long)read_cr2(), (unsigned long)f->rip);
    }
    panic("%s at %lx", name_of(f->vector), (unsigned long)f->rip);
}

void native_trap(const struct trap_frame *f)
{
    bool ours = f->vector == VECTOR_NMI || f->vector == VECTOR_DF || f->vector == VECTOR_MC;
    bool page = f->vector == VECTOR_PAGE_FAULT;
    struct user_fault fault = {
        .kind = page ? USER_FAULT_PAGE : USER_FAULT_OTHER,
        .vector = (unsigned)f->vector,
        .write = page && (f->error & ERROR_WRITE) != 0,
        .exec = page && (f->error & ERROR_FETCH) != 0,
        .address = page ? read_cr2() : 0,
        .rip = f->rip,
    };

    if (ours || !(f->cs & 3)) {
        kernel_fault(f);
    }
    process_fault(&fault);
}

/* The extended registers are the program's own already. */
void arch_user_start(uint64_t entry, uint64_t stack)
{
    (void)arch_irq_save();
    __asm__ volatile("wrgsbase %0" : : "r"((uint64_t)0));
    native_enter_user(entry, stack);
}

void arch_user_set_fs(uint64_t base)
{
    __asm__ volatile("wrfsbase %0" : : "r"(base));
}
