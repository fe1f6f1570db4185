/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that root can say about one domain. Owns nothing.
 */
#include "back/blkback.h"
#include "mem.h"
#include "printk.h"
#include "root/domains.h"
#include "root/emul.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/memory.h>
#include <hvlib/trap.h>

#define VECTOR_PF 14u
#define PF_WRITE  2u
#define PF_EXEC   16u

static void print_counters(uint64_t dom)
{
    HV_BUFFER(128) struct hv_counters c = { 0 };
    if (hv_counters(dom, hv_gpa(&c)) < 0)
        return;
    printk("  hypercalls %lu, transitions %lu, interrupts %lu, switches %lu\n", c.hypercalls,
           c.transitions, c.interrupts, c.switches);
    printk("  system calls %lu, faults %lu, trapped ports %lu, bytes copied %lu\n", c.syscalls,
           c.faults, c.port_traps, c.bytes_copied);
    printk("  events sent %lu, upcalls %lu\n", c.events_sent, c.upcalls);
}

static void print_disks(const struct domain *d)
{
    for (unsigned n = 0; n < d->config->disk_count; n++) {
        const struct config_disk *c = &d->config->disks[n];
        if (!d->block[n])
            continue;
        struct block_back_stats s = block_back_stats(d->block[n]);
        printk("  disk %s%s: %s, requests %lu, refused %lu, batches %lu, events %lu\n", c->name,
               c->writable ? " (rw)" : "", block_back_state(d->block[n]), s.requests, s.refused,
               s.batches, s.sends);
    }
    if (d->emul) {
        struct emul_stats s = emul_stats(d->emul);
        printk("  emulated devices: accesses %lu, bytes by string instructions %lu, "
               "by bus mastering %lu\n",
               s.accesses, s.bytes, s.mastered);
    }
}

/* What a killed domain's vCPU was about to do. */
static void print_last_state(const struct hv_domain_info *i)
{
    const struct hv_registers *r = &i->regs;
    printk("  %s: %s (%u), error %x", i->report, hv_vector_name(i->vector), i->vector, i->error);
    if (i->vector == VECTOR_PF)
        printk(", %s at %lx",
               i->error & PF_EXEC    ? "execute"
               : i->error & PF_WRITE ? "write"
                                     : "read",
               i->cr2);
    printk(", space %lu\n", i->space);
    printk("  rip %016lx rsp %016lx rflags %08lx\n", i->rip, i->rsp, i->rflags);
    printk("  rax %016lx rbx %016lx rcx %016lx\n", r->rax, r->rbx, r->rcx);
    printk("  rdx %016lx rsi %016lx rdi %016lx\n", r->rdx, r->rsi, r->rdi);
    printk("  rbp %016lx r8  %016lx r9  %016lx\n", r->rbp, r->r8, r->r9);
    printk("  r10 %016lx r11 %016lx r12 %016lx\n", r->r10, r->r11, r->r12);
    printk("  r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14, r->r15);
}

void domain_print(struct domain *d)
{
    if (!domain_refresh(d))
        return;
    const struct hv_domain_info *i = &d->info;
    printk("%s: domain %lu, %s, image %s, weight %u\n", d->config->name, i->id, domain_state(d),
           d->config->image, i->weight);
    printk("  memory %lu of %lu KiB, in quarantine %lu KiB; CPU %lu ms\n", i->used * 4,
           i->quota * 4, i->quarantined * 4, i->cpu_ns / 1000000);
    if (i->state == HV_DOMAIN_KILLED)
        print_last_state(i);
    print_counters(d->id);
    print_disks(d);
}

void root_print(void)
{
    HV_BUFFER(512) struct hv_domain_info i = { 0 };
    if (hv_domain_info(HV_SELF, hv_gpa(&i)) < 0)
        return;
    printk("root: domain 0, since the start\n");
    print_counters(HV_SELF);
    printk("  memory %lu of %lu KiB, in quarantine %lu KiB, own free pages %lu; CPU %lu ms\n",
           i.used * 4, i.quota * 4, i.quarantined * 4, pages_free(), i.cpu_ns / 1000000);
    for (const struct block_device *d = block_first(); d; d = d->next)
        printk("  disk %s: %lu sectors, requests %lu, errors %lu, bytes %lu, copied %lu\n", d->name,
               d->sectors, d->stats.requests, d->stats.errors, d->stats.bytes, d->stats.copied);
}
