/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the domains of the configuration: image, memory, and for each device a page, a grant of it
 * to root, and a pair of ports, all made on the child's behalf before it runs. Owns the build under
 * way; one at a time.
 *
 * Back ends are opened before the child starts. What fails is taken down again, devices first, so
 * that a domain either exists with all that its section names or does not exist.
 */
#include "arch/cpu.h"
#include "back/blkback.h"
#include "back/conback.h"
#include "kstring.h"
#include "printk.h"
#include "root/disk.h"
#include "root/domains.h"
#include "root/emul.h"
#include "root/module.h"

#include "kernel.h"

#include <hv_event.h>
#include <hvlib/builder.h>
#include <hvlib/memory.h>
#include <hvlib/start.h>

#define IRQ_UART 4u
#define IRQ_IDE  14u

struct device_list {
    struct hv_device device[8];
    uint32_t count;
};

static int complain(const struct domain *d, const char *what, int64_t error)
{
    if (error < 0)
        printk("root: %s: %s (error %d)\n", d->config->name, what, (int)error);
    else
        printk("root: %s: %s\n", d->config->name, what);
    return -1;
}

/* A pair of ports; *mine is root's end. Returns the child's end, or an error. */
static int64_t make_ports(uint64_t dom, uint32_t *mine)
{
    int64_t theirs = hv_event_alloc(dom, hv_start_domain_id());
    if (theirs < 0)
        return theirs;
    int64_t own = hv_event_bind(HV_SELF, HV_BIND_PEER, dom, (uint64_t)theirs, 0);
    if (own < 0)
        return own;
    *mine = (uint32_t)own;
    return theirs;
}

/* A device with a device page: enter it in the list and say where the back end finds it. */
static int64_t add_device(struct hv_build *b, struct device_list *list, uint32_t class,
                          uint32_t index, struct back_place *place)
{
    int64_t gfn = hv_build_page(b);
    if (gfn < 0)
        return gfn;
    int64_t ref =
        hv_grant_create(b->id, hv_start_domain_id(), (uint64_t)gfn, 1, HV_MAP_READ | HV_MAP_WRITE);
    if (ref < 0)
        return ref;
    int64_t port = make_ports(b->id, &place->port);
    if (port < 0)
        return port;
    place->peer = b->id;
    place->page = (uint64_t)ref;
    list->device[list->count++] = (struct hv_device){ .class_ = class,
                                                      .index = index,
                                                      .peer = hv_start_domain_id(),
                                                      .page = (uint64_t)gfn,
                                                      .port = (uint32_t)port };
    return 0;
}

/* An emulated interrupt line: a port with the line's number, no page. */
static int64_t add_line(struct hv_build *b, struct device_list *list, uint32_t irq, uint32_t *mine)
{
    int64_t port = make_ports(b->id, mine);
    if (port < 0)
        return port;
    list->device[list->count++] = (struct hv_device){
        .class_ = HV_DEVICE_IRQ, .index = irq, .peer = hv_start_domain_id(), .port = (uint32_t)port
    };
    return 0;
}

static int add_console(struct domain *d, struct hv_build *b, struct device_list *list)
{
    struct back_place place;
    int64_t result = add_device(b, list, HV_DEVICE_CONSOLE, 0, &place);
    if (result < 0)
        return complain(d, "no console", result);
    d->console = console_back_open(&place, d->config->name);
    return d->console ? 0 : complain(d, "no memory for a console", 0);
}

static struct block_device *disk_named(const struct domain *d, const struct config_disk *c)
{
    struct block_device *disk = block_find(c->name);
    if (!disk)
        printk("root: %s: there is no disk '%s'\n", d->config->name, c->name);
    return disk;
}

/* `corrupt=ide:SECTOR` on root's command line flips a bit in that sector of the emulated path. */
static struct block_device *with_fault(struct block_device *disk)
{
    static const char kind[] = "ide:";
    char text[32];
    uint64_t sector = 0;
    if (!option_text("corrupt", text, sizeof(text)) || strncmp(text, kind, 4) != 0)
        return disk;
    for (const char *s = text + 4; *s >= '0' && *s <= '9'; s++)
        sector = sector * 10 + (uint64_t)(*s - '0');
    printk("root: the emulated disk returns a wrong bit in sector %lu\n", sector);
    return faulty_disk(disk, sector);
}

