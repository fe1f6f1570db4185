/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.c: calibrates TSC and LAPIC timer, once, against the ACPI PM timer or else the PIT.
 *
 * A measurement runs from an edge of the reference to an edge some 4 ms later. Each edge is known
 * to lie between two polls; the sum of those gaps bounds the error, and the result is rounded to
 * the roundest figure inside that bound. So a TSC of 1 GHz comes out as 1 GHz, to the hertz.
 *
 * A gap can be long: where something beneath takes the processor away in it (SMM, a hypervisor, a
 * busy host), the measurement says nothing, and is made again.
 */
#include "clock.h"
#include "arch/cpu.h"
#include "arch/insn.h"
#include "boot_arch.h"
#include "bug.h"
#include "platform.h"
#include "printk.h"

#define PM_TIMER_HZ    3579545u
#define PIT_HZ         1193182u
#define WINDOW_DIVISOR 250u /* of a second: 4 ms */
#define POLLS_MAX      10000000u
#define TRIES          64u
#define GOOD_PPM       10000u /* doubt, of both counters together, that ends the tries */

struct clock clock;
static uint64_t lapic_hz; /* of its timer */

/* A counter of known frequency. */
struct reference {
    const char *name;
    uint32_t hz, mask;
    uint32_t (*read)(void);
};

/* A counter's value, and the TSC before and after it was read. */
struct look {
    uint32_t value;
    uint64_t before, after;
};

static uint32_t pm_timer_read(void) { return inl(platform.pm_timer_port); }

/* Channel 2 counts down from 0xffff with its gate open; the speaker stays off. */
static void pit_start(void) {
    outb(0x61, (uint8_t)((inb(0x61) & ~2u) | 1u));
    outb(0x43, 0xb0);
    outb(0x42, 0xff);
    outb(0x42, 0xff);
}

static uint32_t pit_read(void) {
    uint32_t low;

    outb(0x43, 0x80); /* latch */
    low = inb(0x42);
    return 0xffffu - (low | (uint32_t)inb(0x42) << 8);
}

static struct reference choose_reference(void) {
    if (platform.pm_timer_port != 0)
        return (struct reference){ "PM timer", PM_TIMER_HZ, platform.pm_timer_mask, pm_timer_read };
    pit_start();
    return (struct reference){ "PIT", PIT_HZ, 0xffff, pit_read };
}

/* Waits until the reference is at least `ticks` past `from`. */
static struct look wait_edge(const struct reference *ref, uint32_t from, uint32_t ticks) {
    struct look l = { .after = rdtsc() };

    for (uint32_t i = 0; i < POLLS_MAX; i++) {
        l.before = l.after;
        l.value = ref->read() & ref->mask;
        l.after = rdtsc();
        if (((l.value - from) & ref->mask) >= ticks) return l;
    }
    panic("the %s stands still: no clock to calibrate by", ref->name);
}

/* The multiple of the largest power of ten that lies within `error` of hz. */
static uint64_t round_to(uint64_t hz, uint64_t error) {
    for (uint64_t unit = 1000000; unit > 1; unit /= 10) {
        uint64_t rounded = (hz + unit / 2) / unit * unit;

        if ((rounded > hz ? rounded - hz : hz - rounded) <= error) return rounded;
    }
    return hz;
}

static uint64_t doubt(const struct look *a, const struct look *b) {
    return a->after - a->before + b->after - b->before + 2;
}

static uint64_t doubt_ppm(const struct look *a, const struct look *b) {
    return doubt(a, b) * 1000000 / (b->after - a->after);
}

/* count * hz / span, and rounding by the doubt about the time between two looks. */
static uint64_t frequency(uint64_t count, uint64_t hz, uint64_t span, const struct look *a,
                          const struct look *b) {
    uint64_t value = count * hz / span;

    return round_to(value, doubt(a, b) * value / (b->after - a->after) + 1);
}

static struct look look_at_lapic(bool start) {
    struct look l = { .value = UINT32_MAX, .before = rdtsc() };

    if (start)
        apic_timer_start(UINT32_MAX);
    else
        l.value = apic_timer_read();
    l.after = rdtsc();
    return l;
}

/* Measures once, and keeps that if it leaves less doubt, in parts of a million, than `best`.
 * Returns the doubt about what is kept. */
static uint64_t calibrate(const struct reference *ref, uint64_t best) {
    struct look start, end, first, last;
    uint64_t ppm;

    start = wait_edge(ref, ref->read() & ref->mask, 1);
    first = look_at_lapic(true);
    end = wait_edge(ref, start.value, ref->hz / WINDOW_DIVISOR);
    last = look_at_lapic(false);
    apic_timer_start(0);
    ppm = doubt_ppm(&start, &end) + doubt_ppm(&first, &last);
    if (ppm >= best) return best;
    clock.hz = frequency(end.after - start.after, ref->hz, (end.value - start.value) & ref->mask,
                         &start, &end);
    lapic_hz =
        frequency(first.value - last.value, clock.hz, last.after - first.after, &first, &last);
    return ppm;
}

void clock_init(struct boot_info *boot) {
    uint64_t begin = rdtsc(), ppm = 1000000; /* nothing that is all doubt */
    struct reference ref = choose_reference();

    /* Once for nothing: the first run of code can be much slower (emulators translate it). */
    look_at_lapic(true);
    look_at_lapic(false);
    for (uint32_t i = 0; i < TRIES && ppm > GOOD_PPM; i++) ppm = calibrate(&ref, ppm);
    if (clock.hz == 0) panic("the %s cannot be looked at: no clock", ref.name);
    apic_timer_set_hz(lapic_hz);
    clock.mult = (UINT64_C(1000000000) << CLOCK_SHIFT) / clock.hz;
    clock.base = boot->tsc_first_line;
    boot->tsc_calibration = rdtsc() - begin;
    printk("clock: TSC %lu.%06lu MHz%s, LAPIC timer %lu.%06lu MHz, by the %s", clock.hz / 1000000,
           clock.hz % 1000000, cpu_features.steady_tsc ? "" : " (not said to be invariant)",
           lapic_hz / 1000000, lapic_hz % 1000000, ref.name);
}
