/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pCPU on the host for core's code: a clock that the test moves, a one-shot timer, interrupt
 * lines, and what was printed.
 */
#ifndef HOST_CPU_H
#define HOST_CPU_H

#include "arch/irq.h"
#include "cpu.h"

#include <setjmp.h>

/* Simulated time, ns, and what the timer is armed for. */
extern uint64_t host_now, host_armed;
/* The pCPU, and below it on its stack what entry.S has saved of a hypercall's caller. */
extern struct host_stack {
    struct call_frame frame;
    struct cpu cpu;
} host_stack;
#define host_cpu0 host_stack.cpu
/* Lines that printk and console_write got, since the test last emptied it. */
extern char host_log[16384];
/* What machine_shutdown was called with: it comes back here. */
extern jmp_buf host_shutdown;
extern unsigned int host_shutdown_reason;
/* Called when idle finds nothing armed, to bring some event; NULL: that is an error. */
extern void (*host_idle_hook)(void);
/* Called when a pCPU that a test has put into cpus[] is kicked; NULL: there is none. */
extern void (*host_kick_hook)(const struct cpu *c);

#define HOST_VECTORS 24
#define HOST_LINES   24
/* Handlers of the vectors, masks and routes of the lines. */
extern irq_handler_t *host_handler[HOST_VECTORS];
extern void *host_handler_arg[HOST_VECTORS];
extern bool host_masked[HOST_LINES];

/* Starts anew. */
void host_cpu_start(void);
/* Moves the clock, and fires the timer when it comes by. */
void host_advance(uint64_t to);
/* An interrupt on a line, if it is unmasked: true when it was taken. */
bool host_interrupt(uint32_t line);

uint64_t host_random(uint64_t below);

/* Check's own assertions talk to the parent each time: too slow for loops. */
#define must(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("%s:%d: %s", __FILE__, __LINE__, #x);                                     \
    } while (0)

#endif
