/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts: local APIC and I/O APIC. Owns both, and the handler of each vector: a line is a
 * vector. The old interrupt controllers stay, with every line masked. All interrupts used here are
 * edges, so that it does not matter that the handler runs behind the acknowledgement.
 */
#include "arch/cpu.h"
#include "arch/device.h"
#include "arch/port.h"
#include "clock.h"
#include "cpu.h"
#include "insn.h"
#include "layout.h"
#include "native.h"
#include "printk.h"
#include "thread.h"

#define MSR_APIC_BASE 0x1bu
#define APIC_ENABLED  ((uint64_t)1 << 11)
#define APIC_ADDRESS  ((uint64_t)0x000ffffffffff000)
#define IOAPIC        ((uint64_t)0xfec00000) /* on every PC */

#define APIC_ID       0x20u
#define APIC_PRIORITY 0x80u
#define APIC_EOI      0xb0u
#define APIC_SPURIOUS 0xf0u
#define APIC_LINT0    0x350u
#define APIC_LINT1    0x360u
#define APIC_ERROR    0x370u
#define APIC_TIMER    0x320u
#define APIC_INITIAL  0x380u
#define APIC_CURRENT  0x390u
#define APIC_DIVIDE   0x3e0u
#define APIC_COMMAND  0x300u
#define APIC_TARGET   0x310u
#define APIC_ON       0x100u
#define LVT_MASKED    0x10000u
#define LVT_NMI       0x400u
#define DIVIDE_BY_1   0xbu

#define COMMAND_INIT    0x500u
#define COMMAND_START   0x600u
#define COMMAND_PENDING 0x1000u
#define COMMAND_ASSERT  0x4000u

#define IOAPIC_VERSION 1u
#define IOAPIC_PIN     0x10u
#define PIN_MASKED     0x10000u

static struct {
    void (*fn)(void *arg);
    void *arg;
} handlers[VECTORS];

static char *apic;
static char *ioapic;
static unsigned msi_used;
struct native_counts native_counts[NATIVE_MAX_CPUS];

static uint32_t apic_read(unsigned reg)
{
    return *(volatile uint32_t *)(void *)(apic + reg);
}

static void apic_write(unsigned reg, uint32_t value)
{
    *(volatile uint32_t *)(void *)(apic + reg) = value;
}

static uint32_t ioapic_read(unsigned reg)
{
    *(volatile uint32_t *)(void *)ioapic = reg;
    return *(volatile uint32_t *)(void *)(ioapic + 0x10);
}

static void ioapic_write(unsigned reg, uint32_t value)
{
    *(volatile uint32_t *)(void *)ioapic = reg;
    *(volatile uint32_t *)(void *)(ioapic + 0x10) = value;
}

/* An ISA interrupt: an edge, active high, to the first CPU, as all devices' are. */
static void pin_set(unsigned pin, bool on)
{
    ioapic_write(IOAPIC_PIN + 2 * pin, (VECTOR_PIN + pin) | (on ? 0 : PIN_MASKED));
}

static void ioapic_init(void)
{
    unsigned pins;

    ioapic = arch_mmio_map(IOAPIC, 0x20);
    pins = (ioapic_read(IOAPIC_VERSION) >> 16 & 0xff) + 1;
    if (pins < 16 || pins > 240) {
        panic("no I/O APIC at %lx", (unsigned long)IOAPIC);
    }
    for (unsigned pin = 0; pin < pins && pin < PINS; pin++) {
        ioapic_write(IOAPIC_PIN + 2 * pin + 1, apic_read(APIC_ID));
        pin_set(pin, false);
    }
}

/* Of this CPU: each sees its own at the same address. */
void native_apic_enable(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_ENABLED);
    apic_write(APIC_SPURIOUS, APIC_ON | VECTOR_SPURIOUS);
    apic_write(APIC_PRIORITY, 0);
    apic_write(APIC_LINT0, LVT_MASKED);
    apic_write(APIC_LINT1, LVT_NMI);
    apic_write(APIC_ERROR, LVT_MASKED);
    apic_write(APIC_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_TIMER, VECTOR_TIMER);
}

