/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows hypercall.*: the way in and out, with nothing done there.
 */
#include "bench.h"

static void bench_hypercall(void)
{
    MEASURE("hypercall.null", 1, , hv_version());
}

BENCH_FAMILY(hypercall, .run = bench_hypercall);
