/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 16550A model. Register names and bits follow the PC16550D data sheet.
 *
 * Owns the registers and the receive FIFO of one UART. Invariant: fifo_first < 16 and fifo_count <=
 * capacity, whatever the guest writes, since only push() and pop() change them; and irq_level
 * always is what the registers say, since every entry ends in update_irq().
 */
#include "model/uart16550.h"

enum { RBR_THR = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

#define IER_RX      0x01u
#define IER_THR     0x02u
#define IER_LINE    0x04u
#define IER_MODEM   0x08u
#define IIR_NONE    0x01u
#define IIR_MODEM   0x00u
#define IIR_THR     0x02u
#define IIR_RX      0x04u
#define IIR_LINE    0x06u
#define IIR_TIMEOUT 0x0cu
#define IIR_FIFO    0xc0u
#define FCR_ENABLE  0x01u
#define FCR_CLEAR   0x02u
#define FCR_KEPT    0xc9u
#define LCR_BREAK   0x40u
#define LCR_DLAB    0x80u
#define MCR_DTR     0x01u
#define MCR_RTS     0x02u
#define MCR_OUT1    0x04u
#define MCR_OUT2    0x08u
#define MCR_LOOP    0x10u
#define LSR_READY   0x01u
#define LSR_OVERRUN 0x02u
#define LSR_BREAK   0x10u
#define LSR_ERRORS  0x1eu
#define LSR_EMPTY   0x60u /* holding register and shift register */
#define MSR_CTS     0x10u
#define MSR_DSR     0x20u
#define MSR_RI      0x40u
#define MSR_DCD     0x80u
#define MSR_RI_FELL 0x04u

/* --- receive FIFO ----------------------------------------------------------------------------- */

/* Without the FIFO there is the receive buffer register alone. */
static unsigned capacity(const struct uart16550 *u)
{
    return u->fcr & FCR_ENABLE ? UART16550_FIFO : 1;
}

static void push(struct uart16550 *u, uint8_t byte)
{
    if (u->fifo_count >= capacity(u)) {
        u->lsr |= LSR_OVERRUN;
        return;
    }
    u->fifo[(u->fifo_first + u->fifo_count) % UART16550_FIFO] = byte;
    u->fifo_count++;
}

static uint8_t pop(struct uart16550 *u)
{
    uint8_t byte = u->fifo[u->fifo_first];

    if (u->fifo_count == 0)
        return 0;
    u->fifo_first = (u->fifo_first + 1) % UART16550_FIFO;
    u->fifo_count--;
    return byte;
}

static unsigned trigger_level(const struct uart16550 *u)
{
    static const uint8_t levels[4] = { 1, 4, 8, 14 };

    return u->fcr & FCR_ENABLE ? levels[u->fcr >> 6] : 1;
}

/* --- interrupts ------------------------------------------------------------------------------- */

/* The source of highest priority, as the interrupt identification register shows it. */
static uint8_t irq_source(const struct uart16550 *u)
{
    if ((u->ier & IER_LINE) && (u->lsr & LSR_ERRORS))
        return IIR_LINE;
    if ((u->ier & IER_RX) && u->fifo_count > 0)
        return u->fifo_count >= trigger_level(u) ? IIR_RX : IIR_TIMEOUT;
    if ((u->ier & IER_THR) && u->thr_pending)
        return IIR_THR;
    if ((u->ier & IER_MODEM) && u->msr_delta)
        return IIR_MODEM;
    return IIR_NONE;
}

static void update_irq(struct uart16550 *u)
{
    bool level = irq_source(u) != IIR_NONE;

    if (level == u->irq_level)
        return;
    u->irq_level = level;
    u->host.irq(u->host.ctx, level);
}

/* --- modem lines ------------------------------------------------------------------------------ */

/* In loopback the four outputs are the four inputs; else a peer is there and no bell rings. */
static uint8_t modem_lines(uint8_t mcr)
{
    if (!(mcr & MCR_LOOP))
        return MSR_CTS | MSR_DSR | MSR_DCD;
    return (uint8_t)((mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
                     (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void write_mcr(struct uart16550 *u, uint8_t value)
{
    uint8_t before = modem_lines(u->mcr);
    uint8_t after = modem_lines(value & 0x1f);
    uint8_t changed = (uint8_t)((before ^ after) >> 4);

    /* The ring indicator reports its trailing edge only. */
    if (!((before & ~after) & MSR_RI))
        changed &= (uint8_t)~MSR_RI_FELL;
    u->msr_delta |= changed;
    u->mcr = value & 0x1f;
}

static uint8_t read_msr(struct uart16550 *u)
{
    uint8_t value = modem_lines(u->mcr) | u->msr_delta;

    u->msr_delta = 0;
    return value;
}

/* --- registers -------------------------------------------------------------------------------- */

static void transmit(struct uart16550 *u, const uint8_t *data, size_t bytes)
{
    if (u->mcr & MCR_LOOP) {
        for (size_t i = 0; i < bytes; i++)
            push(u, data[i]);
    } else {
        u->host.tx(u->host.ctx, data, bytes);
    }
    u->thr_pending = true;
}

/* Turning the FIFOs on or off clears them, as the data sheet has it. */
static void write_fcr(struct uart16550 *u, uint8_t value)
{
    if (((value ^ u->fcr) & FCR_ENABLE) || (value & FCR_CLEAR))
        u->fifo_count = 0;
    u->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
}

static void write_ier(struct uart16550 *u, uint8_t value)
{
    /* The transmitter is empty: enabling its interrupt raises it. */
    if ((value & IER_THR) && !(u->ier & IER_THR))
        u->thr_pending = true;
    u->ier = value & 0x0f;
}

static void write_lcr(struct uart16550 *u, uint8_t value)
{
    /* A break that is sent while looped back is received: a zero byte and the break bit. */
    if ((value & LCR_BREAK) && !(u->lcr & LCR_BREAK) && (u->mcr & MCR_LOOP)) {
        push(u, 0);
        u->lsr |= LSR_BREAK;
    }
    u->lcr = value;
}

static uint8_t read_iir(struct uart16550 *u)
{
    uint8_t source = irq_source(u);

    /* Being read as the source is what ends "transmitter empty". */
    if (source == IIR_THR)
        u->thr_pending = false;
    return (uint8_t)(source | (u->fcr & FCR_ENABLE ? IIR_FIFO : 0));
}

static uint8_t read_lsr(struct uart16550 *u)
{
    uint8_t value = (uint8_t)(u->lsr | LSR_EMPTY | (u->fifo_count > 0 ? LSR_READY : 0));

    u->lsr = 0;
    return value;
}

static uint8_t read_register(struct uart16550 *u, unsigned reg)
{
    bool dlab = u->lcr & LCR_DLAB;

    switch (reg) {
    case RBR_THR:
        return dlab ? (uint8_t)u->divisor : pop(u);
    case IER:
        return dlab ? (uint8_t)(u->divisor >> 8) : u->ier;
    case IIR_FCR:
        return read_iir(u);
    case LCR:
        return u->lcr;
    case MCR:
        return u->mcr;
    case LSR:
        return read_lsr(u);
    case MSR:
        return read_msr(u);
    case SCR:
        return u->scr;
    default:
        return 0xff;
    }
}

static void write_divisor(struct uart16550 *u, unsigned reg, uint8_t value)
{
    if (reg == RBR_THR)
        u->divisor = (uint16_t)((u->divisor & 0xff00) | value);
    else
        u->divisor = (uint16_t)((u->divisor & 0x00ff) | value << 8);
}

static void write_register(struct uart16550 *u, unsigned reg, uint8_t value)
{
    if (reg <= IER && (u->lcr & LCR_DLAB)) {
        write_divisor(u, reg, value);
        return;
    }
    switch (reg) {
    case RBR_THR:
        transmit(u, &value, 1);
        break;
    case IER:
        write_ier(u, value);
        break;
    case IIR_FCR:
        write_fcr(u, value);
        break;
    case LCR:
        write_lcr(u, value);
        break;
    case MCR:
        write_mcr(u, value);
        break;
    case SCR:
        u->scr = value;
        break;
    default: /* line and modem status are read-only */
        break;
    }
}

/* --- accesses --------------------------------------------------------------------------------- */

/* The bus splits a wide access into bytes at ascending ports. */
static uint32_t read_bytes(struct uart16550 *u, uint16_t offset, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size && i < 4; i++)
        value |= (uint32_t)read_register(u, offset + i) << (8 * i);
    return value;
}

static void write_bytes(struct uart16550 *u, uint16_t offset, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size && i < 4; i++)
        write_register(u, offset + i, (uint8_t)(value >> (8 * i)));
}

uint32_t uart16550_in(struct uart16550 *u, uint16_t offset, unsigned size)
{
    uint32_t value = read_bytes(u, offset, size);

    update_irq(u);
    return value;
}

void uart16550_out(struct uart16550 *u, uint16_t offset, unsigned size, uint32_t value)
{
    write_bytes(u, offset, size, value);
    update_irq(u);
}

void uart16550_ins(struct uart16550 *u, uint16_t offset, unsigned size, void *buffer,
                   uint32_t count)
{
    uint8_t *to = buffer;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = read_bytes(u, offset, size);
        for (unsigned k = 0; k < size; k++)
            *to++ = (uint8_t)(value >> (8 * k));
    }
    update_irq(u);
}

void uart16550_outs(struct uart16550 *u, uint16_t offset, unsigned size, const void *buffer,
                    uint32_t count)
{
    const uint8_t *from = buffer;

    if (offset == RBR_THR && size == 1 && count > 0 && !(u->lcr & LCR_DLAB)) {
        transmit(u, from, count);
    } else {
        for (size_t i = 0; i < (size_t)count * size; i++)
            write_register(u, offset + (unsigned)(i % size), from[i]);
    }
    update_irq(u);
}

size_t uart16550_rx_room(const struct uart16550 *u)
{
    /* Looped back, the receiver is cut off from the line. */
    if (u->mcr & MCR_LOOP)
        return 0;
    return capacity(u) - u->fifo_count;
}

size_t uart16550_rx_push(struct uart16550 *u, const uint8_t *data, size_t bytes)
{
    size_t room = uart16550_rx_room(u);
    size_t taken = bytes < room ? bytes : room;

    for (size_t i = 0; i < taken; i++)
        push(u, data[i]);
    update_irq(u);
    return taken;
}

void uart16550_init(struct uart16550 *u, const struct uart16550_host *host)
{
    *u = (struct uart16550){ .host = *host, .divisor = 12 };
}
