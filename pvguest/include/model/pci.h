/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Model of a PC's PCI configuration space by mechanism 1, with one function in it: an IDE
 * controller like the one of a PIIX3, at 00:01.0.
 *
 * Its BAR 4 holds 16 I/O ports, given at power on as a firmware would. A guest may write another
 * base there and size the BAR, but the ports answer only where they were given: which ports reach
 * the models is not the guest's to say. All else is read-only, but for the command register's bits
 * for I/O decoding and bus mastering. Any sequence of accesses is served; nothing here grows.
 */
#ifndef MODEL_PCI_H
#define MODEL_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_MODEL_BASE     0xcf8u /**< first of its ports */
#define PCI_MODEL_PORTS    8u
#define PCI_MODEL_BAR_BITS 4u /**< BAR 4 has so many ports, as a power of two */

struct pci_model {
    uint32_t address; /* what was written to 0xcf8 */
    uint16_t command;
    uint32_t bar;   /* base, as the guest wrote it */
    uint16_t given; /* base at power on */
    uint8_t line;   /* a note of software to itself */
};

/** Power on, with BAR 4 at `base`. */
void pci_model_init(struct pci_model *p, uint16_t base);
/** An IN of `size` (1, 2 or 4) bytes at 0xcf8 + `offset`. */
uint32_t pci_model_in(const struct pci_model *p, uint16_t offset, unsigned size);
void pci_model_out(struct pci_model *p, uint16_t offset, unsigned size, uint32_t value);

/** Do the ports of BAR 4 answer where they were given, and may the function reach memory? */
bool pci_model_decodes(const struct pci_model *p);
bool pci_model_masters(const struct pci_model *p);

#endif
