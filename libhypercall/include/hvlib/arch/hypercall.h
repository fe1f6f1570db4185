/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypercall stubs: one inline function hv_<name>() for each line of hypercalls.def, and the few
 * instructions that the portable part of the library needs by name.
 *
 * A stub is one SYSCALL: the number in RAX, arguments in RDI RSI RDX R10 R8 R9, the result in RAX.
 * RCX and R11 are lost. Buffers are named by guest physical address, so the compiler cannot see
 * that a call reads or writes them: every stub clobbers memory.
 */
#ifndef HVLIB_ARCH_HYPERCALL_H
#define HVLIB_ARCH_HYPERCALL_H

#include <hv_call.h>

static inline int64_t hv_call6(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                               uint64_t e, uint64_t f)
{
    int64_t result;
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

static inline int64_t hv_call5(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                               uint64_t e)
{
    int64_t result;
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

static inline int64_t hv_call4(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    int64_t result;
    register uint64_t r10 __asm__("r10") = d;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

static inline int64_t hv_call3(uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
    int64_t result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

static inline int64_t hv_call2(uint64_t nr, uint64_t a, uint64_t b)
{
    int64_t result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(nr), "D"(a), "S"(b)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

static inline int64_t hv_call1(uint64_t nr, uint64_t a)
{
    int64_t result;

    __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a) : "rcx", "r11", "memory", "cc");
    return result;
}

static inline int64_t hv_call0(uint64_t nr)
{
    int64_t result;

    __asm__ volatile("syscall" : "=a"(result) : "a"(nr) : "rcx", "r11", "memory", "cc");
    return result;
}

/* clang-format off */
#define HV_CALL0(nr, name)                                                                         \
    static inline int64_t hv_##name(void) { return hv_call0(nr); }
#define HV_CALL1(nr, name, t1, a1)                                                                 \
    static inline int64_t hv_##name(t1 a1) { return hv_call1(nr, a1); }
#define HV_CALL2(nr, name, t1, a1, t2, a2)                                                         \
    static inline int64_t hv_##name(t1 a1, t2 a2) { return hv_call2(nr, a1, a2); }
#define HV_CALL3(nr, name, t1, a1, t2, a2, t3, a3)                                                 \
    static inline int64_t hv_##name(t1 a1, t2 a2, t3 a3) { return hv_call3(nr, a1, a2, a3); }
#define HV_CALL4(nr, name, t1, a1, t2, a2, t3, a3, t4, a4)                                         \
    static inline int64_t hv_##name(t1 a1, t2 a2, t3 a3, t4 a4)                                    \
    { return hv_call4(nr, a1, a2, a3, a4); }
#define HV_CALL5(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                                 \
    static inline int64_t hv_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)                             \
    { return hv_call5(nr, a1, a2, a3, a4, a5); }
#define HV_CALL6(nr, name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)                         \
    static inline int64_t hv_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6)                      \
    { return hv_call6(nr, a1, a2, a3, a4, a5, a6); }
/* clang-format on */
#include <hypercalls.def>

/** Everything before is seen by others before anything after. */
static inline void hv_fence(void)
{
    __asm__ volatile("mfence" ::: "memory");
}

/** A hint in a loop that waits for another CPU. */
static inline void hv_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

/** The time stamp counter. */
static inline uint64_t hv_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

#endif
