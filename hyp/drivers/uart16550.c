/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uart16550.c: COM1 at 115200 8n1; polled output, interrupt-driven input.
 *
 * Owns the UART's ports. Output waits for an empty FIFO and then fills it at once; a UART that is
 * not there, or never gets ready, costs a bounded wait and then silence, not a hang.
 */
#include "arch/insn.h"
#include "arch/irq.h"
#include "bug.h"
#include "console.h"
#include "uart.h"

enum { REG_DATA, REG_IER, REG_FCR, REG_LCR, REG_MCR, REG_LSR, REG_SCRATCH = 7 };

#define LCR_8N1     0x03
#define LCR_DLAB    0x80
#define FCR_ENABLE  0x07 /* on, both FIFOs cleared, trigger at one character */
#define MCR_RUN     0x0b /* DTR, RTS, OUT2: OUT2 gates the interrupt line */
#define LSR_READY   0x01
#define LSR_EMPTY   0x20
#define IER_RECEIVE 0x01
#define FIFO_SIZE   16
#define DIVISOR     1 /* 115200 */
#define WAIT_MAX    1000000u
#define RX_BURST    64

static bool uart_present;

static uint8_t reg_read(int reg) { return inb((uint16_t)(UART_COM1_PORT + reg)); }

static void reg_write(int reg, uint8_t value) { outb((uint16_t)(UART_COM1_PORT + reg), value); }

void uart_init(void) {
    reg_write(REG_SCRATCH, 0x5a);
    uart_present = reg_read(REG_SCRATCH) == 0x5a && reg_read(REG_LSR) != 0xff;
    if (!uart_present) return;
    reg_write(REG_IER, 0);
    reg_write(REG_LCR, LCR_DLAB | LCR_8N1);
    reg_write(REG_DATA, DIVISOR);
    reg_write(REG_IER, DIVISOR >> 8);
    reg_write(REG_LCR, LCR_8N1);
    reg_write(REG_FCR, FCR_ENABLE);
    reg_write(REG_MCR, MCR_RUN);
}

/* `room`: how many characters the UART takes before it must be asked again. */
static void put(char c, unsigned int *room) {
    for (unsigned int i = 0; *room == 0 && i < WAIT_MAX; i++)
        if (reg_read(REG_LSR) & LSR_EMPTY) *room = FIFO_SIZE;
    uart_present = *room > 0;
    if (!uart_present) return;
    reg_write(REG_DATA, (uint8_t)c);
    (*room)--;
}

void uart_write(const char *text, size_t length) {
    unsigned int room = 0;

    for (size_t i = 0; i < length && uart_present; i++) {
        if (text[i] == '\n') put('\r', &room);
        put(text[i], &room);
    }
}

/* Bounded, so that a flood of input cannot hold the CPU: what is left raises the line again. */
static void uart_interrupt(void *arg) {
    (void)arg;
    for (int i = 0; i < RX_BURST && (reg_read(REG_LSR) & LSR_READY); i++)
        console_input((char)reg_read(REG_DATA));
}

void uart_start_input(void) {
    uint32_t line = irq_line_of_isa(UART_COM1_IRQ);
    int vector;

    if (!uart_present) return;
    vector = irq_vector_alloc(uart_interrupt, NULL);
    BUG_ON(vector < 0);
    if (irq_line_route(line, vector, 0)) {
        reg_write(REG_IER, IER_RECEIVE);
        irq_line_unmask(line);
    }
}