void native_irq_init(void)
{
    port_out8(0x21, 0xff);
    port_out8(0xa1, 0xff);
    apic = arch_mmio_map(rdmsr(MSR_APIC_BASE) & APIC_ADDRESS, 0x1000);
    native_apic_enable();
    ioapic_init();
}

uint8_t native_apic_id(void)
{
    return (uint8_t)(apic_read(APIC_ID) >> 24);
}

/* Interrupts are off: nobody comes between the two words, and the one before has gone. */
static void command(uint8_t id, uint32_t what)
{
    while (apic_read(APIC_COMMAND) & COMMAND_PENDING) {
        __asm__ volatile("pause");
    }
    apic_write(APIC_TARGET, (uint32_t)id << 24);
    apic_write(APIC_COMMAND, what);
}

void native_apic_init(uint8_t id)
{
    command(id, COMMAND_ASSERT | COMMAND_INIT);
}

void native_apic_start(uint8_t id, uint32_t page)
{
    command(id, COMMAND_ASSERT | COMMAND_START | page);
}

void native_apic_send(uint8_t id, uint32_t vector)
{
    uint64_t flags = arch_irq_save();

    command(id, COMMAND_ASSERT | vector);
    arch_irq_restore(flags);
}

void native_apic_timer(uint32_t ticks)
{
    apic_write(APIC_INITIAL, ticks);
}

uint32_t native_apic_timer_left(void)
{
    return apic_read(APIC_CURRENT);
}

static void serve(uint32_t vector)
{
    if (vector == VECTOR_TIMER) {
        timer_interrupt();
    } else if (vector == VECTOR_KICK) {
        cpu_kicked();
    } else if (handlers[vector].fn) {
        handlers[vector].fn(handlers[vector].arg);
    }
}

void native_interrupt(uint32_t vector, bool from_user)
{
    bool taken;

    if (vector == VECTOR_SPURIOUS) {
        return; /* nothing is in service: acknowledging would end another one */
    }
    native_counts[arch_cpu()].interrupts++;
    apic_write(APIC_EOI, 0);
    taken = kernel_interrupt();
    serve(vector);
    if (from_user) {
        user_return();
    } else {
        kernel_interrupt_end(taken);
    }
}

uint64_t arch_irq_save(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return !(flags >> 9 & 1);
}

void arch_irq_restore(uint64_t flags)
{
    if (!flags) {
        __asm__ volatile("sti" : : : "memory");
    }
}

/* STI holds interrupts back for one more instruction: none can slip in before HLT. */
void arch_idle(void)
{
    uint64_t from = rdtsc();

    __asm__ volatile("sti; hlt; cli" : : : "memory");
    native_counts[arch_cpu()].idle_ticks += rdtsc() - from;
}

int arch_irq_attach(uint64_t line, void (*fn)(void *arg), void *arg)
{
    if (line < VECTOR_PIN || line >= VECTOR_SPURIOUS || line == VECTOR_TIMER) {
        return -1;
    }
    handlers[line].fn = fn;
    handlers[line].arg = arg;
    if (line < VECTOR_PIN + PINS) {
        pin_set((unsigned)line - VECTOR_PIN, true);
    }
    return 0;
}

void arch_irq_detach(uint64_t line)
{
    if (line < VECTOR_PIN || line >= VECTOR_SPURIOUS || line == VECTOR_TIMER) {
        return;
    }
    if (line < VECTOR_PIN + PINS) {
        pin_set((unsigned)line - VECTOR_PIN, false);
    }
    handlers[line].fn = NULL;
}

/* Pin n is ISA line n but for 0, 2 (timer, cascade) and 9 (ACPI's, not an edge). */
int64_t arch_irq_isa_line(unsigned isa)
{
    return isa == 0 || isa == 2 || isa == 9 || isa > 15 ? -1 : (int64_t)(VECTOR_PIN + isa);
}

int64_t arch_msi_line(uint16_t device, uint64_t *address, uint32_t *data)
{
    (void)device;
    if (msi_used == MSI_VECTORS) {
        return -1;
    }
    *address = 0xfee00000 | (uint64_t)native_apic_id() << 12;
    *data = VECTOR_MSI + msi_used;
    return VECTOR_MSI + msi_used++;
}
