/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console back end. Owns, for each front end, what was typed and did not fit into its ring yet.
 * Output goes to the terminal's multiplexer, which decides what of it a terminal may see.
 *
 * A guest that writes without end is slowed down by its own ring: output is taken out of it at a
 * bounded rate, with room for bursts, and no event is asked for until more may be taken. A slot has
 * its price whatever is in it, so that empty ones are no way to keep root busy. A guest that does
 * not read loses what is typed at it, not root's memory.
 */
#include "back/back.h"
#include "back/conback.h"
#include "clock.h"
#include "irq.h"
#include "kstring.h"
#include "mem.h"
#include "root/consmux.h"

#include <hv_console.h>

#define SLOTS 32u  /* of output, printed at once */
#define TYPED 256u /* bytes of input that wait at most */

#define BURST    ((uint64_t)65536)                   /* bytes of output at once */
#define NS_BYTE  (NS_PER_S / 65536)                  /* one more byte each */
#define PRICE    8u                                  /* of a slot, in bytes, beside its text */
#define LATER_NS (SLOTS * HV_CONSOLE_TEXT * NS_BYTE) /* until a look is worth while */

HV_RING_DEFINE(console_ring, HV_RING_STREAM, struct hv_console_slot, struct hv_console_slot);

struct console_back {
    struct back back; /* first: the ops get it and mean this */
    struct mux_source *source;
    char typed[TYPED];
    unsigned head; /* free-running */
    unsigned tail;
    uint64_t full_at; /* when the burst is whole again; the later, the more was printed */
    struct timer later;
};

static struct console_back *of(struct back *b)
{
    return (struct console_back *)b;
}

static int64_t console_connect(struct back *b)
{
    uint32_t pages = b->device.offer.ring_pages;
    return console_ring_init(&b->queue[0].ring, b->queue[0].out, pages, b->queue[0].in, pages);
}

static void console_disconnect(struct back *b)
{
    (void)b;
}

static int64_t send_typed(struct console_back *c)
{
    uint64_t flags = irq_save();
    int64_t result = 0;
    while (c->head != c->tail && result == 0) {
        struct hv_console_slot slot = { .bytes = 0 };
        while (slot.bytes < HV_CONSOLE_TEXT && c->tail + slot.bytes != c->head) {
            slot.text[slot.bytes] = c->typed[(c->tail + slot.bytes) % TYPED];
            slot.bytes++;
        }
        result = console_ring_put(&c->back.queue[0].ring, &slot);
        if (result == 0)
            c->tail += slot.bytes;
    }
    irq_restore(flags);
    if (result == -HV_EAGAIN)
        result = 0;
    return result < 0 ? result : back_push(&c->back, &c->back.queue[0]);
}

/* Print up to SLOTS slots. 1: there may be more. */
static int64_t print(struct console_back *c)
{
    static char text[SLOTS * HV_CONSOLE_TEXT];
    struct hv_console_slot slot;
    uint64_t now = clock_ns();
    size_t used = 0;
    uint64_t cost = 0;
    int64_t got = 1;
    for (unsigned n = 0; n < SLOTS && got == 1; n++) {
        got = console_ring_get(&c->back.queue[0].ring, &slot);
        cost += PRICE;
        if (got == 1 && slot.bytes <= HV_CONSOLE_TEXT) {
            memcpy(text + used, slot.text, slot.bytes);
            used += slot.bytes;
        }
    }
    if (c->source)
        mux_write(c->source, text, used);
    c->full_at = (c->full_at > now ? c->full_at : now) + (used + cost) * NS_BYTE;
    return got;
}

static void wake_later(void *arg)
{
    back_wake(arg);
}

/* Has it printed more than a burst beyond its rate? Then it is looked at again later. */
static bool too_much(struct console_back *c)
{
    uint64_t now = clock_ns();
    if (c->full_at <= now + BURST * NS_BYTE)
        return false;
    timer_set(&c->later, now + LATER_NS, wake_later, &c->back);
    return true;
}

static int64_t console_serve(struct back *b)
{
    struct console_back *c = of(b);
    int64_t result = send_typed(c);
    if (result < 0 || too_much(c))
        return result < 0 ? result : 0;
    result = print(c);
    if (result == 1) {
        /* The writer may be waiting for room. */
        result = hv_ring_consumed(&b->queue[0].ring);
        return result < 0 ? result : 1;
    }
    return result < 0 ? result : hv_ring_sleep(&b->queue[0].ring);
}

static const struct back_ops ops = {
    .queues = 1,
    .connect = console_connect,
    .serve = console_serve,
    .disconnect = console_disconnect,
};

void console_back_type(struct console_back *c, const char *text, size_t bytes)
{
    uint64_t flags = irq_save();
    for (size_t i = 0; i < bytes && c->head - c->tail < TYPED; i++)
        c->typed[c->head++ % TYPED] = text[i];
    back_wake(&c->back);
    irq_restore(flags);
}

static void mux_typed(void *arg, const char *text, size_t bytes)
{
    console_back_type(arg, text, bytes);
}

struct console_back *console_back_open(const struct back_place *place, const char *name)
{
    struct console_back *c = kmalloc(sizeof(*c));
    if (!c)
        return NULL;
    /* Without a free place on the terminal the domain runs unseen. */
    c->source = mux_open(name, mux_typed, c);
    if (back_open(&c->back, &ops, place, "conback") < 0) {
        if (c->source)
            mux_close(c->source);
        kfree(c);
        return NULL;
    }
    return c;
}

void console_back_close(struct console_back *c)
{
    console_back_drain(c);
    back_close(&c->back);
    timer_cancel(&c->later);
    if (c->source)
        mux_close(c->source);
    kfree(c);
}

/* The thread never stops in the middle of serve(), so another thread may call it as well. */
void console_back_drain(struct console_back *c)
{
    for (int n = 0; n < 16 && c->back.running; n++)
        if (console_serve(&c->back) != 1)
            return;
}

void console_back_focus(struct console_back *c)
{
    if (c->source)
        mux_focus(c->source);
}
