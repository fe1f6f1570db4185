/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instructions behind hvlib/guard.h, in assembly because a fault in them must find the stack as
 * it was at the call.
 */
#ifndef HVLIB_ARCH_GUARD_H
#define HVLIB_ARCH_GUARD_H

#include "hvlib/cxx.h"
#include <stddef.h>
#include <stdint.h>

HV_C_BEGIN

/** Either side may be a window. Returns 0 or -HV_EDEAD. */
int64_t hv_guard_copy(void *to, const void *from, size_t bytes);
/** Set `bytes` of a window to `value`. Returns 0 or -HV_EDEAD. */
int64_t hv_guard_fill(void *window, uint8_t value, size_t bytes);
/** One aligned 32-bit access. Returns 0 or -HV_EDEAD. */
int64_t hv_guard_read32(const volatile uint32_t *window, uint32_t *value);
int64_t hv_guard_write32(volatile uint32_t *window, uint32_t value);

/** The instructions that may fault, and where such a fault goes on. */
extern const char hv_guard_start[], hv_guard_end[], hv_guard_gone[];

HV_C_END

#endif
