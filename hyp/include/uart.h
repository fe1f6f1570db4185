/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uart.h: the 16550 that is the machine's console.
 */
#pragma once

#include <stddef.h>

#define UART_COM1_PORT 0x3f8
#define UART_COM1_IRQ  4

void uart_init(void);
void uart_write(const char *text, size_t length);

/** Starts input: characters go to console_input() from now on. Called once. */
void uart_start_input(void);
