/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces as the portable kernel sees them. The kernel's own mappings are made at the start
 * and stay; a space is the user half of one process. The kernel keeps its own record of what it
 * mapped and never asks the architecture for it.
 */
#ifndef PVGUEST_ARCH_MEMORY_H
#define PVGUEST_ARCH_MEMORY_H

#include <stdint.h>

#define ARCH_MAP_READ  1u
#define ARCH_MAP_WRITE 2u
#define ARCH_MAP_EXEC  4u

/** End of the user half. */
#define ARCH_USER_END ((uint64_t)0x00007ffffffff000)

/** A new space, or a negative error. */
int64_t arch_space_create(void);
/** Give it back; it may not be loaded. */
void arch_space_destroy(uint64_t space);
/** Load `space` (0: none); entries from user mode get the stack that ends at `stack_top`. */
void arch_space_switch(uint64_t space, uint64_t stack_top);
/** Map `count` frames from `frame` on at `address`. 0 or a negative error. */
int arch_space_map(uint64_t space, uint64_t address, uint64_t frame, uint32_t count,
                   unsigned rights);
int arch_space_unmap(uint64_t space, uint64_t address, uint32_t count);

/** Kernel address of a RAM frame, and the frame of a kernel address (of the image too). */
void *arch_page_address(uint64_t frame);
uint64_t arch_frame_of(const void *p);

#endif
