/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values that a missing, truncated or wrapping check lets through; initialisers of uint64_t arrays.
 */
#ifndef NASTY_H
#define NASTY_H

/** No canonical address. */
#define NASTY_NONCANONICAL                                                                         \
    0x0000800000000000, 0x0000800000001000, 0x0000ffffffffffff, 0x0001000000000000,                \
        0x00ffffffffffffff, 0x1234567812345678, 0x7fffffffffffffff, 0x8000000000000000,            \
        0xfffeffffffffffff, 0xffff7fffffffffff

/** Canonical, in the hypervisor's range: its first and last byte, image, MMIO, stacks, all memory.
 */
#define NASTY_HYP                                                                                  \
    0xffff800000000000, 0xffff820000000000, 0xffff820000100000, 0xffff830000000000,                \
        0xffff838000000000, 0xffff83ffffffffff, 0xffff840000000000, 0xffff840000100000,            \
        0xfffff00000000000, 0xfffffbffffffffff

/** Numbers around the limits of every integer width, none of them 0 or small. */
#define NASTY_LARGE                                                                                \
    0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000,  \
        0x100000001, 0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001,                   \
        0xfffffffffffffffe, 0xffffffffffffffff

#endif
