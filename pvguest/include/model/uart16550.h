/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Model of a 16550A UART: what a guest finds behind routed ports.
 *
 * The model holds registers and a receive FIFO of 16 bytes. Transmission takes no time: the
 * transmitter is always empty, and each byte goes to `tx` at once (all bytes of a REP OUTSB in one
 * call). The line status never waits for a clock, so received bytes below the FIFO's trigger level
 * count as timed out at once. Modem lines report a connected peer. OUT2 does not gate the
 * interrupt.
 *
 * The accesses come from a hostile guest: any sequence, size and count is served within the buffers
 * given. Not reentrant: the caller holds off others while it is in here; the callbacks may not call
 * back.
 */
#ifndef MODEL_UART16550_H
#define MODEL_UART16550_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART16550_PORTS 8u /**< ports from the base on */
#define UART16550_FIFO  16u

struct uart16550_host {
    void *ctx;
    /** The guest sent bytes. */
    void (*tx)(void *ctx, const uint8_t *data, size_t bytes);
    /** The interrupt line changed to `level`. */
    void (*irq)(void *ctx, bool level);
};

struct uart16550 {
    struct uart16550_host host;
    uint8_t ier, fcr, lcr, mcr, scr;
    uint8_t lsr;       /* error bits only; the others follow from the FIFO */
    uint8_t msr_delta; /* change bits, cleared by reading */
    uint16_t divisor;
    bool thr_pending; /* "transmitter empty" is to be reported */
    bool irq_level;
    uint8_t fifo[UART16550_FIFO];
    unsigned fifo_first;
    unsigned fifo_count;
};

/** Power on. */
void uart16550_init(struct uart16550 *u, const struct uart16550_host *host);

/** An IN of `size` (1, 2 or 4) bytes from base + `offset`. Ports outside read as ones. */
uint32_t uart16550_in(struct uart16550 *u, uint16_t offset, unsigned size);
/** An OUT; ports outside are ignored. */
void uart16550_out(struct uart16550 *u, uint16_t offset, unsigned size, uint32_t value);
/** A whole REP INS: `count` elements of `size` bytes into `buffer`. */
void uart16550_ins(struct uart16550 *u, uint16_t offset, unsigned size, void *buffer,
                   uint32_t count);
/** A whole REP OUTS. */
void uart16550_outs(struct uart16550 *u, uint16_t offset, unsigned size, const void *buffer,
                    uint32_t count);

/** Bytes arrive on the line; returns how many fit, the rest stays with the caller. */
size_t uart16550_rx_push(struct uart16550 *u, const uint8_t *data, size_t bytes);
/** How many bytes uart16550_rx_push would take now. Grows when the guest reads. */
size_t uart16550_rx_room(const struct uart16550 *u);

#endif
