/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guarded accesses: how a back end touches a window.
 *
 * A window can lose its memory at any instruction, when the owner revokes the grant or dies. These
 * functions turn the page fault into -HV_EDEAD, "the peer is gone"; any other access to a window is
 * a bug. A copy that fails has done an unknown part.
 */
#ifndef HVLIB_GUARD_H
#define HVLIB_GUARD_H

#include "hvlib/arch/guard.h"
#include <hv_call.h>

/** Copy `bytes` out of a window. Returns 0 or -HV_EDEAD. */
static inline int64_t hv_guard_copy_from(void *to, const volatile void *window, size_t bytes)
{
    return hv_guard_copy(to, (const void *)(uintptr_t)window, bytes);
}

/** Copy `bytes` into a window. Returns 0 or -HV_EDEAD. */
static inline int64_t hv_guard_copy_to(volatile void *window, const void *from, size_t bytes)
{
    return hv_guard_copy((void *)(uintptr_t)window, from, bytes);
}

#endif
