/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/pte.h: the format of page-table entries, and what hyp keeps in the bits that the processor
 * ignores: the kind of a leaf, and for a window the low bits of its index, by which its record is
 * found again when the leaf goes. Guest entries are never global; not present is always all zero.
 */
#pragma once

#include "arch/layout.h"

typedef uint64_t pte_t;

#define PTE_PRESENT  ((pte_t)1 << 0)
#define PTE_WRITE    ((pte_t)1 << 1)
#define PTE_USER     ((pte_t)1 << 2)
#define PTE_UNCACHED ((pte_t)3 << 3) /* write-through and cache-disable */
#define PTE_ACCESSED ((pte_t)1 << 5)
#define PTE_DIRTY    ((pte_t)1 << 6)
#define PTE_LARGE    ((pte_t)1 << 7) /* of an entry of level 2: a leaf of 2 MiB, no table */
#define PTE_NX       ((pte_t)1 << 63)
#define PTE_FRAME    ((pte_t)0x000ffffffffff000)

/* Software: the kind of frame that a leaf names. RAM of the domain itself is one bit, so that one
 * test tells it from the others and from a hole. */
#define PTE_KIND   ((pte_t)7 << 9)
#define PTE_RAM    ((pte_t)1 << 9)
#define PTE_WINDOW ((pte_t)2 << 9)
#define PTE_SHARED ((pte_t)4 << 9)
#define PTE_MMIO   ((pte_t)6 << 9)

/* Software: bits 52-62, ignored as long as protection keys are off. */
#define PTE_TAG_SHIFT 52
#define PTE_TAG_MASK  ((uint64_t)0x7ff)

static inline pte_t pte_tag(uint64_t tag) { return (pte_t)(tag << (PTE_TAG_SHIFT + 1)) >> 1; }

static inline uint64_t pte_tag_of(pte_t e) { return e >> PTE_TAG_SHIFT & PTE_TAG_MASK; }

/* An entry that points to a lower table: rights are the leaf's to limit. */
#define PTE_TABLE (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED)

static inline uint64_t pte_frame(pte_t e) { return (e & PTE_FRAME) >> PAGE_SHIFT; }

static inline pte_t pte_make(uint64_t frame, pte_t bits) { return frame << PAGE_SHIFT | bits; }

/* Top-level slots of the three parts of an address space. */
#define PTE_SLOTS       512u
#define PTE_USER_SLOTS  256u
#define PTE_KERNEL_SLOT 504u

/* Index of an address in a table of level 4 (top) to 1 (leaves). */
static inline unsigned int pte_index(uint64_t va, unsigned int level) {
    return (unsigned int)(va >> (PAGE_SHIFT + 9 * (level - 1))) & (PTE_SLOTS - 1);
}
