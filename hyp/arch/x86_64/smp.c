/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smp.c: the start of the other processors, and the interrupt by which pCPUs call each other.
 *
 * One processor is started at a time: INIT, and a start-up message that names a page below 1 MiB
 * with a copy of boot.S's trampoline. It takes its stack out of ap_stack, one word that is meant
 * for it alone, and which the boot CPU takes back when the time is up: so a processor that comes
 * later finds nothing and stops. Then both compare their TSCs: clocks of guests have one base for
 * all processors, so one whose counter stands behind is left out.
 */
#include "arch/cpu.h"
#include "arch/insn.h"
#include "arch/trap.h"
#include "boot_arch.h"
#include "clock.h"
#include "cpu.h"
#include "epoch.h"
#include "machine.h"
#include "platform.h"
#include "printk.h"
#include "sched.h"
#include "string.h"
#include "vcpu.h"

#define INIT_NS     10000000u   /* what an old processor may take to come out of INIT */
#define AGAIN_NS    200000u     /* then the start-up message is sent again */
#define PATIENCE_NS 5000000000u /* a virtual machine's processor is a thread that has to be run */
#define ROUNDS      8u

/* For boot.S. The stack's top byte, which is all ones, has the APIC number in its place. */
uint64_t ap_stack, ap_root;
void ap_start(struct cpu *c);

/* Between the boot CPU and the one that starts: how far they are, and the last TSC value. */
static struct {
    uint32_t online, turn;
    uint64_t tsc, behind;
} ap;

static uint32_t running; /* the boot is over: idle processors may look for guests */

/* ---- the kick ---- */

static void kick_handler(void *arg) {
    (void)arg;
    epoch_serve();
    timer_slice(this_cpu()); /* its queue may have changed */
}

/* ---- TSCs ---- */

/* Two processors read their TSCs in turns, `parity` says whose turn comes first; none may read less
 * than was read before. */
static void tsc_compare(uint32_t parity) {
    for (uint32_t i = parity; i < 2 * ROUNDS; i += 2) {
        uint64_t now;

        while (load_acquire(&ap.turn) != i) cpu_relax();
        now = rdtsc_ordered();
        if (ap.tsc > now && ap.tsc - now > ap.behind) ap.behind = ap.tsc - now;
        ap.tsc = now;
        store_release(&ap.turn, i + 1);
    }
}

/* ---- on the processor that starts ---- */

void ap_start(struct cpu *c) {
    cpu_control_init();
    idt_load();
    desc_load(c);
    cpu_syscall_init(c);
    apic_init(c);
    store_release(&ap.online, 1);
    tsc_compare(1);
    while (!load_acquire(&running)) epoch_idle(c);
    arch_run(c);
}

/* ---- on the boot CPU ---- */

/* Is it up, at the latest when so much time is over? */
static bool online_within(uint64_t ns) {
    uint64_t until = clock_now_ns() + ns;

    while (!load_acquire(&ap.online) && clock_now_ns() < until) cpu_relax();
    return load_acquire(&ap.online);
}

/* Sends for it, and waits. */
static bool bring_up(uint32_t apic_id, paddr_t page) {
    apic_send_init(apic_id);
    (void)online_within(INIT_NS);
    apic_send_start(apic_id, page);
    if (!online_within(AGAIN_NS)) apic_send_start(apic_id, page);
    if (online_within(PATIENCE_NS)) return true;
    /* Once it has taken its stack it is on its way. */
    return __atomic_exchange_n(&ap_stack, 0, __ATOMIC_ACQ_REL) == 0 &&
           online_within(UINT64_MAX / 2);
}

/* Starts a processor as `c`, whose stacks and tables are there. False: it is left out, and waits
 * for a start-up message that does not come. */
static bool start(struct cpu *c, uint32_t apic_id, paddr_t page) {
    memset(&ap, 0, sizeof(ap));
    store_release(&ap_stack,
                  ((uint64_t)(uintptr_t)c & ~((uint64_t)0xff << 56)) | (uint64_t)apic_id << 56);
    if (bring_up(apic_id, page)) {
        tsc_compare(0);
        /* The last turn is the other one's. */
        while (load_acquire(&ap.turn) != 2 * ROUNDS) cpu_relax();
        if (ap.behind == 0) return true;
        printk("cpu with APIC number %u: TSC behind another's by %lu ticks: left out", apic_id,
               ap.behind);
    } else {
        printk("cpu with APIC number %u did not come up: left out", apic_id);
    }
    apic_send_init(apic_id);
    return false;
}

void smp_start(const struct boot_info *boot) {
    uint64_t most = boot_number(boot, "cpus", CPU_MAX); /* how many may run */
    uint32_t left_out = 0;
    paddr_t page = bootmem_low_page;
    struct cpu *c = NULL;

    irq_vector_set(VECTOR_KICK, kick_handler, NULL);
    ap_root = hyp_root;
    if (platform.cpu_count > 1 && page == 0) printk("no page below 640 KiB: one cpu runs");
    if (page == 0) return;
    memcpy(phys_to_virt(page), ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    for (uint32_t i = 0; i < platform.cpu_count && cpu_count < most && cpu_count < CPU_MAX; i++) {
        if (platform.apic_ids[i] == cpus[0]->apic_id) continue;
        if (c == NULL) c = cpu_area_create(cpu_count);
        if (start(c, platform.apic_ids[i], page)) {
            cpus[cpu_count++] = c;
            c = NULL;
        } else {
            left_out++;
        }
    }
    printk("cpus: %u run, %u left out", cpu_count, left_out);
}

void smp_run(void) {
    store_release(&running, 1);
    for (uint32_t i = 1; i < cpu_count; i++) cpu_kick(cpus[i]);
}
