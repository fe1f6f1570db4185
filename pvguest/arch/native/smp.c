/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other CPUs: how they are started, one at a time, and interrupted. Owns the words through
 * which a CPU that comes up is told where to go on (boot.S), and which CPU of the firmware's list
 * is the next to be tried.
 *
 * native_ap_wanted names the local APIC of the CPU that may come; the CPU that finds its own number
 * there takes it out and thereby says that it has come. One that comes when nobody waits for it any
 * more finds another number, and halts for good.
 */
#include "arch/cpu.h"
#include "clock.h"
#include "cpu.h"
#include "insn.h"
#include "kstring.h"
#include "layout.h"
#include "native.h"

#define NOBODY   0xffffffffu
#define INIT_NS  (10 * NS_PER_MS)
#define SIPI_NS  (NS_PER_MS / 5)
#define COMES_NS (5 * NS_PER_S)

uint32_t native_ap_wanted = NOBODY;
uint64_t native_ap_cr3, native_ap_stack;

static struct {
    unsigned number;
    void (*fn)(void *arg);
    void *arg;
} next;
static unsigned tried;
static uint8_t ids[NATIVE_MAX_CPUS]; /* of the CPUs that run, by their number */

void native_ap_copy(void)
{
    memcpy((void *)(NATIVE_DIRECT + NATIVE_AP_START), native_ap_code,
           (size_t)(native_ap_code_end - native_ap_code));
}

unsigned arch_cpus(void)
{
    const uint8_t *list;
    unsigned there = native_cpu_ids(&list);

    return there ? there : 1;
}

/* Each CPU's task register holds another selector: no memory is asked, and nothing of the user's.
 */
unsigned arch_cpu(void)
{
    uint64_t selector;

    __asm__ volatile("str %0" : "=r"(selector));
    return ((unsigned)selector - SEL_TSS) / 16;
}

static void pass(uint64_t ns)
{
    uint64_t end = clock_ns() + ns;

    while (clock_ns() < end) {
        __asm__ volatile("pause");
    }
}

static bool came(uint64_t ns)
{
    uint64_t end = clock_ns() + ns;

    while (__atomic_load_n(&native_ap_wanted, __ATOMIC_ACQUIRE) != NOBODY) {
        if (clock_ns() > end) {
            return false;
        }
        __asm__ volatile("pause");
    }
    return true;
}

/* INIT, and then where to start: the number of a page below 1 MiB. Some CPUs miss the first. */
static bool wake(uint8_t id)
{
    uint32_t wanted = id;

    native_apic_init(id);
    pass(INIT_NS);
    native_apic_start(id, NATIVE_AP_START >> 12);
    if (came(SIPI_NS)) {
        return true;
    }
    native_apic_start(id, NATIVE_AP_START >> 12);
    return came(COMES_NS) || !__atomic_compare_exchange_n(&native_ap_wanted, &wanted, NOBODY, false,
                                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Once it has come it needs nobody's help to take its stack. */
static bool start(uint8_t id, uint64_t stack_top)
{
    native_ap_cr3 = native_kernel_cr3();
    native_ap_stack = stack_top;
    __atomic_store_n(&native_ap_wanted, id, __ATOMIC_RELEASE);
    if (!wake(id)) {
        return false;
    }
    while (__atomic_load_n(&native_ap_stack, __ATOMIC_ACQUIRE) != 0) {
        __asm__ volatile("pause");
    }
    return true;
}

bool arch_cpu_start(unsigned n, void *stack, size_t bytes, void (*fn)(void *), void *arg)
{
    const uint8_t *list;
    unsigned there = native_cpu_ids(&list);

    ids[0] = native_apic_id();
    while (tried < there && list[tried] == ids[0]) {
        tried++;
    }
    if (tried == there || !native_cpu_prepare(n)) {
        return false;
    }
    next.number = n;
    next.fn = fn;
    next.arg = arg;
    ids[n] = list[tried];
    return start(list[tried++], (uint64_t)stack + bytes);
}

/* From boot.S, on the stack that arch_cpu_start was given. */
void native_ap_main(void)
{
    void (*fn)(void *) = next.fn;
    void *arg = next.arg;

    native_cpu_load(next.number);
    native_apic_enable();
    __atomic_store_n(&native_ap_stack, 0, __ATOMIC_RELEASE);
    fn(arg);
}

void arch_cpu_kick(unsigned n)
{
    native_apic_send(ids[n], VECTOR_KICK);
}

void arch_cpu_wait_for(unsigned n)
{
    (void)n;
    __asm__ volatile("pause");
}

/* Who holds the lock has its CPU for itself, and so does who waits. */
void arch_cpu_sleep(void)
{
    __asm__ volatile("pause");
}

void arch_cpu_wake(unsigned n)
{
    (void)n;
}
