/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bare machine's calibration of TSC and LAPIC timer, as test_clock.c does with the
 * hypervisor's: the processor is taken away for a while at each step near the ends of the
 * measurement.
 */
#include <check.h>
#include <stdarg.h>
#include <stdlib.h>

#include "arch/port.h"
#include <pvguest/arch/native/insn.h>

/* The machine: time in nanoseconds, of which each access takes some. */
#define TSC_MHZ   2600u
#define LAPIC_MHZ 1000u

static uint64_t now, accesses, lapic_started, latched;
/* The processor is gone for `away_ns` behind the access `away_at`, and each `away_every` on. */
static uint64_t away_at, away_every, away_ns;
static unsigned byte;

static void tick(uint64_t ns)
{
    now += ns;
    if (accesses++ == away_at) {
        now += away_ns;
        away_at += away_every;
    }
}

static uint64_t fake_rdtsc(void)
{
    tick(20);
    return now * TSC_MHZ / 1000;
}

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

#define rdtsc     fake_rdtsc
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

static void calibrated(uint64_t at, uint64_t every, uint64_t ns)
{
    now = 123456789;
    accesses = 0;
    byte = 0;
    away_at = at;
    away_every = every;
    away_ns = ns;
    calibrate();
    ck_assert_int_le(llabs(error_ppm(tsc_mult, TSC_MHZ * UINT64_C(10000000), 10000000000)), 10000);
    ck_assert_int_le(llabs(error_ppm(apic_mult, 10000000000, LAPIC_MHZ * UINT64_C(10000000))),
                     15000);
}

START_TEST(test_undisturbed)
{
    calibrated(~(uint64_t)0, 0, 0);
    ck_assert_int_eq(error_ppm(tsc_mult, TSC_MHZ * UINT64_C(10000000), 10000000000), 0);
}
END_TEST

/* The first measurement takes some 11,130 accesses; its two ends are what counts. */
START_TEST(test_away_once)
{
    for (uint64_t at = 0; at < 11180; at += at < 50 || at > 11090 ? 1 : 197) {
        calibrated(at, ~(uint64_t)0, 30000000);
        calibrated(at, ~(uint64_t)0, 500000);
    }
}
END_TEST

/* As on a host with eight others at work: three milliseconds here, twenty away. */
START_TEST(test_away_again_and_again)
{
    for (uint64_t every = 7000; every < 7500; every += 50)
        calibrated(every % 1000, every, 20000000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pvclock");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_test(all, test_undisturbed);
    tcase_add_test(all, test_away_once);
    tcase_add_test(all, test_away_again_and_again);
    tcase_set_timeout(all, 60);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
