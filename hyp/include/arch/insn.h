/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * insn.h: C names for single instructions: ports, MSRs, control registers, TLB, CPUID, fences.
 *
 * Nothing here decides anything; callers are the architecture and driver folders.
 */
#pragma once

#include <stdint.h>

#define MSR_APIC_BASE      0x0000001bu
#define MSR_ARCH_CAPS      0x0000010au
#define MSR_SYSENTER_CS    0x00000174u
#define MSR_SYSENTER_EIP   0x00000176u
#define MSR_PAT            0x00000277u
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_CSTAR          0xc0000083u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u

#define EFER_SCE 0x001u
#define EFER_NXE 0x800u

#define CR0_MP 0x00000002ul
#define CR0_EM 0x00000004ul
#define CR0_TS 0x00000008ul
#define CR0_NE 0x00000020ul
#define CR0_WP 0x00010000ul
#define CR0_AM 0x00040000ul
#define CR0_NW 0x20000000ul
#define CR0_CD 0x40000000ul

#define CR4_DE         0x00000008ul
#define CR4_PAE        0x00000020ul
#define CR4_MCE        0x00000040ul
#define CR4_PGE        0x00000080ul
#define CR4_OSFXSR     0x00000200ul
#define CR4_OSXMMEXCPT 0x00000400ul
#define CR4_UMIP       0x00000800ul
#define CR4_FSGSBASE   0x00010000ul
#define CR4_OSXSAVE    0x00040000ul
#define CR4_SMEP       0x00100000ul
#define CR4_SMAP       0x00200000ul

/* The instruction that reads or writes a port, by its suffix. */
#define PORT_INSN(suffix, type)                                                                    \
    static inline void out##suffix(uint16_t port, type value) {                                    \
        __asm__ volatile("out" #suffix " %0, %1" : : "a"(value), "Nd"(port));                      \
    }                                                                                              \
    static inline type in##suffix(uint16_t port) {                                                 \
        type value;                                                                                \
        __asm__ volatile("in" #suffix " %1, %0" : "=a"(value) : "Nd"(port));                       \
        return value;                                                                              \
    }
PORT_INSN(b, uint8_t)
PORT_INSN(w, uint16_t)
PORT_INSN(l, uint32_t)
#undef PORT_INSN

/* The instruction that reads, or writes, one of the 64-bit registers. */
#define READ_INSN(name, insn)                                                                      \
    static inline uint64_t name(void) {                                                            \
        uint64_t value;                                                                            \
        __asm__ volatile(insn : "=r"(value));                                                      \
        return value;                                                                              \
    }
#define WRITE_INSN(name, insn)                                                                     \
    static inline void name(uint64_t value) { __asm__ volatile(insn : : "r"(value) : "memory"); }
READ_INSN(read_cr0, "mov %%cr0, %0")
READ_INSN(read_cr2, "mov %%cr2, %0")
READ_INSN(read_cr3, "mov %%cr3, %0")
READ_INSN(read_cr4, "mov %%cr4, %0")
READ_INSN(rdfsbase, "rdfsbase %0")
READ_INSN(rdgsbase, "rdgsbase %0")
WRITE_INSN(write_cr0, "mov %0, %%cr0")
WRITE_INSN(write_cr3, "mov %0, %%cr3")
WRITE_INSN(write_cr4, "mov %0, %%cr4")
WRITE_INSN(write_dr6, "mov %0, %%dr6")
WRITE_INSN(write_dr7, "mov %0, %%dr7")
WRITE_INSN(wrfsbase, "wrfsbase %0")
WRITE_INSN(wrgsbase, "wrgsbase %0")
WRITE_INSN(invlpg, "invlpg (%0)")
#undef READ_INSN
#undef WRITE_INSN

/* An instruction that takes EDX:EAX, and its other operand. */
#define WIDE_INSN(insn, value, ...)                                                                \
    __asm__ volatile(insn                                                                          \
                     :                                                                             \
                     : "a"((uint32_t)(value)), "d"((uint32_t)((value) >> 32)), __VA_ARGS__         \
                     : "memory")

/* The result in EDX:EAX. */
#define WIDE_READ_INSN(insn, ...)                                                                  \
    uint64_t low, high; /* the upper halves are cleared */                                         \
    __asm__ volatile(insn : "=a"(low), "=d"(high) : __VA_ARGS__);                                  \
    return high << 32 | low

static inline uint64_t rdmsr(uint32_t msr) { WIDE_READ_INSN("rdmsr", "c"(msr)); }

static inline uint64_t rdtsc(void) { WIDE_READ_INSN("rdtsc", ); }

/* Not before what comes before it has been read. */
static inline uint64_t rdtsc_ordered(void) { WIDE_READ_INSN("lfence; rdtsc", : "memory"); }

static inline void wrmsr(uint32_t msr, uint64_t value) { WIDE_INSN("wrmsr", value, "c"(msr)); }

static inline void xsetbv(uint32_t n, uint64_t value) { WIDE_INSN("xsetbv", value, "c"(n)); }

/** Registers that CPUID returns. */
struct cpuid_regs {
    uint32_t a, b, c, d;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf) {
    struct cpuid_regs r;

    __asm__ volatile("cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline _Noreturn void cpu_stop(void) {
    for (;;) __asm__ volatile("cli; hlt" : : : "memory");
}

/* DS, ES, FS and GS; ring 0 works with null ones too. */
static inline void clear_selectors(void) {
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%fs\n\tmov %0, %%gs" : : "r"(0));
}

/* Extended state of the components in `mask`; `area` is 64-byte aligned. */
static inline void xsave(void *area, uint64_t mask) { WIDE_INSN("xsave64 (%2)", mask, "r"(area)); }

static inline void xrstor(const void *area, uint64_t mask) {
    WIDE_INSN("xrstor64 (%2)", mask, "r"(area));
}
#undef WIDE_INSN
#undef WIDE_READ_INSN

/* Empties the x87, its last instruction and operand address too. */
static inline void fninit(void) { __asm__ volatile("fninit"); }
