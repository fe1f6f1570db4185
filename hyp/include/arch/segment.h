/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The segment bases of the loaded vCPU, which it may change without our knowing.
 */
#pragma once

#include "arch/insn.h"

/* GS is the guest's everywhere but in the first instructions of SYSCALL. */
static inline uint64_t arch_fs_base(void) { return rdmsr(MSR_FS_BASE); }

static inline uint64_t arch_gs_base(void) { return rdmsr(MSR_GS_BASE); }
