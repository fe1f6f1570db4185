/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * layout.h: where hyp's virtual address space begins and ends, by top-level slot.
 *
 *   slot      0-255   user half, one per space
 *         256-503     hyp's; identical in every table, never changes after boot
 *             260     the image, linked at HYP_IMAGE_BASE + physical address
 *             262     MMIO window (uncached)
 *             263     stacks, each above an unmapped guard
 *         264-327     direct map of RAM, RW and NX, without hyp's text and read-only data
 *         504-511     guest kernel half, one set of L3 tables per domain
 *
 * Readable from C, assembly and the linker script.
 */
#pragma once

#ifdef __ASSEMBLER__
#define HYP_UL(x) x
#else
#define HYP_UL(x) x##ul
#endif

#define PAGE_SHIFT 12
#define PAGE_SIZE  HYP_UL(4096)
#define PAGE_MASK  (PAGE_SIZE - 1)

#define HYP_IMAGE_BASE  HYP_UL(0xffff820000000000)
#define HYP_MMIO_BASE   HYP_UL(0xffff830000000000)
#define HYP_STACK_BASE  HYP_UL(0xffff838000000000)
#define HYP_DIRECT_BASE HYP_UL(0xffff840000000000)
#define HYP_DIRECT_SIZE HYP_UL(0x0000200000000000)

#define HYP_SLOT_FIRST  256
#define HYP_SLOT_LAST   503
#define HYP_SLOT_IMAGE  260
#define HYP_SLOT_MMIO   262
#define HYP_SLOT_STACK  263
#define HYP_SLOT_DIRECT 264

/* A stack is STACK_SIZE bytes, aligned to its size; its last 8 bytes point to struct cpu. */
#define STACK_SIZE HYP_UL(16384)

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A physical byte address. */
typedef uint64_t paddr_t;

/** The direct-map address of physical memory; only RAM named in boot_info is mapped there. */
static inline void *phys_to_virt(paddr_t pa) { return (void *)(HYP_DIRECT_BASE + pa); }

/** The inverse of phys_to_virt(); not for image, stack or MMIO addresses. */
static inline paddr_t virt_to_phys(const void *va) { return (uintptr_t)va - HYP_DIRECT_BASE; }
#endif
