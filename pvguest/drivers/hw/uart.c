/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 16550 UART at its usual ports: a console for machines that have nothing better. It knows
 * nothing of who answers the ports. Owns the device; interrupts stay off in it. Output is polled: a
 * few lines need no more. Input comes by interrupt, which takes all that is there, so that the line
 * falls and the next byte raises it again.
 */
#include "arch/port.h"
#include "driver.h"
#include "irq.h"
#include "kernel.h"
#include "kstring.h"
#include "printk.h"

#define BASE     0x3f8u
#define UART_IRQ 4u

#define DATA         (BASE + 0u)
#define INTERRUPTS   (BASE + 1u)
#define FIFO_CONTROL (BASE + 2u)
#define LINE_CONTROL (BASE + 3u)
#define MODEM        (BASE + 4u)
#define LINE_STATUS  (BASE + 5u)
#define SCRATCH      (BASE + 7u)

#define EIGHT_BITS 0x03u
#define DIVISOR    0x80u
#define FIFO_ON    0x07u
#define DTR_RTS    0x03u
#define IRQ_PIN    0x08u /* a PC lets the interrupt through by this output only */
#define ON_INPUT   0x01u
#define INPUT      0x01u
#define EMPTY      0x20u
#define FIFO_BYTES 16u
#define PATIENCE   1000000u /* polls; a UART that never empties loses output, not the kernel */

static void wait_empty(void)
{
    for (unsigned i = 0; i < PATIENCE && !(port_in8(LINE_STATUS) & EMPTY); i++) {
    }
}

/* As much as the FIFO takes goes by one instruction. */
static void uart_write(const char *text, size_t bytes)
{
    while (bytes > 0) {
        uint32_t part = bytes < FIFO_BYTES ? (uint32_t)bytes : FIFO_BYTES;

        wait_empty();
        port_outs8(DATA, text, part);
        text += part;
        bytes -= part;
    }
}

static void sink_write(struct console_sink *s, const char *text, size_t bytes)
{
    (void)s;
    uart_write(text, bytes);
}

static bool uart_find(void)
{
    if (irq_isa_line(UART_IRQ) < 0) {
        return false;
    }
    port_out8(SCRATCH, 0x5a);
    if (port_in8(SCRATCH) != 0x5a) {
        return false;
    }
    port_out8(INTERRUPTS, 0);
    port_out8(LINE_CONTROL, DIVISOR);
    port_out8(DATA, 1);
    port_out8(INTERRUPTS, 0);
    port_out8(LINE_CONTROL, EIGHT_BITS);
    port_out8(FIFO_CONTROL, FIFO_ON);
    port_out8(MODEM, DTR_RTS | IRQ_PIN);
    return true;
}

static void uart_interrupt(void *arg)
{
    (void)arg;
    while (port_in8(LINE_STATUS) & INPUT) {
        console_input((char)port_in8(DATA));
    }
}

/* With `console=uart` all output goes there and input comes from there; else it gets one line,
 * which shows that the device works. */
static void uart_probe(void)
{
    static const char line[] = "this line went through the UART's ports\n";
    static struct console_sink sink = { .write = sink_write };
    char name[8] = "";

    if (!uart_find()) {
        return;
    }
    if (option_text("console", name, sizeof(name)) && strcmp(name, "uart") == 0) {
        console_add(&sink);
        if (irq_register((uint64_t)irq_isa_line(UART_IRQ), uart_interrupt, NULL) == 0) {
            port_out8(INTERRUPTS, ON_INPUT);
        }
    } else {
        uart_write(line, sizeof(line) - 1);
    }
}

DRIVER(DRIVER_OTHER, uart_probe);
