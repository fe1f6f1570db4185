/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What drivers of real devices ask of the architecture: registers in memory, memory that a device
 * can reach, message-signalled interrupts. A device is named by its PCI function.
 */
#ifndef PVGUEST_ARCH_DEVICE_H
#define PVGUEST_ARCH_DEVICE_H

#include <stdint.h>

/** Map `bytes` of registers at machine address `address`, uncached; NULL when it cannot be. */
void *arch_mmio_map(uint64_t address, uint64_t bytes);

/** Make `pages` pages from `p` on (page aligned, kernel memory or a mapped window) reachable for
 * the device; addresses[n] is what it must be told for page n. 0 or a negative error. */
int arch_dma_map(uint16_t device, const void *p, uint32_t pages, uint64_t *addresses);
/** Undo it, by the addresses that it gave. */
void arch_dma_unmap(uint16_t device, const uint64_t *addresses, uint32_t pages);

/** An interrupt line for a message-signalled interrupt of the device, and what the device has to
 * write where. Returns the line, or a negative error. */
int64_t arch_msi_line(uint16_t device, uint64_t *address, uint32_t *data);

#endif
