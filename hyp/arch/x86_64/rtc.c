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

#define RTC_INDEX    0x70
#define RTC_DATA     0x71
#define RTC_STATUS_A 0x0a
#define RTC_STATUS_B 0x0b
#define A_UPDATING   0x80
#define B_BINARY     0x04
#define B_24_HOURS   0x02
#define HOUR_PM      0x80
#define TRIES        1000

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, CENTURY, FIELDS };

static uint8_t cmos_read(uint8_t reg) {
    outb(RTC_INDEX, reg);
    return inb(RTC_DATA);
}

/* All fields as the chip has them, twice the same: no update came in between. */
static void read_stable(uint8_t v[FIELDS]) {
    const uint8_t regs[FIELDS] = { 0, 2, 4, 7, 8, 9, platform.century_register };
    bool stable = false;

    for (int try = 0; try < TRIES && !stable; try++) {
        stable = try > 0;
        for (unsigned int i = 0; i < FIELDS; i++) {
            uint8_t now = regs[i] != 0 || i == SECOND ? cmos_read(regs[i]) : 0;

            stable = stable && now == v[i];
            v[i] = now;
        }
        stable = stable && !(cmos_read(RTC_STATUS_A) & A_UPDATING);
    }
}

/* Days from 1970-01-01, by counting years from March, so that the leap day comes last. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    month += month <= 2 ? 9 : -3;
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 -
           719468;
}

void rtc_read(struct boot_info *boot) {
    uint8_t raw[FIELDS] = { 0 }, status;
    int64_t v[FIELDS];

    read_stable(raw);
    status = cmos_read(RTC_STATUS_B);
    for (unsigned int i = 0; i < FIELDS; i++) {
        v[i] = i == HOUR ? raw[i] & ~HOUR_PM : raw[i];
        if (!(status & B_BINARY)) v[i] = (v[i] >> 4) * 10 + (v[i] & 15);
    }
    if (!(status & B_24_HOURS)) v[HOUR] = v[HOUR] % 12 + (raw[HOUR] & HOUR_PM ? 12 : 0);
    v[YEAR] += (raw[CENTURY] != 0 ? v[CENTURY] : 20) * 100;
    boot->wall_clock = days_since_1970(v[YEAR], v[MONTH], v[DAY]) * 86400 + v[HOUR] * 3600 +
                       v[MINUTE] * 60 + v[SECOND];
    boot->wall_clock_ns = clock_now_ns();
}
