/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User mode for the benchmark: a page of code, and the shortest kernel that can serve it.
 */
#ifndef BENCH_USER_H
#define BENCH_USER_H

/* The page is mapped here, read-execute; the two programs are at its start and at
 * BENCH_FAULT_OFFSET. */
#define BENCH_USER_CODE    0x400000
#define BENCH_FAULT_OFFSET 0x100
/* Not mapped in user mode. */
#define BENCH_HOLE 0x10000
/* Bytes of "movb (%rdi), %cl". */
#define BENCH_FAULT_BYTES 2

#ifndef __ASSEMBLER__
#include <stdint.h>

extern char bench_user_page[];

/* Runs the program at `rip` in the loaded space until it exits; returns what it measured, or a
 * negative error of return_to_user. Upcalls are masked, before and after. */
int64_t bench_user_run(uint64_t rip, uint64_t user_stack);
#endif
#endif
