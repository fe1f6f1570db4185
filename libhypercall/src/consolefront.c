/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console front end. Owns the one console of the domain, its two rings and their grants; the
 * memory is never lent twice and never taken back, so nothing of an old back end can reach a new
 * one: a back end that dies is not replaced, the early console takes over.
 *
 * All of it runs with upcalls masked. `busy` is set while the ring is touched: a fault in there
 * reports through the early console instead of entering the ring a second time.
 */
#include "hvlib/consolefront.h"
#include "hvlib/arch/hypercall.h"
#include "hvlib/clock.h"
#include "hvlib/device.h"
#include "hvlib/event.h"
#include "hvlib/grant.h"
#include "hvlib/memory.h"
#include "hvlib/ring.h"
#include "hvlib/start.h"
#include "hvlib/string.h"
#include <hv_console.h>

#include "console_internal.h"

#define RING_PAGES  2u
#define PATIENCE_NS 2000000000u

HV_RING_DEFINE(console_ring, HV_RING_STREAM, struct hv_console_slot, struct hv_console_slot);

static HV_ALIGNED(HV_PAGE_SIZE) char out_area[RING_PAGES * HV_PAGE_SIZE];
static HV_ALIGNED(HV_PAGE_SIZE) char in_area[RING_PAGES * HV_PAGE_SIZE];

static struct {
    struct hv_device record;
    struct hv_front front;
    struct hv_ring ring;
    struct hv_console_slot input; /* the slot that is being read: bytes [used, input.bytes) */
    uint32_t used;
    bool opened;
    bool dead;
    bool busy;
} console;

static void send(void)
{
    hv_event_send(console.record.port);
}

/* Publish, and look whether the other end is still there. */
static bool push(void)
{
    int64_t wanted = hv_ring_push(&console.ring);

    if (wanted == 1)
        send();
    if (wanted < 0 || hv_front_step(&console.front) != HV_DEV_RUN)
        console.dead = true;
    return !console.dead;
}

/* Nobody raises a port when there is room again: let the back end run and look. */
static bool wait_room(void)
{
    uint64_t deadline = hv_now() + PATIENCE_NS;

    while (push() && hv_ring_room(&console.ring) == 0) {
        if (hv_now() > deadline)
            console.dead = true;
        hv_yield();
    }
    return !console.dead;
}

static size_t put(const char *text, size_t bytes)
{
    size_t taken = 0;

    while (taken < bytes && (hv_ring_room(&console.ring) > 0 || wait_room())) {
        struct hv_console_slot slot = { .bytes = 0 };
        size_t left = bytes - taken;

        slot.bytes = left < HV_CONSOLE_TEXT ? (uint32_t)left : HV_CONSOLE_TEXT;
        memcpy(slot.text, text + taken, slot.bytes);
        if (console_ring_put(&console.ring, &slot) < 0)
            break;
        taken += slot.bytes;
    }
    push();
    return taken;
}

static size_t front_write(const char *text, size_t bytes)
{
    bool was = hv_mask();
    size_t taken = 0;

    if (!console.busy && !console.dead) {
        console.busy = true;
        taken = put(text, bytes);
        console.busy = false;
    }
    hv_restore(was);
    return taken;
}

/* The next slot with text in it. 1, 0: none, and an event will tell; or -HV_EDEAD. */
static int64_t next_slot(void)
{
    int64_t got;

    while (console.used == console.input.bytes) {
        got = console_ring_get(&console.ring, &console.input);
        console.used = 0;
        if (got <= 0 || console.input.bytes > HV_CONSOLE_TEXT)
            console.input.bytes = 0;
        if (got < 0)
            return got;
        if (got == 0 && (got = hv_ring_sleep(&console.ring)) <= 0)
            return got;
    }
    return 1;
}

static int64_t take(char *buffer, size_t bytes)
{
    size_t taken = 0;
    int64_t got = 1;

    while (taken < bytes && (got = next_slot()) == 1)
        buffer[taken++] = console.input.text[console.used++];
    return taken > 0 ? (int64_t)taken : got;
}

static int64_t front_read(char *buffer, size_t bytes)
{
    bool was = hv_mask();
    int64_t got = console.dead ? -HV_EDEAD : 0;

    if (!console.busy && !console.dead) {
        console.busy = true;
        got = take(buffer, bytes);
        console.busy = false;
        if (got < 0 || hv_front_step(&console.front) != HV_DEV_RUN)
            console.dead = true;
    }
    hv_restore(was);
    return got;
}

static const struct hv_console_ops ops = { .write = front_write, .read = front_read };

static int64_t lend(struct hv_offer *o)
{
    uint64_t peer = console.record.peer;
    int64_t out = hv_grant_give(peer, out_area, RING_PAGES, HV_MAP_READ);

    if (out < 0)
        return out;
    int64_t in = hv_grant_give(peer, in_area, RING_PAGES, HV_MAP_READ | HV_MAP_WRITE);

    if (in < 0) {
        hv_grant_take_back((uint64_t)out, out_area, RING_PAGES);
        return in;
    }
    o->request_ref = (uint64_t)out;
    o->response_ref = (uint64_t)in;
    return 0;
}

/* From ACK on the back end maps everything; from its RUN on it prints all that is on the ring, also
 * when this domain has ended by then. */
static int64_t run(void)
{
    const uint32_t *theirs = &console.front.page->back.state;

    hv_front_run(&console.front);
    send();
    while (__atomic_load_n(theirs, __ATOMIC_ACQUIRE) == HV_DEV_ACK)
        hv_wait();
    if (hv_front_step(&console.front) != HV_DEV_RUN)
        return -HV_EDEAD;
    hv_console_ops = &ops;
    return 0;
}

static int64_t connect(void)
{
    struct hv_offer o = { .ring_pages = RING_PAGES };
    uint32_t state;
    int64_t result = lend(&o);

    if (result < 0)
        return result;
    console.opened = true;
    console_ring_init(&console.ring, out_area, RING_PAGES, in_area, RING_PAGES);
    hv_front_init(&console.front,
                  (struct hv_device_page *)hv_va(console.record.page * HV_PAGE_SIZE));
    hv_front_offer(&console.front, &o);
    send();
    while ((state = hv_front_step(&console.front)) == HV_DEV_OFFER)
        hv_wait();
    return state == HV_DEV_ACK ? run() : -HV_EDEAD;
}

int64_t hv_console_open(void)
{
    bool was = hv_mask();
    int64_t result = -HV_EINVAL;

    if (!console.opened && hv_start_device(HV_DEVICE_CONSOLE, 0, &console.record))
        result = connect();
    hv_restore(was);
    return result;
}

int64_t hv_console_wait(char *buffer, size_t bytes)
{
    int64_t got;

    if (hv_console_ops == NULL)
        return -HV_EINVAL;
    bool was = hv_mask();

    while ((got = front_read(buffer, bytes)) == 0)
        hv_wait();
    hv_restore(was);
    return got;
}
