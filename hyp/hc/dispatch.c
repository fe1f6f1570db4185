/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of hypercalls, made from the one list of numbers, and the debug build's account of why
 * a call failed.
 *
 * entry.S compares the number with HV_NR_LIMIT, masks it against speculation behind that
 * comparison, and calls through the vCPU's table, which is this one unless it is traced, with the
 * ABI's registers moved to the C ones. Every number below the limit has an entry: the designated
 * initialisers leave no hole while the list is dense, and hc_check_dense stops the build when it is
 * not. The last entry is for all other numbers.
 */
#include "clock.h"
#include "hc.h"
#include "printk.h"

/* Ten lines a second, fifty at once. */
#define FAIL_PERIOD_NS 100000000u
#define FAIL_BURST     50u

static int64_t hc_unknown(void) { return -HV_ENOSYS; }

hc_entry_t *const hc_table[HV_NR_LIMIT + 1] = {
#define HV_CALL(nr, name, ...) [nr] = (hc_entry_t *)hc_##name,
#include "hypercalls.def"
    [HV_NR_LIMIT] = (hc_entry_t *)hc_unknown,
};

/* As many calls in the list as numbers below the limit. */
enum hc_check_dense {
    HC_COUNT = 0
#define HV_CALL(nr, name, ...) +1
#include "hypercalls.def"
};
STATIC_ASSERT((int)HC_COUNT == (int)HV_NR_LIMIT);

int64_t hc_fail_report(int64_t error, const char *file, int line, const char *why) {
    static struct bucket bucket;

    if (bucket_take(&bucket, clock_now_ns(), 1, FAIL_PERIOD_NS, FAIL_BURST) > 0)
        printk("domain %lu: hypercall refused, error %ld: %s (%s:%d)", hc_caller()->id, -error, why,
               file, line);
    return error;
}
