/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Displacements of the no-operations that the counting plugin takes for markers: begin and end of a
 * sample; the samples so far are of an empty marker; the samples so far are a row; the last sample
 * does not count; only the last one does.
 */
#ifndef BENCH_MARK_H
#define BENCH_MARK_H

#define BENCH_BEGIN 0x50560001
#define BENCH_END   0x50560002
#define BENCH_EMPTY 0x50560003
#define BENCH_ROW   0x50560004
#define BENCH_DROP  0x50560005
#define BENCH_ONLY  0x50560006

#endif