static int add_split_disks(struct domain *d, struct hv_build *b, struct device_list *list)
{
    unsigned index = 0;
    for (unsigned n = 0; n < d->config->disk_count; n++) {
        const struct config_disk *c = &d->config->disks[n];
        struct back_place place;
        if (c->transport != CONFIG_SPLIT)
            continue;
        struct block_device *disk = disk_named(d, c);
        if (!disk)
            return -1;
        int64_t result = add_device(b, list, HV_DEVICE_BLOCK, index++, &place);
        if (result < 0)
            return complain(d, "no block device", result);
        d->block[n] = block_back_open(&place, disk, c->writable);
        if (!d->block[n])
            return complain(d, "no memory for a block back end", 0);
    }
    return 0;
}

static int add_emulated(struct domain *d, struct hv_build *b, struct device_list *list)
{
    struct emul_setup setup = { .domain = b->id, .name = d->config->name };
    int64_t result = 0;
    for (unsigned n = 0; n < d->config->disk_count; n++) {
        const struct config_disk *c = &d->config->disks[n];
        if (c->transport != CONFIG_IDE)
            continue;
        setup.disk = disk_named(d, c);
        if (!setup.disk)
            return -1;
        setup.disk = with_fault(setup.disk);
        setup.writable = c->writable;
        result = add_line(b, list, IRQ_IDE, &setup.disk_irq);
    }
    if (d->config->uart && result == 0) {
        setup.uart = true;
        result = add_line(b, list, IRQ_UART, &setup.uart_irq);
    }
    if (result < 0)
        return complain(d, "no interrupt line", result);
    if (!setup.disk && !setup.uart)
        return 0;
    d->emul = emul_open(&setup);
    return d->emul ? 0 : -1;
}

static int add_devices(struct domain *d, struct hv_build *b, struct device_list *list)
{
    uint32_t control;
    int64_t port = make_ports(b->id, &control);
    if (port < 0)
        return complain(d, "no control port", port);
    b->control_port = (uint32_t)port;
    if (add_console(d, b, list) || add_split_disks(d, b, list))
        return -1;
    return add_emulated(d, b, list);
}

static bool build(struct domain *d, struct hv_build *b)
{
    struct device_list list = { .count = 0 };
    int64_t result = hv_build_create(b);
    if (result < 0) {
        complain(d, b->why, result);
        return false;
    }
    d->id = b->id;
    d->exists = true;
    d->reported = false;
    if (add_devices(d, b, &list)) {
        domain_remove(d);
        return false;
    }
    result = hv_build_finish(b, list.device, list.count);
    if (result < 0) {
        /* The library has destroyed the domain; its devices are still ours. */
        complain(d, b->why, result);
        domain_remove(d);
        return false;
    }
    return true;
}

/* How many run: an affinity names one that does. */
static unsigned processors(void)
{
    unsigned n = 1;

    while (n < CONFIG_VCPUS_MAX && hv_vcpu_set_affinity(HV_SELF, 0, UINT64_MAX << n) == 0)
        n++;
    (void)hv_vcpu_set_affinity(HV_SELF, 0, UINT64_MAX);
    return n;
}

bool domain_build(struct domain *d)
{
    const struct config_domain *c = d->config;
    struct module image;
    if (!module_find(c->image, &image)) {
        printk("root: %s: there is no boot module '%s'\n", c->name, c->image);
        return false;
    }
    struct hv_build b = { .image = image.data,
                          .image_bytes = image.bytes,
                          .cmdline = c->cmdline,
                          .ram_pages = c->memory / HV_PAGE_SIZE,
                          .weight = c->weight,
                          .vcpus = c->vcpus == CONFIG_VCPUS_ALL ? processors() : c->vcpus };
    return build(d, &b);
}
