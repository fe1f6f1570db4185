/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time on the bare machine: the TSC, the local APIC's one-shot timer, both measured once against
 * the PIT, and the CMOS clock for the date. Owns the figures found.
 *
 * Each end of the measurement is known to lie between two looks at the PIT; the gaps bound the
 * error, and the result is the roundest figure inside that bound: 1 GHz comes out as 1 GHz.
 */
#include "clock.h"
#include "arch/cpu.h"
#include "arch/port.h"
#include "insn.h"
#include "kstring.h"
#include "native.h"
#include "printk.h"

#define PIT_HZ    1193182u
#define PIT_TICKS (PIT_HZ / 250) /* 4 ms */
#define POLLS     10000000u
#define TRIES     64u
#define GOOD_PPM  10000u /* doubt, of both clocks together, that ends the tries */
#define SHIFT     31u

static uint64_t base;      /* TSC at time 0 */
static uint64_t tsc_mult;  /* ns = ticks * tsc_mult >> SHIFT */
static uint64_t apic_mult; /* timer ticks = ns * apic_mult >> SHIFT */
static uint64_t wall_base; /* of time 0 */

static uint64_t scale(uint64_t value, uint64_t mult)
{
    return (uint64_t)(((unsigned __int128)value * mult) >> SHIFT);
}

uint64_t native_ns_of(uint64_t ticks)
{
    return scale(ticks, tsc_mult);
}

uint64_t arch_clock_ns(void)
{
    return native_ns_of(rdtsc() - base);
}

uint64_t arch_wall_ns(void)
{
    return wall_base + arch_clock_ns();
}

/* A deadline farther than the counter reaches comes early, is found not due, and is set again. */
void arch_timer_set(uint64_t deadline)
{
    uint64_t now = arch_clock_ns();
    uint64_t wait = deadline > now ? deadline - now : 0;
    uint64_t ticks = wait < UINT32_MAX ? scale(wait, apic_mult) + 1 : UINT32_MAX;

    if (deadline == 0) {
        ticks = 0;
    }
    native_apic_timer(ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX);
}

/* --- calibration --- */

/* Channel 2 counts down from 0xffff with its gate open; the speaker stays off. */
static void pit_start(void)
{
    port_out8(0x61, (uint8_t)((port_in8(0x61) & ~2u) | 1u));
    port_out8(0x43, 0xb0);
    port_out8(0x42, 0xff);
    port_out8(0x42, 0xff);
}

static uint32_t pit_read(void)
{
    uint32_t low;

    port_out8(0x43, 0x80); /* latch */
    low = port_in8(0x42);
    return 0xffffu - (low | (uint32_t)port_in8(0x42) << 8);
}

struct edge {
    uint32_t pit;
    uint64_t tsc, gap;
};

/* Wait until the PIT is at least `ticks` past `from`. */
static struct edge wait_edge(uint32_t from, uint32_t ticks)
{
    uint64_t before = rdtsc();

    for (unsigned i = 0; i < POLLS; i++) {
        uint32_t value = pit_read();
        uint64_t after = rdtsc();

        if (((value - from) & 0xffff) >= ticks) {
            return (struct edge){ value, after, after - before };
        }
        before = after;
    }
    panic("the PIT stands still: no clock to calibrate by");
}

static uint64_t round_to(uint64_t hz, uint64_t error)
{
    for (uint64_t unit = 1000000; unit > 1; unit /= 10) {
        uint64_t rounded = (hz + unit / 2) / unit * unit;

        if ((rounded > hz ? rounded - hz : hz - rounded) <= error) {
            return rounded;
        }
    }
    return hz;
}

/* What is found, and the doubt about it in parts of a million. */
struct rates {
    uint64_t tsc_hz, apic_hz, ppm;
};

/* The timer's ticks in a span of the TSC, each end of which is known to some ticks. */
static struct rates measure(void)
{
    struct edge start, end;
    struct rates r;
    uint64_t span, doubt, ticks, from, started, to, stopped;

