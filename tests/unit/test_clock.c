/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calibration of TSC and LAPIC timer against a machine whose processor is taken away for a while,
 * at every step of the measurement: the clock is right all the same.
 */
#include <check.h>
#include <stdarg.h>
#include <stdlib.h>

#include "arch/cpu.h"
#include "arch/insn.h"

/* The machine: time in nanoseconds, of which each access takes some. */
#define TSC_MHZ   2600u
#define LAPIC_MHZ 1000u
#define PM_HZ     3579545u

static uint64_t now, accesses, lapic_started;
/* The processor is gone for `away_ns` behind the access `away_at`, and each `away_every` on. */
static uint64_t away_at, away_every, away_ns, lapic_hz;

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

static uint32_t fake_inl(uint16_t port)
{
    uint32_t value = (uint32_t)(now * (PM_HZ / 5) / 200000000); /* what is read is of before */

    ck_assert_uint_eq(port, 0x608);
    tick(700);
    return value;
}

#define rdtsc fake_rdtsc
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
    lapic_hz = hz;
}

uint64_t apic_timer_hz(void)
{
    return lapic_hz;
}

void printk(const char *format, ...)
{
    (void)format;
}

void panic(const char *format, ...)
{
    ck_abort_msg("panic: %s", format);
}

static void calibrated(uint64_t at, uint64_t every, uint64_t ns)
{
    struct boot_info boot = { .tsc_first_line = 0 };

    now = 123456789;
    accesses = 0;
    away_at = at;
    away_every = every;
    away_ns = ns;
    clock_init(&boot);
    ck_assert_uint_le((uint64_t)llabs((int64_t)(clock.hz - TSC_MHZ * UINT64_C(1000000))),
                      TSC_MHZ * UINT64_C(10000));
    ck_assert_uint_le((uint64_t)llabs((int64_t)(lapic_hz - LAPIC_MHZ * UINT64_C(1000000))),
                      LAPIC_MHZ * UINT64_C(15000));
}

START_TEST(test_undisturbed)
{
    calibrated(~(uint64_t)0, 0, 0);
    ck_assert_uint_eq(clock.hz, TSC_MHZ * UINT64_C(1000000));
    ck_assert_uint_eq(lapic_hz, LAPIC_MHZ * UINT64_C(1000000));
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
    Suite *suite = suite_create("clock");
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
