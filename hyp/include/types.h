/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boxed numbers that do not mix, and the few words everybody needs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A machine frame number. */
typedef struct {
    uint64_t n;
} mfn_t;

/* A guest frame number: RAM, window, shared or MMIO range (hv_memory.h). */
typedef struct {
    uint64_t n;
} gfn_t;

/* A guest physical address of the calling domain. It cannot be dereferenced: guestmem.h copies. */
typedef struct {
    uint64_t a;
} gpa_t;

/* What many headers name and few look into. */
struct cpu;
struct domain;
struct vcpu;

#define MFN_NONE ((mfn_t){ ~(uint64_t)0 })

static inline bool mfn_is_none(mfn_t m) { return m.n == ~(uint64_t)0; }

#define ARRAY_LEN(a)        (sizeof(a) / sizeof((a)[0]))
#define STATIC_ASSERT(cond) _Static_assert(cond, #cond)
