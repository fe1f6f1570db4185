/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The domains that root has built. Owns the configuration and the table of domains; a thread of its
 * own looks at them whenever the hypervisor says that one has ended.
 *
 * Back ends are closed before their domain is destroyed: they let go of windows and of DMA, so that
 * destroy gives all memory back and nothing stays in quarantine.
 */
#include "root/domains.h"

#include "arch/cpu.h"
#include "back/blkback.h"
#include "back/conback.h"
#include "clock.h"
#include "irq.h"
#include "kstring.h"
#include "printk.h"
#include "root/emul.h"
#include "root/module.h"
#include "thread.h"

#include <hv_event.h>
#include <hvlib/builder.h>
#include <hvlib/memory.h>

#define CONFIGURATION "paravane.conf"

static struct config configuration;
static struct domain table[CONFIG_DOMAINS];
static struct wait_queue ended;  /* of those who wait for the end of a domain */
static struct wait_queue raised; /* of the watching thread */
static bool look;                /* a domain has ended since it looked */

bool domains_configure(void)
{
    char message[CONFIG_MESSAGE];
    struct module m;
    if (!module_find(CONFIGURATION, &m)) {
        printk("root: there is no boot module " CONFIGURATION "\n");
        return false;
    }
    if (config_parse(CONFIGURATION, m.data, m.bytes, &configuration, message, sizeof(message))) {
        printk("root: %s\n", message);
        return false;
    }
    for (unsigned n = 0; n < configuration.domain_count; n++)
        table[n].config = &configuration.domains[n];
    return true;
}

unsigned domains_count(void)
{
    return configuration.domain_count;
}

struct domain *domains_get(unsigned n)
{
    return &table[n];
}

struct domain *domains_find(const char *name)
{
    for (unsigned n = 0; n < configuration.domain_count; n++)
        if (strcmp(table[n].config->name, name) == 0)
            return &table[n];
    return NULL;
}

/* A place is cleared before its device is closed: closing waits, and others look meanwhile. */
static void close_devices(struct domain *d)
{
    struct console_back *console = d->console;
    d->console = NULL;
    for (unsigned n = 0; n < CONFIG_DISKS; n++) {
        struct block_back *block = d->block[n];
        d->block[n] = NULL;
        if (block)
            block_back_close(block);
    }
    if (console)
        console_back_close(console);
}

/* The domain stands still first. The pages where its port accesses are written go last: the
 * hypervisor holds them until the domain is gone. */
void domain_remove(struct domain *d)
{
    struct emul *emul = d->emul;
    if (!d->exists)
        return;
    (void)hv_domain_pause(d->id);
    d->emul = NULL;
    if (emul)
        emul_close(emul);
    close_devices(d);
    /* One bounded step a call; the other threads run in between. */
    while (hv_domain_destroy(d->id) > 0)
        thread_yield();
    if (emul)
        emul_free(emul);
    const struct config_domain *config = d->config;
    *d = (struct domain){ .config = config };
    uint64_t flags = irq_save();
    wait_wake_all(&ended);
    irq_restore(flags);
}

bool domain_refresh(struct domain *d)
{
    HV_BUFFER(512) struct hv_domain_info info = { 0 };
    if (!d->exists || hv_domain_info(d->id, hv_gpa(&info)) < 0)
        return false;
    d->info = info;
    return true;
}

bool domain_ended(const struct domain *d)
{
    return d->exists && (d->info.state == HV_DOMAIN_SHUTDOWN || d->info.state == HV_DOMAIN_KILLED);
}

bool domain_succeeded(const struct domain *d)
{
    return d->exists && d->info.state == HV_DOMAIN_SHUTDOWN && d->info.reason == 0;
}

const char *domain_state(const struct domain *d)
{
    static const char *const names[] = { "building", "running", "paused",
                                         "shutdown", "killed",  "dying" };
    return d->info.state < sizeof(names) / sizeof(names[0]) ? names[d->info.state] : "?";
}

static void tell_end(struct domain *d)
{
    d->reported = true;
    if (d->console)
        console_back_drain(d->console);
    if (d->info.state == HV_DOMAIN_KILLED)
        printk("root: %s was killed: %s\n", d->config->name, d->info.report);
    else if (d->info.reason)
        printk("root: %s ended with reason %u\n", d->config->name, d->info.reason);
    else
        printk("root: %s ended well\n", d->config->name);
}

static void domain_event(void *arg)
{
    (void)arg;
    look = true;
    wait_wake_all(&raised);
}

static void watch(void *arg)
{
    (void)arg;
    for (;;) {
        wait_event(&raised, look);
        look = false;
        for (unsigned n = 0; n < configuration.domain_count; n++) {
            struct domain *d = &table[n];
            if (domain_refresh(d) && domain_ended(d) && !d->reported)
                tell_end(d);
        }
        uint64_t flags = irq_save();
        wait_wake_all(&ended);
        irq_restore(flags);
    }
}

void domains_watch(void)
{
    int64_t line = hv_event_bind(HV_SELF, HV_BIND_VIRQ, HV_VIRQ_DOMAIN, 0, 0);
    if (line < 0 || irq_register((uint64_t)line, domain_event, NULL) < 0)
        panic("no port for the end of domains");
    look = true;
    thread_create("watch", watch, NULL);
}

bool domain_wait(struct domain *d, uint64_t ns)
{
    uint64_t deadline = clock_ns() + ns;
    bool in_time = true;
    uint64_t flags = irq_save();
    while (d->exists && !d->reported && in_time)
        in_time = wait_block_until(&ended, deadline);
    irq_restore(flags);
    return !d->exists || d->reported;
}
