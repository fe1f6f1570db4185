/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clock and run-state records are seqlocks that hyp writes: odd while being written, and a
 * reader that saw two different versions reads again. hyp writes them on this vCPU's own time, so
 * the loop ends at the second try.
 */
#include "hvlib/clock.h"
#include "hvlib/arch/hypercall.h"
#include "hvlib/event.h"

uint64_t hv_clock_ns(const struct hv_clock *clock, uint64_t tsc)
{
    /* Counters of two CPUs may differ by a little: time stands still rather than wrap. */
    uint64_t delta = tsc > clock->tsc_base ? tsc - clock->tsc_base : 0;

    return clock->ns_base + (uint64_t)((unsigned __int128)delta * clock->mult >> clock->shift);
}

uint64_t hv_now(void)
{
    const struct hv_clock *shared = &hv_this_page()->clock;
    struct hv_clock clock;
    uint64_t tsc;

    do {
        clock.version = __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE);
        clock.shift = __atomic_load_n(&shared->shift, __ATOMIC_RELAXED) & 127;
        clock.mult = __atomic_load_n(&shared->mult, __ATOMIC_RELAXED);
        clock.tsc_base = __atomic_load_n(&shared->tsc_base, __ATOMIC_RELAXED);
        clock.ns_base = __atomic_load_n(&shared->ns_base, __ATOMIC_RELAXED);
        tsc = hv_tsc();
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (clock.version & 1 ||
             clock.version != __atomic_load_n(&shared->version, __ATOMIC_RELAXED));
    return hv_clock_ns(&clock, tsc);
}

void hv_run_state_of(const struct hv_vcpu_page *page, struct hv_runstate *run)
{
    const struct hv_runstate *shared = &page->run;
    uint32_t version;

    do {
        version = __atomic_load_n(&shared->version, __ATOMIC_ACQUIRE);
        *run = *shared;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (version & 1 || version != __atomic_load_n(&shared->version, __ATOMIC_RELAXED));
}

void hv_run_state(struct hv_runstate *run)
{
    hv_run_state_of(hv_this_page(), run);
}

void hv_delay(uint64_t ns)
{
    uint64_t end = hv_now() + ns;

    while (hv_now() < end)
        hv_yield();
}
