/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all pCPUs have in common, found at boot; and the hint of a spin loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu_features {
    uint32_t xcr0;          /* the one fixed set of extended state */
    uint32_t xsave_size;    /* bytes of an XSAVE area with that set, a multiple of 64 */
    uint32_t physical_bits; /* width of a machine address */
    bool umip, steady_tsc;
};

/* Constant after boot. */
extern struct cpu_features cpu_features;

#ifndef HYP_UNIT
/* To be read alone: no function needs a frame for it. */
register uintptr_t stack_pointer __asm__("rsp");
#endif

static inline void cpu_relax(void) { __builtin_ia32_pause(); }
