/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all pCPUs have in common, found at boot; and the hint of a spin loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu_features {
    uint64_t xcr0;          /* the one fixed set of extended state */
    uint32_t xsave_size;    /* bytes of an XSAVE area with that set, a multiple of 64 */
    uint32_t physical_bits; /* width of a machine address */
    bool umip, steady_tsc;
};

/* Constant after boot. */
extern struct cpu_features cpu_features;

static inline void cpu_relax(void) { __builtin_ia32_pause(); }
