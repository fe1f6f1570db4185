/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest image: its roles, and what they measure themselves with.
 */
#ifndef PVGUEST_GUEST_H
#define PVGUEST_GUEST_H

#include "arch/measure.h"

#include <stdbool.h>
#include <stdint.h>

/** What `role=` on the command line can name: whatever is linked in. */
struct role {
    const char *name;
    unsigned (*run)(void); /**< returns the reason of the shutdown */
};

#define ROLE(name_, run_)                                                                          \
    static const struct role role_entry_##run_                                                     \
        __attribute__((used, section("roles"), aligned(16))) = { .name = (name_), .run = (run_) }

extern const struct role __start_roles[], __stop_roles[];

/** Run the embedded user programs: true when all behaved as they should. */
bool user_programs(void);
/** Write, flush, read back and compare on the scratch disk vdb; true also when there is none. */
bool scratch_test(void);

/** What this kernel has used so far, or between two such moments. */
struct measure {
    uint64_t ns;
    struct arch_usage usage;
};

struct measure measure_now(void);
struct measure measure_since(const struct measure *start);
/** Share of the CPU in tenths of a percent. */
unsigned measure_share(const struct measure *m);
/** Print the share since the start. */
void print_share(void);
/** The smallest first: the median is then in the middle. */
void samples_sort(uint64_t *sample, unsigned count);

#endif
