/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decode of the port instructions of 64-bit code, and the arithmetic of their string forms.
 *
 * Used when a guest kernel's IN, OUT, INS or OUTS faulted on a routed port. Nothing here touches a
 * guest: bytes and register values come in by value, a description goes out. The registers are a
 * guest's, so every function is total: no input makes one loop, overflow or read past its buffer.
 */
#pragma once

#include "arch/regs.h"
#include "types.h"

/** The architecture's limit on an instruction: one byte more is #GP whatever the bytes are. */
#define PORT_INSN_MAX 15

enum port_segment {
    PORT_SEG_FLAT, /**< base 0: no override, or one that 64-bit mode ignores */
    PORT_SEG_FS,
    PORT_SEG_GS,
};

/** One decoded instruction. */
struct port_insn {
    bool in;                   /**< IN or INS; else OUT or OUTS */
    bool string;               /**< INS or OUTS: the operand is memory */
    bool rep;                  /**< repeats RCX times; only ever set with `string` */
    bool port_dx;              /**< the port is DX; else `port_imm` */
    uint8_t port_imm;          /**< the immediate port number, 0 when `port_dx` */
    uint8_t size;              /**< bytes an element: 1, 2 or 4 */
    uint8_t address_size;      /**< bytes of RSI, RDI and RCX in use: 4 or 8 */
    uint8_t length;            /**< bytes of the whole instruction, 1 to PORT_INSN_MAX */
    enum port_segment segment; /**< base that OUTS adds to RSI; FLAT for every other form */
};

/** A stretch of a string operand that one request can carry. */
struct port_run {
    uint64_t lowest; /**< linear address of its lowest byte, whatever the direction */
    uint32_t count;  /**< elements; 0 means that the instruction has nothing left to do */
    uint32_t bytes;  /**< count * element size */
};

/**
 * Decode the instruction at `bytes`, of which `n` could be fetched. Returns false, and leaves `out`
 * alone, unless it is a complete, legal port instruction.
 */
bool port_decode(const uint8_t *bytes, size_t n, struct port_insn *out);

/** The port that `insn` names, given the guest's RDX. */
uint16_t port_number(const struct port_insn *insn, uint64_t rdx);

/**
 * The longest run that starts with the next element of a string form and stays in that element's
 * page. `base` is the base of `insn->segment`, `df` the direction flag. An element that straddles
 * two pages is a run of its own, the only kind of run that leaves its page.
 */
struct port_run port_run_next(const struct port_insn *insn, const struct regs *regs, uint64_t base,
                              bool df);

/**
 * Account for `done` elements of a string form: advance RSI or RDI by the direction and, with REP,
 * count RCX down. `done` is at most what port_run_next() gave. Returns true when the instruction
 * has ended, so that RIP moves past it.
 */
bool port_regs_advance(const struct port_insn *insn, struct regs *regs, bool df, uint32_t done);

/**
 * Copy `count` elements of `size` bytes, the last one first. With DF set a run's first element is
 * the highest in memory, while a device model sees elements in the order of their transfer.
 */
void port_elements_reverse(uint8_t *to, const uint8_t *from, uint32_t count, unsigned size);
