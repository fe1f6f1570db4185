/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions of the machine, found and set up through configuration mechanism 1. A function is
 * named by bus << 8 | devfn, as the hypervisor names a device.
 */
#ifndef PCI_H
#define PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_MAX_FUNCTIONS 64

#define PCI_BAR0            0x10
#define PCI_COMMAND         0x04
#define PCI_COMMAND_IO      0x0001u
#define PCI_COMMAND_MEMORY  0x0002u
#define PCI_COMMAND_MASTER  0x0004u
#define PCI_COMMAND_NO_INTX 0x0400u

#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX   0x11

struct pci_function {
    uint16_t name; /* bus << 8 | devfn */
    uint16_t vendor;
    uint16_t device;
    uint16_t subsystem;
};

uint32_t pci_read32(uint16_t function, unsigned offset);
uint16_t pci_read16(uint16_t function, unsigned offset);
uint8_t pci_read8(uint16_t function, unsigned offset);
void pci_write32(uint16_t function, unsigned offset, uint32_t value);
void pci_write16(uint16_t function, unsigned offset, uint16_t value);

/* All functions of the machine, in the order of their names; returns how many (at most max). */
size_t pci_scan(struct pci_function *found, size_t max);

/* The first function of bus 0 whose class, subclass and programming interface have the bits of
 * `class` under `mask`: how a driver finds what is soldered to a board. */
bool pci_find_class(uint32_t class, uint32_t mask, uint16_t *function);

/* First port of I/O BAR `bar` (0..5), with decoding and bus mastering switched on; 0 when it is not
 * an I/O BAR, or was given no ports. */
uint16_t pci_enable_io(uint16_t function, unsigned bar);

/* Machine address of memory BAR `bar` (0..5) and its size; 0 when it is not a usable memory BAR. */
uint64_t pci_bar(uint16_t function, unsigned bar, uint64_t *bytes);

/* Offset of the next capability `id` behind offset `after` (0: from the first on); 0 when none. */
uint8_t pci_capability(uint16_t function, uint8_t id, uint8_t after);

/* Switch on memory decoding and bus mastering, switch off the legacy interrupt line. */
void pci_enable(uint16_t function);

#endif
