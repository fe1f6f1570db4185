/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PCI model: an address register, and one function's configuration space, made up as it is
 * read.
 *
 * Owns nothing. The address register takes and gives whole double words only; the data register
 * takes any part of one. What is not there reads as ones and drops what is written.
 */
#include "model/pci.h"

#define ENABLED  0x80000000u
#define FUNCTION 0x00ffff00u
#define OURS     0x00000800u /* bus 0, device 1, function 0 */

#define REG_ID      0x00u
#define REG_COMMAND 0x04u
#define REG_CLASS   0x08u
#define REG_BAR4    0x20u
#define REG_TIMING  0x40u
#define REG_LINE    0x3cu

#define ID_PIIX3_IDE 0x70108086u
#define CLASS_REVISION                                                                             \
    0x01018000u            /* mass storage, IDE, both channels at the old ports, a master          \
                            */
#define STATUS 0x02800000u /* medium timing, back-to-back */
#define TIMING 0x0000a307u /* primary channel decoded, fast timing for disk 0; no secondary */

#define COMMAND_IO     0x0001u
#define COMMAND_MASTER 0x0004u
#define BAR_IO         0x00000001u
#define BAR_MASK       (~((1u << PCI_MODEL_BAR_BITS) - 1) & 0xffffu)

static bool is_ours(const struct pci_model *p)
{
    return (p->address & ENABLED) && (p->address & FUNCTION) == OURS;
}

static uint32_t read_config(const struct pci_model *p)
{
    if (!is_ours(p))
        return UINT32_MAX;
    switch (p->address & 0xfc) {
    case REG_ID:
        return ID_PIIX3_IDE;
    case REG_COMMAND:
        return STATUS | p->command;
    case REG_CLASS:
        return CLASS_REVISION;
    case REG_BAR4:
        return p->bar | BAR_IO;
    case REG_LINE:
        return p->line;
    case REG_TIMING:
        return TIMING;
    default:
        return 0;
    }
}

/* `value` and `mask` are where the data register's bytes lie in the double word. */
static void write_config(struct pci_model *p, uint32_t value, uint32_t mask)
{
    uint32_t written = (read_config(p) & ~mask) | (value & mask);

    if (!is_ours(p))
        return;
    switch (p->address & 0xfc) {
    case REG_COMMAND:
        p->command = written & (COMMAND_IO | COMMAND_MASTER);
        break;
    case REG_BAR4:
        p->bar = written & BAR_MASK;
        break;
    case REG_LINE:
        p->line = (uint8_t)written;
        break;
    default:
        break;
    }
}

/* The bits of `size` bytes that are within a double word from `offset` % 4 on. */
static uint32_t data_mask(uint16_t offset, unsigned size)
{
    uint32_t bits = size >= 4 ? UINT32_MAX : (1u << size * 8) - 1;

    return bits << offset % 4 * 8;
}

uint32_t pci_model_in(const struct pci_model *p, uint16_t offset, unsigned size)
{
    if (offset == 0 && size == 4)
        return p->address;
    if (offset < 4 || offset >= PCI_MODEL_PORTS)
        return UINT32_MAX;
    return read_config(p) >> offset % 4 * 8;
}

void pci_model_out(struct pci_model *p, uint16_t offset, unsigned size, uint32_t value)
{
    if (offset == 0 && size == 4)
        p->address = value & (ENABLED | FUNCTION | 0xfc);
    else if (offset >= 4 && offset < PCI_MODEL_PORTS)
        write_config(p, value << offset % 4 * 8, data_mask(offset, size));
}

bool pci_model_decodes(const struct pci_model *p)
{
    return (p->command & COMMAND_IO) && p->bar == p->given;
}

bool pci_model_masters(const struct pci_model *p)
{
    return p->command & COMMAND_MASTER;
}

void pci_model_init(struct pci_model *p, uint16_t base)
{
    *p = (struct pci_model){ .command = COMMAND_IO, .bar = base, .given = base, .line = 14 };
}
