/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pCPU of host_cpu.h.
 */
#include "host_cpu.h"

#include "arch/cpu.h"
#include "boot.h"
#include "bug.h"
#include "clock.h"
#include "machine.h"
#include "printk.h"
#include "vcpu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t host_now, host_armed;
struct host_stack host_stack;
char host_log[16384];
jmp_buf host_shutdown;
unsigned int host_shutdown_reason;
void (*host_idle_hook)(void);
void (*host_kick_hook)(const struct cpu *c);
irq_handler_t *host_handler[HOST_VECTORS];
void *host_handler_arg[HOST_VECTORS];
bool host_masked[HOST_LINES];

struct cpu *cpus[CPU_MAX] = { &host_cpu0 };
uint32_t cpu_count = 1;
struct cpu_features cpu_features = { .physical_bits = 40 };

static irq_handler_t *timer_handler;
static int line_vector[HOST_LINES];
static uint64_t random_state;

void host_cpu_start(void)
{
    memset(&host_cpu0, 0, sizeof(host_cpu0));
    memset(host_handler, 0, sizeof(host_handler));
    memset(host_masked, 1, sizeof(host_masked));
    host_now = 1000;
    host_armed = UINT64_MAX;
    host_idle_hook = NULL;
    host_kick_hook = NULL;
    host_log[0] = 0;
    random_state = 88172645463325252u;
}

struct cpu *this_cpu(void)
{
    return &host_cpu0;
}

uint64_t clock_now_ns(void)
{
    return host_now;
}

uint64_t arch_counter(void)
{
    return host_now;
}

/* ---- timer ---- */

void arch_timer_init(irq_handler_t *handler)
{
    timer_handler = handler;
}

void arch_timer_set(uint64_t deadline_ns)
{
    host_armed = deadline_ns;
}

void host_advance(uint64_t to)
{
    while (host_armed <= to) {
        if (host_armed > host_now) {
            host_now = host_armed;
        }
        host_armed = UINT64_MAX;
        timer_handler(NULL);
    }
    if (to > host_now) {
        host_now = to;
    }
}

void arch_idle(void)
{
    if (host_armed != UINT64_MAX) {
        host_advance(host_armed);
    } else if (host_idle_hook != NULL) {
        host_idle_hook();
    } else {
        panic("idle for ever");
    }
}

void cpu_kick(const struct cpu *c)
{
    if (host_kick_hook == NULL) {
        panic("pCPU %u is not there to be kicked", c->id);
    }
    host_kick_hook(c);
}

void arch_unload(struct cpu *c)
{
    c->vcpu = NULL;
}

void arch_poll(void)
{
    /* Time passes only in arch_idle. */
}

/* ---- interrupts ---- */

int irq_vector_alloc(irq_handler_t *handler, void *arg)
{
    for (int i = 0; i < HOST_VECTORS; i++) {
        if (host_handler[i] == NULL) {
            host_handler[i] = handler;
            host_handler_arg[i] = arg;
            return i;
        }
    }
    return -1;
}

void irq_vector_free(int vector)
{
    if (host_handler[vector] == NULL) {
        panic("vector %d is free already", vector);
    }
    host_handler[vector] = NULL;
}

struct hv_msi irq_msi_message(int vector, uint32_t cpu)
{
    return (struct hv_msi){ .address = 0xfee00000 | cpu << 12, .data = (uint32_t)vector };
}

uint32_t irq_line_count(void)
{
    return HOST_LINES;
}

uint32_t irq_line_of_isa(uint8_t isa_irq)
{
    return isa_irq;
}

bool irq_line_route(uint32_t line, int vector, uint32_t cpu)
{
    (void)cpu;
    line_vector[line] = vector;
    host_masked[line] = true;
    return true;
}

void irq_line_mask(uint32_t line)
{
    host_masked[line] = true;
}

void irq_line_unmask(uint32_t line)
{
    host_masked[line] = false;
}

bool host_interrupt(uint32_t line)
{
    int vector = line_vector[line];

    if (host_masked[line]) {
        return false;
    }
    host_handler[vector](host_handler_arg[vector]);
    return true;
}

/* ---- printing and ending ---- */

_Noreturn void panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

static void append(const char *text, size_t length)
{
    size_t used = strlen(host_log);

    if (length > sizeof(host_log) - 1 - used) {
        length = sizeof(host_log) - 1 - used;
    }
    memcpy(host_log + used, text, length);
    host_log[used + length] = 0;
}

void printk(const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    append("hyp: ", 5);
    append(line, strlen(line));
    append("\n", 1);
}

void console_write(const char *text, size_t length)
{
    append(text, length);
}

_Noreturn void machine_shutdown(unsigned int reason)
{
    host_shutdown_reason = reason;
    longjmp(host_shutdown, 1);
}

/* ---- random numbers ---- */

uint64_t host_random(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % below;
}
