/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bare machine's calibration of TSC and LAPIC timer, as test_clock.c does with the
 * hypervisor's: the processor is taken away for a while at each step near the ends of the
 * measurement.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "host_away.h"

#include "arch/port.h"
#include <pvguest/arch/native/insn.h>

static uint64_t lapic_started, latched;
static unsigned byte;

static void fake_out8(uint16_t port, uint8_t value)
{
    (void)value;
    if (port == 0x43)
        latched = 0xffff - now * 1193182 / 1000000000;
    tick(300);
}

static uint8_t fake_in8(uint16_t port)
{
    tick(300);
    return (uint8_t)(port == 0x42 ? latched >> (byte++ & 1) * 8 : 0);
}

#define rdtsc     away_rdtsc
#define port_out8 fake_out8
#define port_in8  fake_in8
#include <pvguest/arch/native/clock.c>
#undef rdtsc

uint32_t native_apic_timer_left(void)
{
    tick(100);
    return UINT32_MAX - (uint32_t)((now - lapic_started) * LAPIC_MHZ / 1000);
}

void native_apic_timer(uint32_t count)
{
    (void)count;
    tick(100);
    lapic_started = now;
}

void printk(const char *format, ...)
{
    (void)format;
}

void panic(const char *format, ...)
{
    ck_abort_msg("panic: %s", format);
}

/* Of 10 s, in parts of a million. */
static int64_t error_ppm(uint64_t mult, uint64_t ticks, uint64_t expected)
{
    return ((int64_t)scale(ticks, mult) - (int64_t)expected) / (int64_t)(expected / 1000000);
}

static void calibrated(void)
{
    byte = 0;
    calibrate();
    ck_assert_int_le(llabs(error_ppm(tsc_mult, TSC_MHZ * UINT64_C(10000000), 10000000000)), 10000);
    ck_assert_int_le(llabs(error_ppm(apic_mult, 10000000000, LAPIC_MHZ * UINT64_C(10000000))),
                     15000);
}

START_TEST(test_calibration)
{
    away_from(NEVER, 0, 0, calibrated);
    ck_assert_int_eq(error_ppm(tsc_mult, TSC_MHZ * UINT64_C(10000000), 10000000000), 0);
    away_everywhere(calibrated);
}
END_TEST

int main(void)
{
    return away_run("pvclock", test_calibration);
}
