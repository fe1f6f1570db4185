/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Root without a machine, for a back end on the host, and the memory that a front end lends it.
 * Included before the back end's sources. `host_lend` makes a grant; a window is the lent memory
 * itself. Nothing runs by itself: whatever waits lets `host_waiting` bring about what it waits for.
 */
#ifndef HOST_PVBACK_H
#define HOST_PVBACK_H

#define HVLIB_ARCH_HYPERCALL_H
#define HVLIB_EVENT_H

#include <check.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "host_guard.h"
#include "host_pv.h"
#include "hv_event.h"
#include "hvlib/device.h"
#include "hvlib/grant.h"
#include "hvlib/ring.h"
#include "irq.h"
#include "mem.h"
#include "thread.h"

/* Check's own assertions talk to the parent each time: too slow for long loops. */
#define must(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("line %d: %s", __LINE__, #x);                                             \
    } while (0)

#define HOST_PEER   7u
#define HOST_PORT   5u
#define HOST_QUEUES 7u
#define HOST_GRANTS 40u

static struct {
    void *at;
    uint64_t pages;
    uint64_t rights;
    bool mapped;
} host_grant[HOST_GRANTS];
static unsigned host_grants;  /* the reference of a grant is its place + 1 */
static uint64_t host_windows; /* pages mapped */
static uint64_t host_sends;
static bool host_bound[HOST_QUEUES + 1], host_registered[HOST_QUEUES + 1]; /* [0]: HOST_PORT */
static unsigned host_objects;                                              /* of kmalloc */
static unsigned host_map_limit; /* windows that may still be mapped */
static thread_fn host_thread;
static void *host_thread_arg;
static struct timer *host_later; /* armed */
static void (*host_waiting)(void);
static void (*host_unmapping)(const void *at, uint64_t pages);

static inline uint64_t host_lend(void *at, uint64_t pages, uint64_t rights)
{
    must(host_grants < HOST_GRANTS);
    host_grant[host_grants].at = at;
    host_grant[host_grants].pages = pages;
    host_grant[host_grants].rights = rights;
    host_grant[host_grants].mapped = false;
    return ++host_grants;
}

/* All references are old ones from here on; what is mapped stays so. */
static inline void host_forget(void)
{
    for (unsigned n = 0; n < host_grants; n++)
        must(!host_grant[n].mapped);
    host_grants = 0;
}

int64_t hv_window_map(uint64_t owner, uint64_t ref, uint64_t pages, uint32_t port, uint32_t rights,
                      void **at)
{
    must(owner == HOST_PEER);
    must(port == HOST_PORT);
    if (host_map_limit == 0)
        return -HV_ENOSPC;
    if (ref == 0 || ref > host_grants || host_grant[ref - 1].pages != pages)
        return -HV_EINVAL;
    if (rights & ~host_grant[ref - 1].rights)
        return -HV_EPERM;
    if (host_grant[ref - 1].mapped)
        return -HV_EBUSY;
    host_map_limit--;
    host_windows += pages;
    host_grant[ref - 1].mapped = true;
    *at = host_grant[ref - 1].at;
    return 0;
}

int64_t hv_window_unmap(void *at, uint64_t pages)
{
    unsigned n = 0;

    while (n < host_grants && (host_grant[n].at != at || !host_grant[n].mapped))
        n++;
    must(n < host_grants);
    must(host_grant[n].pages == pages);
    if (host_unmapping)
        host_unmapping(at, pages);
    host_grant[n].mapped = false;
    host_windows -= pages;
    return 0;
}

/* The front end has made ports 1 to HOST_QUEUES for further queues; bound to one, ours is that much
 * above HOST_PORT. */
static inline int64_t hv_event_bind(uint64_t dom, uint64_t kind, uint64_t peer, uint64_t theirs,
                                    uint64_t gpa)
{
    must(dom == HV_SELF && kind == HV_BIND_PEER && peer == HOST_PEER && gpa == 0);
    if (theirs == 0 || theirs > HOST_QUEUES || host_bound[theirs])
        return -HV_EINVAL;
    host_bound[theirs] = true;
    return HOST_PORT + (int64_t)theirs;
}

static inline bool host_port(uint64_t port)
{
    return port == HOST_PORT || (port - HOST_PORT <= HOST_QUEUES && host_bound[port - HOST_PORT]);
}

static inline int64_t hv_event_set_rate(uint64_t dom, uint64_t port, uint64_t rate, uint64_t burst)
{
    must(dom == HV_SELF && host_port(port) && rate > 0 && burst > 0);
    return 0;
}

static inline int64_t hv_event_send(uint64_t port)
{
    must(host_port(port));
    host_sends++;
    return 0;
}

static inline int64_t hv_event_close(uint64_t dom, uint64_t port)
{
    must(dom == HV_SELF && host_port(port) && !host_registered[port - HOST_PORT]);
    host_bound[port - HOST_PORT] = false;
    return 0;
}

int irq_register(uint64_t line, irq_fn fn, void *arg)
{
    (void)fn;
    (void)arg;
    must(host_port(line) && !host_registered[line - HOST_PORT]);
    host_registered[line - HOST_PORT] = true;
    return 0;
}

void irq_unregister(uint64_t line)
{
    must(host_port(line) && host_registered[line - HOST_PORT]);
    host_registered[line - HOST_PORT] = false;
}

void *kmalloc(size_t bytes)
{
    host_objects++;
    return calloc(1, bytes);
}

void kfree(void *p)
{
    host_objects--;
    free(p);
}

struct thread *thread_create(const char *name, thread_fn fn, void *arg)
{
    (void)name;
    host_thread = fn;
    host_thread_arg = arg;
    return NULL;
}

void thread_yield(void)
{
}

static jmp_buf host_exit;

_Noreturn void thread_exit(void)
{
    longjmp(host_exit, 1);
}

/* The thread that was created runs to its end. */
static inline void host_thread_ends(void)
{
    if (setjmp(host_exit) == 0)
        host_thread(host_thread_arg);
}

void wait_block(struct wait_queue *q)
{
    (void)q;
    ck_assert_msg(host_waiting != NULL, "it waits for what cannot come");
    host_waiting();
}

void wait_wake_all(struct wait_queue *q)
{
    (void)q;
}

uint64_t clock_ns(void)
{
    return host_now;
}

void timer_set(struct timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg)
{
    t->deadline = deadline;
    t->fn = fn;
    t->arg = arg;
    host_later = t;
}

void timer_cancel(struct timer *t)
{
    if (host_later == t)
        host_later = NULL;
}

/* Time passes; a timer that is due runs. */
static inline void host_pass(uint64_t ns)
{
    struct timer *t = host_later;

    host_now += ns;
    if (t && t->deadline <= host_now) {
        host_later = NULL;
        t->fn(t->arg);
    }
}

static inline void host_back_start(void)
{
    host_grants = 0;
    host_windows = host_sends = 0;
    host_map_limit = UINT32_MAX;
    host_later = NULL;
    host_waiting = NULL;
    host_unmapping = NULL;
    host_guard_gone = false;
    host_guard_peer = NULL;
    host_guard_turn = UINT64_MAX;
    host_now = 1000;
}

#endif