    start = wait_edge(pit_read(), 1);
    from = rdtsc();
    native_apic_timer(UINT32_MAX);
    started = rdtsc();
    end = wait_edge(start.pit, PIT_TICKS);
    to = rdtsc();
    ticks = UINT32_MAX - native_apic_timer_left();
    stopped = rdtsc();
    native_apic_timer(0);
    span = end.tsc - start.tsc;
    doubt = start.gap + end.gap + 2;
    r.ppm = doubt * 1000000 / span;
    r.tsc_hz = span * PIT_HZ / ((end.pit - start.pit) & 0xffff);
    r.tsc_hz = round_to(r.tsc_hz, doubt * r.tsc_hz / span);
    span = stopped - started;
    doubt = started - from + stopped - to + 2;
    r.ppm += doubt * 1000000 / span;
    r.apic_hz = ticks * r.tsc_hz / span;
    r.apic_hz = round_to(r.apic_hz, doubt * r.apic_hz / span);
    return r;
}

/* A measurement in one of whose gaps the processor was away says nothing: then again, and the best
 * counts. */
static void calibrate(void)
{
    struct rates best = { .ppm = 1000000 };

    pit_start();
    native_apic_timer(UINT32_MAX); /* once for nothing: an emulator translates it now */
    (void)native_apic_timer_left();
    for (unsigned i = 0; i < TRIES && best.ppm > GOOD_PPM; i++) {
        struct rates r = measure();

        best = r.ppm < best.ppm ? r : best;
    }
    if (best.tsc_hz == 0) {
        panic("the PIT cannot be looked at: no clock");
    }
    tsc_mult = (NS_PER_S << SHIFT) / best.tsc_hz;
    apic_mult = (best.apic_hz << SHIFT) / NS_PER_S;
    printk("clock: TSC %lu.%03lu MHz, timer %lu.%03lu MHz\n", best.tsc_hz / 1000000,
           best.tsc_hz / 1000 % 1000, best.apic_hz / 1000000, best.apic_hz / 1000 % 1000);
}

/* --- date --- */

enum { SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR, FIELDS };

struct reading {
    uint8_t v[FIELDS];
};

static uint8_t cmos(uint8_t reg)
{
    port_out8(0x70, reg);
    return port_in8(0x71);
}

/* Twice the same with no update in between: the chip gives no other promise. */
static struct reading cmos_read(void)
{
    static const uint8_t regs[FIELDS] = { 0, 2, 4, 7, 8, 9 };
    struct reading a = { { 0 } }, b;

    for (unsigned tries = 0; tries < 1000; tries++) {
        for (unsigned i = 0; i < FIELDS; i++) {
            b.v[i] = cmos(regs[i]);
        }
        if (!(cmos(0x0a) & 0x80) && memcmp(&a, &b, sizeof(a)) == 0) {
            break;
        }
        a = b;
    }
    return a;
}

static int64_t decimal(uint8_t raw, uint8_t mode)
{
    return mode & 4 ? raw : (raw >> 4) * 10 + (raw & 15);
}

/* Days since 1970-01-01, of a year that starts in March, so that the leap day comes last. */
static int64_t days(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    month += month <= 2 ? 9 : -3;
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 -
           719468;
}

static uint64_t wall_now(void)
{
    struct reading r = cmos_read();
    uint8_t mode = cmos(0x0b);
    int64_t hour = decimal(r.v[HOURS] & 0x7f, mode);

    if (!(mode & 2)) {
        hour = hour % 12 + (r.v[HOURS] & 0x80 ? 12 : 0);
    }
    return (uint64_t)(days(2000 + decimal(r.v[YEAR], mode), decimal(r.v[MONTH], mode),
                           decimal(r.v[DAY], mode)) *
                          86400 +
                      hour * 3600 + decimal(r.v[MINUTES], mode) * 60 +
                      decimal(r.v[SECONDS], mode)) *
           NS_PER_S;
}

void native_clock_init(void)
{
    base = rdtsc();
    calibrate();
    wall_base = wall_now() - arch_clock_ns();
}
