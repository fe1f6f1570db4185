/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output before any driver is there, and of a panic: the first serial port, polled. Owns the port
 * until a driver takes it; knows nothing of interrupts, so that it works in any state.
 */
#include "arch/cpu.h"
#include "arch/port.h"
#include "native.h"

#define COM1         0x3f8u
#define LINE_STATUS  (COM1 + 5u)
#define EMPTY        0x20u
#define PATIENCE     1000000u /* polls; a port that is not there loses output, not the kernel */
#define EIGHT_BITS   0x03u
#define DIVISOR      0x80u
#define FIFO_ON      0x07u
#define DTR_RTS      0x03u
#define EXIT_PORT    0xf4u
#define EXIT_ORDERLY 0x10u /* + the reason: what the hypervisor tells the machine, too */

void native_console_init(void)
{
    port_out8(COM1 + 1, 0);
    port_out8(COM1 + 3, DIVISOR);
    port_out8(COM1, 1); /* 115200 baud */
    port_out8(COM1 + 1, 0);
    port_out8(COM1 + 3, EIGHT_BITS);
    port_out8(COM1 + 2, FIFO_ON);
    port_out8(COM1 + 4, DTR_RTS);
}

static void put(char c)
{
    for (unsigned i = 0; i < PATIENCE && !(port_in8(LINE_STATUS) & EMPTY); i++) {
    }
    port_out8(COM1, (uint8_t)c);
}

void arch_early_write(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        put(text[i]);
    }
}

/* QEMU's exit device takes the reason; a machine without it stands still. */
void arch_shutdown(unsigned reason)
{
    static const char still[] = "the machine can be switched off\n";

    (void)arch_irq_save();
    port_out8(EXIT_PORT, (uint8_t)(EXIT_ORDERLY + (reason & 15)));
    arch_early_write(still, sizeof(still) - 1);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
