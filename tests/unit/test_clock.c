/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calibration of TSC and LAPIC timer against a machine whose processor is taken away for a while,
 * at every step of the measurement: the clock is right all the same.
 */
#include <stdarg.h>
#include <stdlib.h>

#include "host_away.h"

#include "arch/cpu.h"
#include "arch/insn.h"

#define PM_HZ 3579545u

static uint64_t lapic_started, timer_hz;

static uint32_t fake_inl(uint16_t port)
{
    uint32_t value = (uint32_t)(now * (PM_HZ / 5) / 200000000); /* what is read is of before */

    if (port != 0x608)
        abort();
    tick(700);
    return value;
}

#define rdtsc away_rdtsc
#define inl   fake_inl
#include <hyp/arch/x86_64/clock.c>
#undef rdtsc
#undef inl

struct platform platform = { .pm_timer_port = 0x608, .pm_timer_mask = 0xffffff };
struct cpu_features cpu_features = { .steady_tsc = true };

uint32_t apic_timer_read(void)
{
    tick(100);
    return UINT32_MAX - (uint32_t)((now - lapic_started) * LAPIC_MHZ / 1000);
}

void apic_timer_start(uint32_t count)
{
    (void)count;
    tick(100);
    lapic_started = now;
}

void apic_timer_set_hz(uint64_t hz)
{
    timer_hz = hz;
}

void printk(const char *format, ...)
{
    (void)format;
}

void panic(const char *format, ...)
{
    ck_abort_msg("panic: %s", format);
}

static void calibrated(void)
{
    struct boot_info boot = { .tsc_first_line = 0 };

    clock_init(&boot);
    ck_assert_int_le(llabs((int64_t)(clock.hz - TSC_MHZ * UINT64_C(1000000))), TSC_MHZ * 10000);
    ck_assert_int_le(llabs((int64_t)(timer_hz - LAPIC_MHZ * UINT64_C(1000000))), LAPIC_MHZ * 15000);
}

START_TEST(test_calibration)
{
    away_from(NEVER, 0, 0, calibrated);
    ck_assert_uint_eq(clock.hz, TSC_MHZ * UINT64_C(1000000));
    ck_assert_uint_eq(timer_hz, LAPIC_MHZ * UINT64_C(1000000));
    away_everywhere(calibrated);
}
END_TEST

int main(void)
{
    return away_run("clock", test_calibration);
}
