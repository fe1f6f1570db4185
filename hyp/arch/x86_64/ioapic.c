/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ioapic.c: I/O APIC lines, named by global system interrupt number.
 *
 * Owns the I/O APICs' registers, reached through an index and a data window that one lock guards.
 * All lines are masked at boot and stay so until their holder unmasks them.
 */
#include "boot_arch.h"
#include "cpu.h"
#include "lock.h"
#include "machine.h"
#include "platform.h"

#define REG_VERSION  1u
#define REG_REDIRECT 0x10u
#define RTE_LOW      0x2000u
#define RTE_LEVEL    0x8000u
#define RTE_MASKED   0x10000u
#define ISA_LINES    16

/* Guards index and data windows of all I/O APICs. */
static struct spinlock ioapic_lock = SPINLOCK_INIT(LOCK_IRQ);
static struct ioapic {
    volatile uint32_t *regs;
    uint32_t first, lines;
} ioapics[PLATFORM_IOAPICS_MAX];
static uint32_t line_count;

static uint32_t reg_read(const struct ioapic *io, uint32_t reg) {
    io->regs[0] = reg;
    return io->regs[4];
}

static void reg_write(const struct ioapic *io, uint32_t reg, uint32_t value) {
    io->regs[0] = reg;
    io->regs[4] = value;
}

static const struct ioapic *ioapic_of(uint32_t line) {
    for (uint32_t i = 0; i < platform.ioapic_count; i++)
        if (line - ioapics[i].first < ioapics[i].lines) return &ioapics[i];
    return NULL;
}

static void write_redirection(const struct ioapic *io, uint32_t line, uint32_t low, uint32_t high) {
    uint32_t reg = REG_REDIRECT + 2 * (line - io->first);

    /* Masked while its halves disagree. */
    reg_write(io, reg, RTE_MASKED);
    reg_write(io, reg + 1, high);
    reg_write(io, reg, low);
}

void ioapic_init(void) {
    for (uint32_t i = 0; i < platform.ioapic_count; i++) {
        struct ioapic *io = &ioapics[i];

        io->regs = mmio_map(platform.ioapics[i].base, PAGE_SIZE);
        io->first = platform.ioapics[i].gsi_base;
        io->lines = (reg_read(io, REG_VERSION) >> 16 & 0xff) + 1;
        for (uint32_t n = 0; n < io->lines; n++)
            write_redirection(io, io->first + n, RTE_MASKED, 0);
        line_count = io->first + io->lines > line_count ? io->first + io->lines : line_count;
    }
}

uint32_t irq_line_count(void) { return line_count; }

uint32_t irq_line_of_isa(uint8_t isa_irq) {
    for (uint32_t i = 0; i < platform.override_count; i++)
        if (platform.overrides[i].isa_irq == isa_irq) return platform.overrides[i].gsi;
    return isa_irq;
}

/* Trigger mode and polarity: ISA is edge, high, unless the MADT says otherwise; PCI level, low. */
static uint32_t line_mode(uint32_t line) {
    for (uint32_t i = 0; i < platform.override_count; i++) {
        const struct platform_override *o = &platform.overrides[i];

        if (o->gsi == line) return (o->low ? RTE_LOW : 0) | (o->level ? RTE_LEVEL : 0);
    }
    return line < ISA_LINES ? 0 : RTE_LOW | RTE_LEVEL;
}

bool irq_line_route(uint32_t line, int vector, uint32_t cpu) {
    const struct ioapic *io = ioapic_of(line);

    if (io == NULL) return false;
    spin_lock(&ioapic_lock);
    write_redirection(io, line, (uint32_t)vector | line_mode(line) | RTE_MASKED,
                      cpus[cpu]->apic_id << 24);
    spin_unlock(&ioapic_lock);
    return true;
}

static void set_mask(uint32_t line, bool masked) {
    const struct ioapic *io = ioapic_of(line);
    uint32_t reg;

    if (io == NULL) return;
    reg = REG_REDIRECT + 2 * (line - io->first);
    spin_lock(&ioapic_lock);
    reg_write(io, reg, (reg_read(io, reg) & ~RTE_MASKED) | (masked ? RTE_MASKED : 0));
    spin_unlock(&ioapic_lock);
}

void irq_line_mask(uint32_t line) { set_mask(line, true); }

void irq_line_unmask(uint32_t line) { set_mask(line, false); }
