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
        printk("  emulated devices: accesses %lu, bytes by string instructions %lu\n", s.accesses,
               s.bytes);
    }
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
        printk("  %s: vector %u, error %x, rip %lx, rsp %lx, cr2 %lx\n", i->report, i->vector,
               i->error, i->rip, i->rsp, i->cr2);
    print_counters(d->id);
    print_disks(d);
}

void root_print(void)
{
    HV_BUFFER(256) struct hv_domain_info i = { 0 };
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
