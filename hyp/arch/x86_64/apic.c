/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * apic.c: the local APIC in xAPIC mode, its one-shot timer, and the 8259s out of the way.
 *
 * Owns the LAPIC's registers; each CPU sees its own at the same address. The timer counts down at
 * a frequency that clock.c measures and is armed with clock_now_ns() deadlines.
 */
#include "arch/cpu.h"
#include "arch/insn.h"
#include "arch/trap.h"
#include "boot_arch.h"
#include "bug.h"
#include "clock.h"
#include "cpu.h"
#include "epoch.h"
#include "machine.h"
#include "platform.h"
#include "trace.h"

enum {
    LAPIC_ID = 0x20,
    LAPIC_TPR = 0x80,
    LAPIC_EOI = 0xb0,
    LAPIC_SPURIOUS = 0xf0,
    LAPIC_ESR = 0x280,
    LAPIC_COMMAND = 0x300,
    LAPIC_COMMAND_TO = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_THERMAL = 0x330,
    LAPIC_LVT_PERFORMANCE = 0x340,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_TIMER_INITIAL = 0x380,
    LAPIC_TIMER_CURRENT = 0x390,
    LAPIC_TIMER_DIVIDE = 0x3e0
};

#define LVT_MASKED     0x10000u
#define LVT_NMI        0x400u
#define SPURIOUS_ON    0x100u
#define DIVIDE_BY_1    0xbu
#define COMMAND_NMI    0x4400u /* level: assert */
#define COMMAND_INIT   0x4500u
#define COMMAND_START  0x4600u
#define COMMAND_FIXED  0x4000u
#define COMMAND_BUSY   0x1000u
#define COMMAND_OTHERS 0xc0000u
#define APIC_BASE_ON   0x800u
#define APIC_BASE_X2   0x400u
#define TIMER_SHIFT    31
#define TIMER_MAX      0xffffffffu

static volatile uint32_t *lapic;

static struct {
    uint64_t mult;    /* counts = ns * mult >> TIMER_SHIFT */
    uint64_t max_ns;  /* what the counter can hold */
    uint64_t per_tsc; /* counts = TSC ticks * per_tsc >> 32 */
    irq_handler_t *handler;
} timer;

static uint32_t lapic_read(unsigned int reg) { return lapic[reg / sizeof(*lapic)]; }

static void lapic_write(unsigned int reg, uint32_t value) { lapic[reg / sizeof(*lapic)] = value; }

void pic_init(void) {
    /* ICW1-ICW4: vectors at VECTOR_PIC, slave on line 2, 8086 mode; then all lines masked. They
     * can still raise spurious interrupts, which land on vectors that nobody else uses. */
    static const struct {
        uint8_t port, value;
    } steps[] = { { 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, VECTOR_PIC }, { 0xa1, VECTOR_PIC + 8 },
                  { 0x21, 4 },    { 0xa1, 2 },    { 0x21, 1 },          { 0xa1, 1 },
                  { 0x21, 0xff }, { 0xa1, 0xff } };

    for (unsigned int i = 0; i < ARRAY_LEN(steps); i++) outb(steps[i].port, steps[i].value);
}

void apic_init(struct cpu *cpu) {
    uint64_t base = rdmsr(MSR_APIC_BASE);

    if (base & APIC_BASE_X2) panic("the firmware left the local APIC in x2APIC mode");
    wrmsr(MSR_APIC_BASE, base | APIC_BASE_ON);
    if (lapic == NULL) lapic = mmio_map(platform.lapic, PAGE_SIZE);
    cpu->apic_id = lapic_read(LAPIC_ID) >> 24;
    lapic_write(LAPIC_TPR, 0);
    lapic_write(LAPIC_LVT_THERMAL, LVT_MASKED);
    lapic_write(LAPIC_LVT_PERFORMANCE, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT1, LVT_NMI);
    lapic_write(LAPIC_LVT_ERROR, VECTOR_ERROR);
    lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
    lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
    lapic_write(LAPIC_TIMER_INITIAL, 0);
    lapic_write(LAPIC_ESR, 0);
    lapic_write(LAPIC_SPURIOUS, SPURIOUS_ON | VECTOR_SPURIOUS);
}

/* Interrupts are off, but for a panic's NMI, which takes the other half of a command no more. */
static void send(uint32_t apic_id, uint32_t command) {
    while (lapic_read(LAPIC_COMMAND) & COMMAND_BUSY) cpu_relax();
    lapic_write(LAPIC_COMMAND_TO, apic_id << 24);
    lapic_write(LAPIC_COMMAND, command);
}

void apic_send_init(uint32_t apic_id) { send(apic_id, COMMAND_INIT); }

void apic_send_start(uint32_t apic_id, paddr_t page) {
    send(apic_id, COMMAND_START | (uint32_t)(page >> PAGE_SHIFT));
}

void cpu_kick(const struct cpu *c) {
    trace(HV_TRACE_kick, c->id, 0, 0);
    send(c->apic_id, COMMAND_FIXED | VECTOR_KICK);
}

void apic_send_nmi_to_others(void) {
    if (cpu_count > 1) send(0, COMMAND_OTHERS | COMMAND_NMI);
}

void apic_eoi(void) { lapic_write(LAPIC_EOI, 0); }

uint32_t apic_timer_read(void) { return lapic_read(LAPIC_TIMER_CURRENT); }

void apic_timer_start(uint32_t count) { lapic_write(LAPIC_TIMER_INITIAL, count); }

void apic_timer_set_hz(uint64_t hz) {
    timer.mult = (hz << TIMER_SHIFT) / 1000000000;
    BUG_ON(timer.mult == 0);
    timer.max_ns = (uint64_t)(((unsigned __int128)TIMER_MAX << TIMER_SHIFT) / timer.mult) - 1;
    timer.per_tsc = (hz << 32) / clock.hz;
}

void arch_timer_init(irq_handler_t *handler) { timer.handler = handler; }

void irq_timer(void) {
    apic_eoi(); /* interrupts are off: none comes before the way back */
    timer.handler(NULL);
}

void irq_timer_idle(void) {
    epoch_enter(this_cpu());
    irq_timer();
}

void arch_timer_set(uint64_t deadline_ns) {
    uint64_t tsc = rdtsc(), now = clock_scale(&clock, tsc - clock.base), passed;
    uint64_t ns = deadline_ns > now ? deadline_ns - now : 0, count = TIMER_MAX;

    /* Rounded up: expiry before the deadline would only arm it again. */
    if (ns < timer.max_ns) count = ((ns * timer.mult) >> TIMER_SHIFT) + 1;
    /* Less what it took to get here, rounded down. */
    passed = (uint32_t)(rdtsc() - tsc) * timer.per_tsc >> 32;
    lapic_write(LAPIC_TIMER_INITIAL, (uint32_t)(count > passed ? count - passed : 1));
}
