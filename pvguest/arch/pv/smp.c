/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUs under the hypervisor: CPU n is virtual CPU n. Owns the port by which each is interrupted,
 * and the one on which it waits for the kernel lock, which has no handler.
 */
#include "arch/cpu.h"

#include "cpu.h"
#include "printk.h"
#include "pv.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/event.h>
#include <hvlib/memory.h>
#include <hvlib/start.h>
#include <hvlib/vcpu.h>

static uint64_t kick_port[MAX_CPUS];
static uint32_t wake_port[MAX_CPUS];

unsigned arch_cpus(void)
{
    return hv_vcpu_limit();
}

unsigned arch_cpu(void)
{
    return hv_vcpu_number();
}

/* The first one's lies where the start page says. */
const struct hv_vcpu_page *pv_page(unsigned n)
{
    const struct hv_start_page *first = (const void *)hv_start_find(HV_START_VCPU, NULL);

    return n == 0 ? (const void *)(uintptr_t)first->address
                  : hv_va((HV_GFN_SHARED + n) << HV_PAGE_SHIFT);
}

static void on_kick(void *arg)
{
    (void)arg;
    cpu_kicked();
}

static void kick_event(uint32_t port, void *arg)
{
    (void)port;
    pv_serve(on_kick, arg);
}

static bool can_be_kicked(unsigned n)
{
    int64_t kick = hv_event_listen(HV_BIND_IPI, n, 0, kick_event, NULL);
    int64_t wake = hv_event_listen(HV_BIND_IPI, n, 0, NULL, NULL);

    kick_port[n] = kick > 0 ? (uint64_t)kick : 0;
    wake_port[n] = wake > 0 ? (uint32_t)wake : 0;
    return kick > 0 && wake > 0;
}

/* A virtual CPU exists before its ports do; that of its timer is its own. */
bool arch_cpu_start(unsigned n, void *stack, size_t bytes, void (*fn)(void *), void *arg)
{
    if (kick_port[0] == 0 && !can_be_kicked(0)) {
        return false;
    }
    return hv_vcpu_create(HV_SELF, n) == 0 && can_be_kicked(n) && pv_timer_listen(n) &&
           hv_vcpu_start(n, fn, arg, stack, bytes) == 0;
}

void arch_cpu_kick(unsigned n)
{
    (void)hv_event_send(kick_port[n]);
}

/* The other may not be running, perhaps because this one is. */
void arch_cpu_wait_for(unsigned n)
{
    (void)n;
    (void)hv_yield();
}

void arch_cpu_sleep(void)
{
    (void)hv_event_await(&wake_port[arch_cpu()], 1, HV_POLL_FOREVER);
}

void arch_cpu_wake(unsigned n)
{
    (void)hv_event_send(wake_port[n]);
}
