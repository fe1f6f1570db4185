/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtual CPUs: numbers, starting and stopping, locks.
 *
 * Owns nothing. What a vCPU needs to start lies at the top of the stack that it is given.
 */
#include "hvlib/vcpu.h"
#include "hvlib/arch/hypercall.h"
#include "hvlib/event.h"
#include "hvlib/memory.h"
#include "hvlib/start.h"
#include "hvlib/trap.h"
#include "trap_internal.h"
#include <hv_domain.h>

#define SPINS 100u

struct start {
    hv_vcpu_fn fn;
    void *arg;
    uint64_t kernel_stack;
    uint64_t rsvd; /* the stack below it is aligned */
};

static uint64_t shared_page(uint64_t vcpu)
{
    return (uint64_t)(uintptr_t)hv_va((HV_GFN_SHARED + vcpu) << HV_PAGE_SHIFT);
}

/* vCPU 0's page lies where the start page says, which need not be with the others. */
uint32_t hv_vcpu_number(void)
{
    uint64_t n = ((uint64_t)(uintptr_t)hv_this_page() - shared_page(0)) >> HV_PAGE_SHIFT;

    return n < HV_MAX_VCPUS ? (uint32_t)n : 0;
}

uint32_t hv_vcpu_limit(void)
{
    const struct hv_start_memory *m = hv_start_range(HV_RANGE_SHARED, 0);

    return m ? (uint32_t)m->count : 1;
}

_Noreturn void hv_vcpu_main(const void *from)
{
    const struct start *s = from;

    if (hv_set_entries((uint64_t)(uintptr_t)hv_this_page(), s->kernel_stack) < 0)
        hv_shutdown(HV_REASON_FAULT);
    s->fn(s->arg);
    hv_mask();
    for (;;)
        hv_vcpu_down(HV_SELF, hv_vcpu_number());
}

int64_t hv_vcpu_start(uint32_t vcpu, hv_vcpu_fn fn, void *arg, void *stack, uint64_t bytes)
{
    struct start *s = (struct start *)(void *)((char *)stack + bytes) - 1;
    int64_t result = hv_vcpu_create(HV_SELF, vcpu);

    if (result == 0 || result == -HV_EBUSY)
        result = hv_map_range(HV_SELF, 0, shared_page(vcpu), HV_GFN_SHARED + vcpu, 1,
                              HV_MAP_READ | HV_MAP_WRITE);
    if (result < 0)
        return result;
    HV_BUFFER(32)
    struct hv_vcpu_context context = {
        .rip = (uint64_t)(uintptr_t)hv_vcpu_entry,
        .rsp = (uint64_t)(uintptr_t)s,
        .rdi = shared_page(vcpu),
        .rsi = (uint64_t)(uintptr_t)s,
    };

    result = hv_vcpu_set_context(HV_SELF, vcpu, hv_gpa(&context));
    if (result < 0)
        return result;
    *s = (struct start){ .fn = fn,
                         .arg = arg,
                         .kernel_stack = (uint64_t)(uintptr_t)stack + bytes / 2 };
    return hv_vcpu_up(HV_SELF, vcpu);
}

int64_t hv_vcpu_stop(uint32_t vcpu)
{
    int64_t runs;

    while ((runs = hv_vcpu_down(HV_SELF, vcpu)) > 0)
        hv_yield();
    return runs;
}

bool hv_lock(struct hv_spinlock *lock)
{
    bool was = hv_mask();

    for (uint32_t n = 1; __atomic_exchange_n(&lock->taken, 1, __ATOMIC_ACQUIRE) != 0; n++) {
        if (n % SPINS == 0)
            hv_yield();
        else
            hv_relax();
    }
    return was;
}

void hv_unlock(struct hv_spinlock *lock, bool was_masked)
{
    __atomic_store_n(&lock->taken, 0, __ATOMIC_RELEASE);
    hv_restore(was_masked);
}
