/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI configuration space through the ports 0xcf8 and 0xcfc. Owns nothing but the rule that address
 * and data port are used as one step: every access is made with upcalls held off, because a handler
 * may read configuration space too.
 *
 * Bridges are not programmed: the firmware has given every function its bus number and its BARs.
 */
#include "pci.h"

#include "arch/port.h"
#include "irq.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc

#define REG_ID           0x00
#define REG_STATUS       0x06
#define REG_HEADER       0x0e
#define REG_CLASS        0x08
#define REG_SUBSYSTEM    0x2e
#define REG_CAPABILITIES 0x34

#define STATUS_CAPABILITIES 0x10u
#define HEADER_MULTI        0x80u
#define SLOTS               32u
#define BAR_IO              0x1u
#define BAR_TYPE            0x6u
#define BAR_TYPE_64         0x4u

static uint32_t config_address(uint16_t function, unsigned offset)
{
    return 0x80000000u | (uint32_t)function << 8 | (offset & 0xfcu);
}

uint32_t pci_read32(uint16_t function, unsigned offset)
{
    uint64_t state = irq_save();
    port_out32(CONFIG_ADDRESS, config_address(function, offset));
    uint32_t value = port_in32(CONFIG_DATA);
    irq_restore(state);
    return value;
}

uint16_t pci_read16(uint16_t function, unsigned offset)
{
    return (uint16_t)(pci_read32(function, offset) >> (offset & 2) * 8);
}

uint8_t pci_read8(uint16_t function, unsigned offset)
{
    return (uint8_t)(pci_read32(function, offset) >> (offset & 3) * 8);
}

void pci_write32(uint16_t function, unsigned offset, uint32_t value)
{
    uint64_t state = irq_save();
    port_out32(CONFIG_ADDRESS, config_address(function, offset));
    port_out32(CONFIG_DATA, value);
    irq_restore(state);
}

void pci_write16(uint16_t function, unsigned offset, uint16_t value)
{
    uint64_t state = irq_save();
    port_out32(CONFIG_ADDRESS, config_address(function, offset));
    port_out16((uint16_t)(CONFIG_DATA + (offset & 2)), value);
    irq_restore(state);
}

static bool probe(uint16_t name, struct pci_function *f)
{
    uint32_t id = pci_read32(name, REG_ID);
    if ((id & 0xffff) == 0xffff)
        return false;
    f->name = name;
    f->vendor = (uint16_t)id;
    f->device = (uint16_t)(id >> 16);
    f->subsystem = pci_read16(name, REG_SUBSYSTEM);
    return true;
}

/* The functions of slots [0, slots), counted over the buses, that are there. */
static size_t scan(unsigned slots, struct pci_function *found, size_t max)
{
    size_t count = 0;
    for (unsigned slot = 0; slot < slots; slot++) {
        for (unsigned fn = 0; fn < 8 && count < max; fn++) {
            uint16_t name = (uint16_t)(slot << 3 | fn);
            bool present = probe(name, &found[count]);
            count += present;
            if (fn == 0 && (!present || !(pci_read8(name, REG_HEADER) & HEADER_MULTI)))
                break;
        }
    }
    return count;
}

size_t pci_scan(struct pci_function *found, size_t max)
{
    return scan(256 * SLOTS, found, max);
}

bool pci_find_class(uint32_t class, uint32_t mask, uint16_t *function)
{
    struct pci_function found[PCI_MAX_FUNCTIONS];
    size_t count = scan(SLOTS, found, PCI_MAX_FUNCTIONS);
    for (size_t i = 0; i < count; i++) {
        *function = found[i].name;
        if ((pci_read32(*function, REG_CLASS) >> 8 & mask) == class)
            return true;
    }
    return false;
}

uint16_t pci_enable_io(uint16_t function, unsigned bar)
{
    uint32_t base = pci_read32(function, PCI_BAR0 + bar * 4);
    uint16_t command = pci_read16(function, PCI_COMMAND);
    if (!(base & BAR_IO) || base >> 16 != 0)
        return 0;
    command |= PCI_COMMAND_IO | PCI_COMMAND_MASTER;
    pci_write16(function, PCI_COMMAND, command);
    return base & 0xfffcu;
}

/* Size of one 32-bit BAR register: write all ones, read back which bits stay, write the old value.
 * Memory decoding is off meanwhile, or the function would answer at the probing address. */
static uint32_t bar_mask(uint16_t function, unsigned reg)
{
    uint32_t old = pci_read32(function, reg);
    pci_write32(function, reg, ~0u);
    uint32_t mask = pci_read32(function, reg);
    pci_write32(function, reg, old);
    return mask;
}

uint64_t pci_bar(uint16_t function, unsigned bar, uint64_t *bytes)
{
    unsigned reg = PCI_BAR0 + bar * 4;
    uint32_t low = pci_read32(function, reg);
    if (bar > 5 || low & BAR_IO)
        return 0;
    bool wide = (low & BAR_TYPE) == BAR_TYPE_64 && bar < 5;
    uint16_t command = pci_read16(function, PCI_COMMAND);
    pci_write16(function, PCI_COMMAND, (uint16_t)(command & ~PCI_COMMAND_MEMORY));
    uint64_t mask = bar_mask(function, reg) & ~0xfu;
    mask |= (uint64_t)(wide ? bar_mask(function, reg + 4) : ~0u) << 32;
    uint64_t base = low & ~0xfu;
    if (wide)
        base |= (uint64_t)pci_read32(function, reg + 4) << 32;
    pci_write16(function, PCI_COMMAND, command);
    *bytes = ~mask + 1;
    return base;
}

uint8_t pci_capability(uint16_t function, uint8_t id, uint8_t after)
{
    if (!(pci_read16(function, REG_STATUS) & STATUS_CAPABILITIES))
        return 0;
    uint8_t at = pci_read8(function, after ? after + 1u : REG_CAPABILITIES) & 0xfc;
    /* A list that loops ends with the number of entries that can be there. */
    for (int i = 0; at && i < 48; i++) {
        if (pci_read8(function, at) == id)
            return at;
        at = pci_read8(function, at + 1u) & 0xfc;
    }
    return 0;
}

void pci_enable(uint16_t function)
{
    uint16_t command = pci_read16(function, PCI_COMMAND);
    command |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_NO_INTX;
    pci_write16(function, PCI_COMMAND, command);
}
