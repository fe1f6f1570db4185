/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for devices on the bare machine: a device sees RAM as it is, so its address of a page is
 * the frame's. There is no IOMMU in between; a driver that errs overwrites what it likes. Owns
 * nothing.
 */
#include "arch/device.h"

#include "arch/memory.h"
#include "mem.h"

int arch_dma_map(uint16_t device, const void *p, uint32_t pages, uint64_t *addresses)
{
    (void)device;
    for (uint32_t i = 0; i < pages; i++) {
        addresses[i] = (arch_frame_of(p) + i) << PAGE_SHIFT;
    }
    return 0;
}

void arch_dma_unmap(uint16_t device, const uint64_t *addresses, uint32_t pages)
{
    (void)device;
    (void)addresses;
    (void)pages;
}
