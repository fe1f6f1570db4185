/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rtc.c: reads the CMOS clock, once, for the wall clock at boot.
 *
 * The registers are read until two readings agree with no update in between: the chip gives no
 * other promise that a reading is of one moment. Taken as UTC.
 */
#include "arch/insn.h"
#include "boot_arch.h"
#include "clock.h"
#include "platform.h"
#include "string.h"

#define RTC_INDEX    0x70
#define RTC_DATA     0x71
#define RTC_STATUS_A 0x0a
#define RTC_STATUS_B 0x0b
#define A_UPDATING   0x80
#define B_BINARY     0x04
#define B_24_HOURS   0x02
#define HOUR_PM      0x80
#define TRIES        1000

/* Seconds, minutes, hours, day, month, year, century, as the chip has them. */
struct reading {
    uint8_t v[7];
};

static uint8_t cmos_read(uint8_t reg) {
    outb(RTC_INDEX, reg);
    return inb(RTC_DATA);
}

static struct reading read_registers(void) {
    static const uint8_t regs[6] = { 0, 2, 4, 7, 8, 9 };
    struct reading r = { { 0 } };

    for (unsigned int i = 0; i < sizeof(regs); i++) r.v[i] = cmos_read(regs[i]);
    r.v[6] = platform.century_register != 0 ? cmos_read(platform.century_register) : 0;
    return r;
}

static struct reading read_stable(void) {
    struct reading a = { { 0 } }, b;

    for (int i = 0; i < TRIES; i++) {
        b = read_registers();
        if (!(cmos_read(RTC_STATUS_A) & A_UPDATING) && memcmp(&a, &b, sizeof(a)) == 0) break;
        a = b;
    }
    return b;
}

static int64_t decode(uint8_t raw, uint8_t status) {
    return status & B_BINARY ? raw : (raw >> 4) * 10 + (raw & 15);
}

/* Days from 1970-01-01, by counting years from March, so that the leap day comes last. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    month += month <= 2 ? 9 : -3;
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 -
           719468;
}

void rtc_read(struct boot_info *boot) {
    struct reading r = read_stable();
    uint8_t status = cmos_read(RTC_STATUS_B);
    int64_t hour = decode(r.v[2] & (uint8_t)~HOUR_PM, status);
    int64_t century = r.v[6] != 0 ? decode(r.v[6], status) : 20;
    int64_t days = days_since_1970(century * 100 + decode(r.v[5], status), decode(r.v[4], status),
                                   decode(r.v[3], status));

    if (!(status & B_24_HOURS)) hour = hour % 12 + (r.v[2] & HOUR_PM ? 12 : 0);
    boot->wall_clock =
        days * 86400 + hour * 3600 + decode(r.v[1], status) * 60 + decode(r.v[0], status);
    boot->wall_clock_ns = clock_now_ns();
}
