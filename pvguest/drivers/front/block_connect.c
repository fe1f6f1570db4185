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

#include "cpu.h"
#include "driver.h"
#include "irq.h"
#include "kernel.h"
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

static void block_event(void *arg);

/* The ports of further queues are made anew for each offer, since a back end that lets go of one
 * closes it. An event arrives at the CPU whose queue it is. */
static int64_t make_port(struct front_queue *q, unsigned n)
{
    int64_t port = hv_event_alloc(HV_SELF, q->owner->record.peer);

    if (port < 0) {
        return port;
    }
    q->port = (uint32_t)port;
    if (n < cpu_count()) {
        (void)hv_event_set_vcpu(HV_SELF, q->port, n);
    }
    return irq_register(q->port, block_event, q);
}

static bool lend_queue(struct front_queue *q, unsigned n)
{
    uint64_t peer = q->owner->record.peer;

    memset(q->request_page, 0, PAGE_SIZE);
    memset(q->response_page, 0, PAGE_SIZE);
    (void)block_ring_init(&q->ring, q->request_page, 1, q->response_page, 1);
    q->request_ref = hv_grant_give(peer, q->request_page, 1, HV_MAP_READ);
    q->response_ref = hv_grant_give(peer, q->response_page, 1, HV_MAP_READ | HV_MAP_WRITE);
    return q->request_ref > 0 && q->response_ref > 0 && (n == 0 || make_port(q, n) == 0);
}

/* Queues beyond the first that cannot be lent are not offered. */
static bool lend(struct front_block *b)
{
    b->granted = true;
    b->region_ref =
        hv_grant_give(b->record.peer, b->region, REGION_PAGES, HV_MAP_READ | HV_MAP_WRITE);
    b->served = 0;
    while (b->served < b->queues && lend_queue(&b->queue[b->served], b->served)) {
        b->served++;
    }
    return b->region_ref > 0 && b->served > 0;
}

static void take_back(int64_t *ref, const void *at, uint64_t pages)
{
    int64_t error = *ref > 0 ? hv_grant_take_back((uint64_t)*ref, at, pages) : 0;

    if (error < 0) {
        panic("a grant could not be revoked (%ld)", (long)error);
    }
    *ref = 0;
}

static void unlend_queue(struct front_queue *q, unsigned n)
{
    take_back(&q->request_ref, q->request_page, 1);
    take_back(&q->response_ref, q->response_page, 1);
    if (n > 0 && q->port != 0) {
        irq_unregister(q->port);
        (void)hv_event_close(HV_SELF, q->port);
        q->port = 0;
    }
}

static void unlend(struct front_block *b)
{
    if (b->granted) {
        for (unsigned n = 0; n < b->queues; n++) {
            unlend_queue(&b->queue[n], n);
        }
        take_back(&b->region_ref, b->region, REGION_PAGES);
        b->granted = false;
    }
}

static void tell(struct front_block *b)
{
    (void)hv_event_send(b->record.port);
}

static void offer(struct front_block *b)
{
    struct hv_offer o = { .ring_pages = 1, .region_count = 1 };

    if (!lend(b)) {
        printk("%s: no grants\n", b->device.name);
        unlend(b);
        front_block_fail(b);
        return;
    }
    o.queues = b->served;
    o.request_ref = (uint64_t)b->queue[0].request_ref;
    o.response_ref = (uint64_t)b->queue[0].response_ref;
    for (unsigned n = 1; n < b->served; n++) {
        o.queue[n - 1] =
            (struct hv_device_queue){ .request_ref = (uint64_t)b->queue[n].request_ref,
                                      .response_ref = (uint64_t)b->queue[n].response_ref,
                                      .port = b->queue[n].port };
    }
    o.region_ref[0] = (uint64_t)b->region_ref;
    o.region_pages[0] = REGION_PAGES;
    (void)hv_front_offer(&b->front, &o);
    tell(b);
}

/* A back end that knows of one queue says nothing of how many. */
static void take_config(struct front_block *b)
{
    uint64_t queues = b->front.config[HV_BLOCK_CONFIG_QUEUES];

    queues = queues > 0 ? queues : 1;
    b->served = queues < b->served ? (unsigned)queues : b->served;
    b->device.sectors = b->front.config[HV_BLOCK_CONFIG_SECTORS];
    b->device.read_only = (b->front.config[HV_BLOCK_CONFIG_FLAGS] & HV_BLOCK_RO) != 0;
}

static void run(struct front_block *b)
{
    take_config(b);
    b->refused = 0;
    b->running = true;
    hv_front_run(&b->front);
    tell(b);
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

/* The port of a queue was raised; the first one's tells of the device page as well. */
static void block_event(void *arg)
{
    struct front_queue *q = arg;
    struct front_block *b = q->owner;

    if (b->gone || b->retry.queued) {
        return;
    }
    switch (hv_front_step(&b->front)) {
    case HV_DEV_ACK:
        run(b);
        break;
    case HV_DEV_RUN:
        front_block_collect(q);
        if (q->ring.broken) {
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
    timer_cancel(&b->retry);
    b->record = *record;
    hv_front_init(&b->front, hv_va(record->page << HV_PAGE_SHIFT));
    b->queue[0].port = record->port;
    (void)irq_register(record->port, block_event, &b->queue[0]);
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

static void choose_queues(struct front_block *b)
{
    uint64_t said = option_number("queues", 0);
    uint64_t n = said ? said : cpu_count();

    b->in_turn = said != 0;
    b->queues = n < HV_DEV_MAX_QUEUES ? (unsigned)n : HV_DEV_MAX_QUEUES;
}

static struct front_block *create(uint32_t index)
{
    struct front_block *b = kmalloc(sizeof(*b));

    if (!b || !(b->region = page_alloc(REGION_PAGES))) {
        panic("no memory for a disk");
    }
    choose_queues(b);
    for (unsigned n = 0; n < b->queues; n++) {
        b->queue[n].owner = b;
        b->queue[n].request_page = page_alloc(1);
        b->queue[n].response_page = page_alloc(1);
        if (!b->queue[n].request_page || !b->queue[n].response_page) {
            panic("no memory for a disk");
        }
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
        printk("%s: %lu sectors%s, %u queue%s\n", b->device.name, (unsigned long)b->device.sectors,
               b->device.read_only ? ", read-only" : "", b->served, b->served == 1 ? "" : "s");
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
