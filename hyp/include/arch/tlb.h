/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/tlb.h: the running pCPU's translation cache and its root. Only hyp's own pages are global:
 * writing the root drops every guest translation.
 */
#pragma once

#include <stdint.h>

#ifdef HYP_UNIT
void tlb_flush_page(uint64_t va);
void tlb_flush_all(void);
void tlb_load_root(uint64_t root);
#else
#include "arch/insn.h"

/** Drops the translation of one page, and all cached table entries. */
static inline void tlb_flush_page(uint64_t va) { invlpg(va); }

static inline void tlb_flush_all(void) { write_cr3(read_cr3()); }

static inline void tlb_load_root(uint64_t root) { write_cr3(root); }
#endif
