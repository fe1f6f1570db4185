/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time: nanoseconds since boot, and callbacks at a given time on the one one-shot timer.
 */
#ifndef PVGUEST_CLOCK_H
#define PVGUEST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** Nanoseconds since the machine's boot. Never goes back. */
uint64_t clock_ns(void);
/** Nanoseconds since 1970. */
uint64_t clock_wall_ns(void);

#define NS_PER_MS ((uint64_t)1000000)
#define NS_PER_S  ((uint64_t)1000000000)

/** A callback at a time; runs as an interrupt handler does. Zeroed memory is an idle timer. */
struct timer {
    uint64_t deadline;
    void (*fn)(void *arg);
    void *arg;
    struct timer *next;
    bool queued;
};

/** Arm `t` for absolute time `deadline`; an armed timer is moved. */
void timer_set(struct timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg);
void timer_cancel(struct timer *t);
/** Run what is due and program the next deadline. Called by the architecture's timer interrupt. */
void timer_interrupt(void);

#endif
