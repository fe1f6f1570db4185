/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver domain's main program: finds the disks, builds and starts the domains of the
 * configuration, then serves the prompt until quit; or, with `poweroff=NAME` on its command line,
 * waits until that domain has ended (`poweroff=all`: until all have), asks the others to end, and
 * ends the machine. Its result is the machine's exit status; 0 says that no domain failed. With
 * `run=NAME` it builds that domain alone, gives it the terminal, and its reason is the result.
 */
#include "back/conback.h"
#include "block.h"
#include "clock.h"
#include "kernel.h"
#include "kstring.h"
#include "printk.h"
#include "root/command.h"
#include "root/consmux.h"
#include "root/disk.h"
#include "root/domains.h"
#include "virtio.h"

#include <hvlib/arch/hypercall.h>

/* Reasons of the shutdown; 1 is the kernel's own panic. */
#define REASON_WELL          0u
#define REASON_CONFIGURATION 2u
#define REASON_BUILD         3u
#define REASON_GUEST         4u

/* How long a domain may take to end once it was told to. */
#define GRACE (2 * NS_PER_S)

static bool start_all(void)
{
    for (unsigned n = 0; n < domains_count(); n++)
        if (!domain_build(domains_get(n)))
            return false;
    for (unsigned n = 0; n < domains_count(); n++) {
        struct domain *d = domains_get(n);
        int64_t result = hv_domain_start(d->id);
        if (result < 0) {
            printk("root: %s could not be started (error %d)\n", d->config->name, (int)result);
            return false;
        }
        printk("root: %s started, domain %lu, %lu KiB\n", d->config->name, d->id,
               d->config->memory / 1024);
    }
    return true;
}

static void wait_for(struct domain *d)
{
    while (!domain_wait(d, NS_PER_S)) {
    }
}

/* A domain that would run for ever is asked to end, and taken away when it does not. */
static void dismiss(struct domain *d)
{
    static const char word[] = "quit\n";
    if (!domain_refresh(d) || domain_ended(d))
        return;
    if (d->console)
        console_back_type(d->console, word, sizeof(word) - 1);
    if (domain_wait(d, GRACE))
        return;
    domain_print(d);
    printk("root: %s runs on, taking it away\n", d->config->name);
    domain_remove(d);
}

static void run_unattended(const char *name)
{
    struct domain *d = domains_find(name);
    if (d)
        wait_for(d);
    for (unsigned n = 0; n < domains_count() && !d; n++)
        wait_for(domains_get(n));
    for (unsigned n = 0; n < domains_count(); n++)
        dismiss(domains_get(n));
    for (unsigned n = 0; n < domains_count(); n++)
        domain_print(domains_get(n));
    root_print();
}

static unsigned verdict(void)
{
    unsigned reason = REASON_WELL;
    for (unsigned n = 0; n < domains_count(); n++) {
        struct domain *d = domains_get(n);
        if (domain_refresh(d) && domain_ended(d) && !domain_succeeded(d))
            reason = REASON_GUEST;
    }
    return reason;
}

/* What was written lies on the disks before the machine ends. */
static void flush_disks(void)
{
    for (struct block_device *d = block_first(); d; d = d->next)
        if (!d->read_only && block_flush(d))
            printk("root: disk %s could not be flushed\n", d->name);
}

/* Other domains of the configuration are not built. The last line is written when the domain is
 * gone, so it cannot be the domain's own: whoever started the machine can rely on it. */
static unsigned run_alone(const char *name)
{
    struct domain *d = domains_find(name);
    if (!d)
        printk("root: there is no domain '%s' in the configuration\n", name);
    if (!d || !domain_build(d))
        return REASON_BUILD;
    console_back_focus(d->console);
    int64_t result = hv_domain_start(d->id);
    if (result == 0)
        wait_for(d);
    bool ended = domain_refresh(d) && d->info.state == HV_DOMAIN_SHUTDOWN;
    unsigned reason = ended ? (unsigned)d->info.reason : REASON_GUEST;
    if (!ended)
        domain_print(d);
    domain_remove(d);
    flush_disks();
    printk("root: run: %s %u\n", ended ? "reason" : "killed", reason);
    return reason;
}

/* Nearly all that root does it does in its kernel, one CPU at a time: more would wait for each
 * other. */
const unsigned image_cpus = 1;

unsigned image_main(void)
{
    char name[CONFIG_NAME];
    if (mux_init() < 0)
        printk("root: no console input\n");
    unsigned disks = virtio_blk_probe();
    disks += ramdisk_probe();
    if (!disks)
        printk("root: there is no disk\n");
    if (!domains_configure())
        return REASON_CONFIGURATION;
    domains_watch();
    if (option_text("run", name, sizeof(name)))
        return run_alone(name);
    if (!start_all())
        return REASON_BUILD;
    if (option_text("poweroff", name, sizeof(name))) {
        run_unattended(name);
    } else {
        printk("root: this is the prompt; help lists what it knows\n");
        prompt_run();
    }
    unsigned reason = verdict();
    for (unsigned n = 0; n < domains_count(); n++)
        domain_remove(domains_get(n));
    flush_disks();
    printk("root: %s\n", reason ? "a guest failed" : "all went well");
    return reason;
}
