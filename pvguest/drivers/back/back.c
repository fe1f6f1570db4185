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

static void notify(struct back *b, uint32_t port)
{
    b->sends++;
    (void)hv_event_send(port);
}

/* Of the device page: by the port that the builder made. */
static void tell(struct back *b)
{
    notify(b, b->place.port);
}

int64_t back_push(struct back *b, struct back_queue *q)
{
    int64_t wanted = hv_ring_push(&q->ring);
    if (wanted == 1)
        notify(b, q->port);
    return wanted;
}

/* The port of the first queue is the builder's, and stays. */
static void unmap_queue(struct back *b, struct back_queue *q)
{
    if (q->in)
        (void)hv_window_unmap(q->in, b->ring_pages);
    if (q->out)
        (void)hv_window_unmap(q->out, b->ring_pages);
    if (q->port && q->port != b->place.port) {
        irq_unregister(q->port);
        (void)hv_event_close(HV_SELF, q->port);
    }
    *q = (struct back_queue){ .port = 0 };
}

static void unmap_queues(struct back *b)
{
    for (uint32_t n = 0; n < HV_DEV_MAX_QUEUES; n++)
        unmap_queue(b, &b->queue[n]);
    b->queues = 0;
}

static int64_t map_ring(const struct back *b, uint64_t ref, uint32_t rights, void **at)
{
    int64_t result = hv_window_map(b->place.peer, ref, b->ring_pages, b->place.port, rights, at);
    if (result < 0)
        *at = NULL;
    return result;
}

/* Bind to a port that the front end says it has made for us: it is the front end's or no one's, and
 * nobody else is bound to it, or the hypervisor refuses. */
static int64_t bind_port(struct back *b, struct back_queue *q, uint32_t theirs)
{
    int64_t port = hv_event_bind(HV_SELF, HV_BIND_PEER, b->place.peer, theirs, 0);
    if (port < 0)
        return port;
    q->port = (uint32_t)port;
    /* All of them together may not wake the thread more often than twice the first one. */
    (void)hv_event_set_rate(HV_SELF, q->port, HV_RATE_DEFAULT / HV_DEV_MAX_QUEUES,
                            HV_BURST_DEFAULT / HV_DEV_MAX_QUEUES);
    return irq_register(q->port, raised, b);
}

static int64_t map_queue(struct back *b, uint32_t n)
{
    const struct hv_offer *o = &b->device.offer;
    struct back_queue *q = &b->queue[n];
    uint64_t request = n ? o->queue[n - 1].request_ref : o->request_ref;
    uint64_t response = n ? o->queue[n - 1].response_ref : o->response_ref;
    int64_t result = map_ring(b, request, HV_MAP_READ, &q->in);
    if (result == 0)
        result = map_ring(b, response, HV_MAP_READ | HV_MAP_WRITE, &q->out);
    if (result == 0 && n)
        result = bind_port(b, q, o->queue[n - 1].port);
    else
        q->port = b->place.port;
    return result;
}

static int64_t map_queues(struct back *b)
{
    const struct hv_offer *o = &b->device.offer;
    uint32_t count = o->queues < b->ops->queues ? o->queues : b->ops->queues;
    int64_t result = 0;
    b->ring_pages = o->ring_pages;
    for (b->queues = 0; b->queues < count && result == 0; b->queues++)
        result = map_queue(b, b->queues);
    return result;
}

static void disconnect(struct back *b)
{
    if (b->connected) {
        b->ops->disconnect(b);
        unmap_queues(b);
    }
    b->connected = b->running = false;
}

static void connect(struct back *b)
{
    memset(b->config, 0, sizeof(b->config));
    int64_t result = map_queues(b);
    if (result == 0)
        result = b->ops->connect(b);
    if (result < 0) {
        unmap_queues(b);
        (void)hv_back_refuse(&b->device);
    } else {
        b->connected = true;
        (void)hv_back_ack(&b->device, 0, b->config);
    }
    tell(b);
}

/* The ring is broken or a grant is gone, but the device page may still be there: say DEAD, so that
 * the front end may offer again. */
static void give_up(struct back *b)
{
    disconnect(b);
    (void)hv_back_refuse(&b->device);
    tell(b);
}

static void run(struct back *b)
{
    if (!b->running) {
        b->running = true;
        tell(b);
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
        tell(b);
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
        if (let_go(b))
            return true;
        tell(b); /* an offer that cannot be, or a front end that runs with nobody */
        return false;
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
