/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a back end. Owns the windows of the device page and of the rings, and the thread.
 *
 * The peer may be hostile, may change the page under the reader, revoke any grant at any time, and
 * die. The rule that makes each of these the same case: whatever step fails, everything of the
 * peer's is unmapped and the device is RESET or DEAD; only a new offer starts again. A revoked
 * device page ends it for good. No failure is root's.
 */
#include "back/back.h"

#include "irq.h"
#include "kstring.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/event.h>
#include <hvlib/grant.h>

/* A page that changes faster than it is read is looked at again with the next event. */
#define STEPS 4

void back_wake(struct back *b)
{
    uint64_t flags = irq_save();
    b->work = true;
    wait_wake_all(&b->wake);
    irq_restore(flags);
}

static void raised(void *arg)
{
    back_wake(arg);
}

static void notify(struct back *b)
{
    b->sends++;
    (void)hv_event_send(b->place.port);
}

int64_t back_push(struct back *b)
{
    int64_t wanted = hv_ring_push(&b->ring);
    if (wanted == 1)
        notify(b);
    return wanted;
}

static void unmap_rings(struct back *b)
{
    uint32_t pages = b->ring_pages;
    if (b->in)
        (void)hv_window_unmap(b->in, pages);
    if (b->out)
        (void)hv_window_unmap(b->out, pages);
    b->in = b->out = NULL;
}

static int64_t map_rings(struct back *b)
{
    const struct hv_offer *o = &b->device.offer;
    b->ring_pages = o->ring_pages;
    int64_t result = hv_window_map(b->place.peer, o->request_ref, o->ring_pages, b->place.port,
                                   HV_MAP_READ, &b->in);
    if (result < 0) {
        b->in = NULL;
        return result;
    }
    result = hv_window_map(b->place.peer, o->response_ref, o->ring_pages, b->place.port,
                           HV_MAP_READ | HV_MAP_WRITE, &b->out);
    if (result < 0)
        b->out = NULL;
    return result;
}

static void disconnect(struct back *b)
{
    if (b->connected) {
        b->ops->disconnect(b);
        unmap_rings(b);
    }
    b->connected = b->running = false;
}

static void connect(struct back *b)
{
    memset(b->config, 0, sizeof(b->config));
    int64_t result = map_rings(b);
    if (result == 0)
        result = b->ops->connect(b);
    if (result < 0) {
        unmap_rings(b);
        (void)hv_back_refuse(&b->device);
    } else {
        b->connected = true;
        (void)hv_back_ack(&b->device, 0, b->config);
    }
    notify(b);
}

/* The ring is broken or a grant is gone, but the device page may still be there: say DEAD, so that
 * the front end may offer again. */
static void give_up(struct back *b)
{
    disconnect(b);
    (void)hv_back_refuse(&b->device);
    notify(b);
}

static void run(struct back *b)
{
    if (!b->running) {
        b->running = true;
        notify(b);
    }
    int64_t result = b->ops->serve(b);
    if (result < 0)
        give_up(b);
    else if (result > 0)
        b->work = true;
}

/* The front end has left, or has gone on to something else: let go of all that was mapped. Returns
 * whether something was. A refused offer stays DEAD until another one comes. */
static bool let_go(struct back *b)
{
    bool was = b->connected;
    disconnect(b);
    if (was) {
        (void)hv_back_reset(&b->device);
        notify(b);
    }
    return was;
}

/* One look at the device page. True: look again. */
static bool look(struct back *b)
{
    switch (hv_back_step(&b->device)) {
    case HV_DEV_OFFER:
        connect(b);
        return false;
    case HV_DEV_RUN:
        if (b->connected)
            run(b);
        return false;
    case HV_DEV_RESET:
        if (!let_go(b))
            (void)hv_back_reset(&b->device);
        return false;
    case HV_DEV_DEAD:
        return let_go(b);
    case HV_DEV_ACK:
        return false;
    default:
        disconnect(b);
        b->gone = true;
        return false;
    }
}

static void step(struct back *b)
{
    for (int i = 0; i < STEPS && look(b); i++) {
    }
}

static void thread(void *arg)
{
    struct back *b = arg;
    while (!b->closing) {
        wait_event(&b->wake, b->work);
        b->work = false;
        if (!b->closing && !b->gone)
            step(b);
        /* A peer that always has more to do takes turns with the others. */
        if (b->work)
            thread_yield();
    }
    disconnect(b);
    uint64_t flags = irq_save();
    b->closed = true;
    wait_wake_all(&b->end);
    irq_restore(flags);
    thread_exit();
}

int64_t back_open(struct back *b, const struct back_ops *ops, const struct back_place *place,
                  const char *name)
{
    void *page;
    b->ops = ops;
    b->place = *place;
    int64_t result =
        hv_window_map(place->peer, place->page, 1, place->port, HV_MAP_READ | HV_MAP_WRITE, &page);
    if (result < 0)
        return result;
    hv_back_init(&b->device, page);
    result = irq_register(place->port, raised, b);
    if (result < 0) {
        (void)hv_window_unmap(page, 1);
        return result;
    }
    b->work = true;
    thread_create(name, thread, b);
    return 0;
}

void back_close(struct back *b)
{
    b->closing = true;
    back_wake(b);
    wait_event(&b->end, b->closed);
    irq_unregister(b->place.port);
    (void)hv_event_close(HV_SELF, b->place.port);
    (void)hv_window_unmap(b->device.page, 1);
}

const char *back_state(const struct back *b)
{
    if (b->gone)
        return "peer gone";
    return b->running ? "running" : b->connected ? "connected" : "waiting";
}
