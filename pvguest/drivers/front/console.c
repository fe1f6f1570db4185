/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console front end: a stream of slots with text to the back end, and one with what was typed
 * from it. Owns one console. Output never waits: text that finds the ring full, or no back end yet,
 * is kept in a buffer and follows; when that is full too, the oldest is what remains and the rest
 * is dropped, and the next line says how much. Runs with interrupts off.
 */
#include "clock.h"
#include "driver.h"
#include "irq.h"
#include "kernel.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"
#include "thread.h"

#include <hv_console.h>
#include <hvlib/arch/hypercall.h>
#include <hvlib/device.h>
#include <hvlib/grant.h>
#include <hvlib/memory.h>
#include <hvlib/ring.h>
#include <hvlib/start.h>

#define RING_PAGES 2u
#define BACKLOG    8192u
#define UART_IRQ   4u
#define CONNECT_NS (2 * NS_PER_S)
#define LATER_NS   (2 * NS_PER_MS)
#define DRAIN_NS   (2 * NS_PER_S)

HV_RING_DEFINE(console_ring, HV_RING_STREAM, struct hv_console_slot, struct hv_console_slot);

static struct console {
    struct console_sink sink;
    struct hv_device record;
    struct hv_front front;
    struct hv_ring ring;
    void *out;
    void *in;
    int64_t out_ref;
    int64_t in_ref;
    bool running;
    uint32_t head; /* of the backlog: bytes put in */
    uint32_t tail; /* bytes taken out */
    uint32_t dropped;
    char backlog[BACKLOG];
    struct wait_queue waiters;
    struct timer later;
} console;

static void send(void)
{
    (void)hv_event_send(console.record.port);
}

static void push(void)
{
    if (hv_ring_push(&console.ring) > 0) {
        send();
    }
}

static void flush(void);

static void flush_later(void *arg)
{
    (void)arg;
    flush();
}

static uint32_t smallest(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Move the backlog to the ring as far as there is room. Nobody tells when there is more: look again
 * a little later. */
static void flush(void)
{
    struct hv_console_slot slot;

    while (console.running && console.head != console.tail && hv_ring_room(&console.ring) > 0) {
        uint32_t at = console.tail % BACKLOG;

        slot.bytes = smallest(HV_CONSOLE_TEXT, console.head - console.tail, BACKLOG - at);
        memset(slot.text, 0, sizeof(slot.text));
        memcpy(slot.text, console.backlog + at, slot.bytes);
        console.tail += slot.bytes;
        (void)console_ring_put(&console.ring, &slot);
    }
    push();
    if (console.head != console.tail && !console.later.queued) {
        timer_set(&console.later, clock_ns() + LATER_NS, flush_later, NULL);
    }
}

/* Everything into the ring: the back end reads it even after this domain has ended. */
static void sink_drain(struct console_sink *s)
{
    uint64_t deadline = clock_ns() + DRAIN_NS;

    (void)s;
    while (console.head != console.tail && clock_ns() < deadline) {
        thread_sleep_ns(LATER_NS);
    }
}

static void keep(const char *text, size_t bytes)
{
    uint32_t left = (uint32_t)bytes;

    while (left > 0 && console.head - console.tail < BACKLOG) {
        uint32_t at = console.head % BACKLOG;
        uint32_t part = smallest(left, BACKLOG - (console.head - console.tail), BACKLOG - at);

        memcpy(console.backlog + at, text, part);
        console.head += part;
        text += part;
        left -= part;
    }
    console.dropped += left;
}

static void sink_write(struct console_sink *s, const char *text, size_t bytes)
{
    char note[48];

    (void)s;
    if (console.dropped > 0 && console.head - console.tail >= BACKLOG / 2) {
        /* Nothing goes before the note, so that it stands where something is missing. */
        console.dropped += (uint32_t)bytes;
        flush();
        return;
    }
    if (console.dropped > 0) {
        int n = format_text(note, sizeof(note), "[%u bytes lost]\n", console.dropped);

        console.dropped = 0;
        keep(note, (size_t)n);
    }
    keep(text, bytes);
    flush();
}

static void take_input(void)
{
    struct hv_console_slot slot;

    do {
        while (console_ring_get(&console.ring, &slot) > 0) {
            for (uint32_t i = 0; i < slot.bytes && i < HV_CONSOLE_TEXT; i++) {
                console_input(slot.text[i]);
            }
        }
    } while (hv_ring_sleep(&console.ring) > 0);
}

static void take_back(int64_t ref, const void *at)
{
    if (ref > 0) {
        (void)hv_grant_take_back((uint64_t)ref, at, RING_PAGES);
    }
}

static void offer(void)
{
    struct hv_offer o = { .ring_pages = RING_PAGES };
    uint64_t peer = console.record.peer;

    take_back(console.out_ref, console.out);
    take_back(console.in_ref, console.in);
    memset(console.out, 0, RING_PAGES * PAGE_SIZE);
    memset(console.in, 0, RING_PAGES * PAGE_SIZE);
    (void)console_ring_init(&console.ring, console.out, RING_PAGES, console.in, RING_PAGES);
    console.out_ref = hv_grant_give(peer, console.out, RING_PAGES, HV_MAP_READ);
    console.in_ref = hv_grant_give(peer, console.in, RING_PAGES, HV_MAP_READ | HV_MAP_WRITE);
    if (console.out_ref < 0 || console.in_ref < 0) {
        return; /* the early console stays */
    }
    o.request_ref = (uint64_t)console.out_ref;
    o.response_ref = (uint64_t)console.in_ref;
    (void)hv_front_offer(&console.front, &o);
    send();
}

static void serve(void)
{
    take_input();
    flush();
}

static void lost(void)
{
    console.running = false;
    hv_front_reset(&console.front);
    offer();
}

static void console_event(void *arg)
{
    (void)arg;
    switch (hv_front_step(&console.front)) {
    case HV_DEV_ACK:
        console.running = true;
        hv_front_run(&console.front);
        send();
        wait_wake_all(&console.waiters);
        serve();
        break;
    case HV_DEV_RUN:
        serve();
        if (console.ring.broken) {
            lost();
        }
        break;
    case HV_DEV_DEAD:
        lost();
        break;
    default:
        break;
    }
}

/* Is another console asked for, and there? */
static bool not_wanted(void)
{
    char name[8] = "";

    return option_text("console", name, sizeof(name)) && strcmp(name, "uart") == 0 &&
           irq_isa_line(UART_IRQ) >= 0;
}

static void front_console_probe(void)
{
    uint64_t deadline = clock_ns() + CONNECT_NS;
    uint64_t flags;

    if (not_wanted() || !hv_start_device(HV_DEVICE_CONSOLE, 0, &console.record)) {
        return;
    }
    console.out = page_alloc(RING_PAGES);
    console.in = page_alloc(RING_PAGES);
    if (!console.out || !console.in) {
        return;
    }
    flags = irq_save();
    hv_front_init(&console.front, hv_va(console.record.page << HV_PAGE_SHIFT));
    (void)irq_register(console.record.port, console_event, NULL);
    offer();
    while (!console.running && wait_block_until(&console.waiters, deadline)) {
    }
    if (console.running) {
        console.sink.write = sink_write;
        console.sink.drain = sink_drain;
        console_add(&console.sink);
    }
    irq_restore(flags);
}

DRIVER(DRIVER_CONSOLE, front_console_probe);
