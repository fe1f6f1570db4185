/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bug.h: the two ways in which hyp says that it is wrong itself.
 *
 * BUG_ON stands in every build, where going on would risk isolation; no guest can reach one.
 * ASSERT is a programmer's claim, checked in debug builds; it is never error handling.
 */
#pragma once

/** Prints the reason, registers, backtrace and trace ring, then stops the machine. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

#define BUG_ON(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!!(condition), 0))                                                    \
            panic("BUG: %s (%s:%d)", #condition, __FILE__, __LINE__);                              \
    } while (0)

#if HYP_DEBUG
#define ASSERT(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            panic("ASSERT: %s (%s:%d)", #condition, __FILE__, __LINE__);                           \
    } while (0)
#else
/* Compiled, so that it cannot rot, but never evaluated. */
#define ASSERT(condition) ((void)sizeof(!(condition)))
#endif
