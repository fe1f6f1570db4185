/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first 16550 UART of a PC.
 */
#ifndef PVGUEST_HW_UART_H
#define PVGUEST_HW_UART_H

#include <stdbool.h>
#include <stddef.h>

#define UART_IRQ 4u

/** Find and set up the UART; false: there is none. */
bool uart_probe(void);
/** Write text and wait until the device took it. */
void uart_write(const char *text, size_t bytes);
/** Send the kernel's output there, too. */
void uart_console(void);

#endif
