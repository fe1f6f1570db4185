/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extended registers of user programs. Owns how they are saved: by XSAVE where whoever runs below
 * has switched it on, with all that is switched on, else by FXSAVE. Neither needs a privilege.
 */
#include "arch/cpu.h"

#include <stdint.h>

#define OSXSAVE      ((uint32_t)1 << 27)
#define LEAF_STATE   0xdu
#define FXSAVE_BYTES 512u
#define CONTROL      0x37fu  /* x87: every exception masked, full precision */
#define MXCSR        0x1f80u /* SSE: every exception masked */
#define MXCSR_AT     24u

static size_t xsave_bytes; /* 0: FXSAVE */

static uint32_t cpuid_c(uint32_t leaf)
{
    uint32_t a = leaf, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c;
}

static uint32_t cpuid_b(uint32_t leaf)
{
    uint32_t a = leaf, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return b;
}

size_t arch_state_bytes(void)
{
    xsave_bytes = cpuid_c(1) & OSXSAVE ? cpuid_b(LEAF_STATE) : 0;
    return xsave_bytes ? xsave_bytes : FXSAVE_BYTES;
}

/* Zeroes say of everything else that it is as after a reset. */
void arch_state_init(void *state)
{
    *(uint16_t *)state = CONTROL;
    *(uint32_t *)(void *)((char *)state + MXCSR_AT) = MXCSR;
}

void arch_state_save(void *state)
{
    if (xsave_bytes) {
        __asm__ volatile("xsave64 (%0)" : : "r"(state), "a"(~0u), "d"(~0u) : "memory");
    } else {
        __asm__ volatile("fxsave64 (%0)" : : "r"(state) : "memory");
    }
}

void arch_state_load(const void *state)
{
    if (xsave_bytes) {
        __asm__ volatile("xrstor64 (%0)" : : "r"(state), "a"(~0u), "d"(~0u) : "memory");
    } else {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(state) : "memory");
    }
}
