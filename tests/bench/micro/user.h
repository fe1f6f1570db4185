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
/* A third program touches a page that its kernel maps at the fault; the next page has a leaf
 * always, so that there is a table. */
#define BENCH_MAP_OFFSET 0x200
#define BENCH_MAP_PAGE   0x20000
/* Not mapped in user mode. */
#define BENCH_HOLE 0x10000
/* Bytes of "movb (%rdi), %cl". */
#define BENCH_FAULT_BYTES 2

#ifndef __ASSEMBLER__
#include <stdint.h>

extern char bench_user_page[];

/* The entry point of the kernel that maps, and what it maps with: number of the call, domain, space
 * and where the run is. The fault's address goes into the run. */
extern char bench_entry_map[];
extern uint64_t bench_map_args[4];
extern struct hv_map_run bench_map_run;

/* Runs the program at `rip` in the loaded space until it exits; returns what it measured, or a
 * negative error of return_to_user. Upcalls are masked, before and after. */
int64_t bench_user_run(uint64_t rip, uint64_t user_stack);
#endif
#endif
