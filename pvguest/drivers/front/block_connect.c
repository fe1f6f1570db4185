/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection of the block front end: finds the disks in the device list, lends rings and region
 * to the back end, and does it again, with the next generation, whenever the back end is replaced.
 * Invariant: `granted` says whether the back end holds grants; memory is written anew for an offer
 * only when it does not, since they were revoked: whatever the old back end still does, nothing of
 * it reaches the new rings.
 *
 * Everything but the probe runs with interrupts off.
 */
#include "front/block_front.h"

#include "driver.h"
#include "irq.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"

#include <hvlib/event.h>
#include <hvlib/grant.h>
#include <hvlib/memory.h>
#include <hvlib/start.h>

#define MAX_DISKS   8u
#define MAX_REFUSED 10u
#define RETRY_NS    (20 * NS_PER_MS)
#define CONNECT_NS  (10 * NS_PER_S)

static struct front_block *disks[MAX_DISKS];

static void lend(struct front_block *b)
{
    uint64_t peer = b->record.peer;

    b->request_ref = hv_grant_give(peer, b->request_page, 1, HV_MAP_READ);
    b->response_ref = hv_grant_give(peer, b->response_page, 1, HV_MAP_READ | HV_MAP_WRITE);
    b->region_ref = hv_grant_give(peer, b->region, REGION_PAGES, HV_MAP_READ | HV_MAP_WRITE);
    b->granted = true;
}

static void take_back(int64_t ref, const void *at, uint64_t pages)
{
    int64_t error = ref > 0 ? hv_grant_take_back((uint64_t)ref, at, pages) : 0;

    if (error < 0) {
        panic("a grant could not be revoked (%ld)", (long)error);
    }
}

static void unlend(struct front_block *b)
{
    if (b->granted) {
        take_back(b->request_ref, b->request_page, 1);
        take_back(b->response_ref, b->response_page, 1);
        take_back(b->region_ref, b->region, REGION_PAGES);
        b->granted = false;
    }
}

static void offer(struct front_block *b)
{
    struct hv_offer o = { .ring_pages = 1, .region_count = 1 };

    memset(b->request_page, 0, PAGE_SIZE);
    memset(b->response_page, 0, PAGE_SIZE);
    (void)block_ring_init(&b->ring, b->request_page, 1, b->response_page, 1);
    lend(b);
    if (b->request_ref < 0 || b->response_ref < 0 || b->region_ref < 0) {
        printk("%s: no grants\n", b->device.name);
        unlend(b);
        front_block_fail(b);
        return;
    }
    o.request_ref = (uint64_t)b->request_ref;
    o.response_ref = (uint64_t)b->response_ref;
    o.region_ref[0] = (uint64_t)b->region_ref;
    o.region_pages[0] = REGION_PAGES;
    (void)hv_front_offer(&b->front, &o);
    front_block_send(b);
}

static void run(struct front_block *b)
{
    b->device.sectors = b->front.config[HV_BLOCK_CONFIG_SECTORS];
    b->device.read_only = (b->front.config[HV_BLOCK_CONFIG_FLAGS] & HV_BLOCK_RO) != 0;
    b->refused = 0;
    b->running = true;
    hv_front_run(&b->front);
    front_block_send(b);
    front_block_resubmit(b);
    wait_wake_all(&b->waiters);
}

static void reconnect(void *arg)
{
    struct front_block *b = arg;

    hv_front_reset(&b->front);
    unlend(b);
    offer(b);
}

/* A back end that ran may have been replaced already: offer at once. One that refuses gets a little
 * time, and in the end the device is given up. */
static void lost(struct front_block *b)
{
    if (b->running) {
        printk("%s: the back end is gone, reconnecting\n", b->device.name);
        b->running = false;
        reconnect(b);
    } else if (++b->refused < MAX_REFUSED) {
        timer_set(&b->retry, clock_ns() + RETRY_NS, reconnect, b);
    } else {
        unlend(b);
        front_block_fail(b);
        wait_wake_all(&b->waiters);
    }
}

void front_block_step(struct front_block *b)
{
    if (b->gone || b->retry.queued) {
        return;
    }
    switch (hv_front_step(&b->front)) {
    case HV_DEV_ACK:
        run(b);
        break;
    case HV_DEV_RUN:
        front_block_collect(b);
        if (b->ring.broken) {
            lost(b);
        }
        break;
    case HV_DEV_DEAD:
        lost(b);
        break;
    default:
        break;
    }
}

static void block_event(void *arg)
{
    front_block_step(arg);
}

bool front_block_restart(struct block_device *d)
{
    struct front_block *b = d->driver;

    if (!b->running) {
        return false;
    }
    b->running = false;
    reconnect(b);
    return true;
}

/* The record is another one: the device page is a new one, and so may be peer and port. */
static void attach(struct front_block *b, const struct hv_device *record)
{
    if (b->granted) {
        irq_unregister(b->record.port);
        unlend(b);
    }
    b->running = false;
    b->record = *record;
    hv_front_init(&b->front, hv_va(record->page << HV_PAGE_SHIFT));
    (void)irq_register(record->port, block_event, b);
    offer(b);
}

/* The controller has rewritten the device list. */
static void list_event(void *arg)
{
    struct hv_device record;

    (void)arg;
    for (uint32_t i = 0; i < MAX_DISKS; i++) {
        struct front_block *b = disks[i];

        if (b && !b->gone && hv_start_device(HV_DEVICE_BLOCK, i, &record) &&
            memcmp(&record, &b->record, sizeof(record)) != 0) {
            attach(b, &record);
        }
    }
}

static struct front_block *create(uint32_t index)
{
    struct front_block *b = kmalloc(sizeof(*b));

    if (!b || !(b->request_page = page_alloc(1)) || !(b->response_page = page_alloc(1)) ||
        !(b->region = page_alloc(REGION_PAGES))) {
        panic("no memory for a disk");
    }
    b->tags = b->buffers = ~(uint32_t)0;
    (void)format_text(b->device.name, sizeof(b->device.name), "vd%c", (int)('a' + index));
    b->device.way = "split";
    b->device.title = "split driver";
    b->device.depth = TAGS;
    b->device.ops = &front_block_ops;
    b->device.driver = b;
    return b;
}

static void connect(struct front_block *b, const struct hv_device *record)
{
    uint64_t flags = irq_save();
    uint64_t deadline = clock_ns() + CONNECT_NS;

    attach(b, record);
    while (!b->running && !b->gone && wait_block_until(&b->waiters, deadline)) {
    }
    irq_restore(flags);
    if (b->running) {
        block_register(&b->device);
        printk("%s: %lu sectors%s\n", b->device.name, (unsigned long)b->device.sectors,
               b->device.read_only ? ", read-only" : "");
    } else {
        printk("%s: the back end does not answer\n", b->device.name);
    }
}

static void front_block_probe(void)
{
    uint32_t control = hv_start_control_port();
    struct hv_device record;

    for (uint32_t i = 0; i < MAX_DISKS; i++) {
        if (hv_start_device(HV_DEVICE_BLOCK, i, &record)) {
            disks[i] = create(i);
            connect(disks[i], &record);
        }
    }
    if (control != ~(uint32_t)0) {
        (void)irq_register(control, list_event, NULL);
    }
}

DRIVER(DRIVER_DISK, front_block_probe);
