/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O ports. The instructions are the same for a kernel on the bare machine, for the driver domain
 * that holds the ports, and for a guest whose ports are routed to a device model: only who answers
 * differs.
 */
#ifndef PVGUEST_ARCH_PORT_H
#define PVGUEST_ARCH_PORT_H

#include <stdint.h>

static inline uint8_t port_in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint16_t port_in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t port_in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void port_out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void port_out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void port_out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/** `count` 16-bit words from the port to `buffer`, or from `buffer` to the port. */
static inline void port_ins16(uint16_t port, void *buffer, uint32_t count)
{
    uint64_t n = count;
    __asm__ volatile("rep insw" : "+D"(buffer), "+c"(n) : "d"(port) : "memory");
}

static inline void port_outs16(uint16_t port, const void *buffer, uint32_t count)
{
    uint64_t n = count;
    __asm__ volatile("rep outsw" : "+S"(buffer), "+c"(n) : "d"(port) : "memory");
}

/** `count` bytes from `buffer` to the port. */
static inline void port_outs8(uint16_t port, const void *buffer, uint32_t count)
{
    uint64_t n = count;
    __asm__ volatile("rep outsb" : "+S"(buffer), "+c"(n) : "d"(port) : "memory");
}

#endif
