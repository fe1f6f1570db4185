/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain with one device, for front ends on the host. Included before the front end's source: the
 * few functions of the library and the hypercalls that it uses are these, and `host_turn` runs in
 * place of the back end whenever the front end waits or yields.
 */
#ifndef HOST_FRONT_H
#define HOST_FRONT_H

#define HVLIB_ARCH_HYPERCALL_H
#define HVLIB_MEMORY_H
#define HVLIB_EVENT_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "host_guard.h"
#include "hvlib/clock.h"
#include "hvlib/device.h"
#include "hvlib/grant.h"
#include "hvlib/ring.h"
#include "hvlib/start.h"

#define HOST_GRANTS 8u

static struct hv_device_page *host_page;   /* the device page */
static uint32_t host_class;                /* of the one device; HV_DEVICE_NONE: there is none */
static const void *host_lent[HOST_GRANTS]; /* reference - 1 -> what is lent, NULL: nothing */
static int64_t host_grant_limit;           /* grants that may still be made */
static uint64_t host_sent;                 /* events */
static uint64_t host_waits;
static uint64_t host_clock;
static void (*host_turn)(void);

static inline void *hv_va(uint64_t gpa)
{
    (void)gpa;
    return host_page;
}

static inline int64_t hv_event_send(uint64_t port)
{
    ck_assert_uint_eq(port, 7);
    host_sent++;
    return 0;
}

/* A front end that waits for something that cannot come any more shows as an endless loop here. */
static inline void hv_wait(void)
{
    ck_assert_uint_lt(host_waits++, 1000);
    host_turn();
}

static inline int64_t hv_yield(void)
{
    host_clock += 1000000;
    host_turn();
    return 0;
}

static inline bool hv_mask(void)
{
    return true;
}

static inline void hv_restore(bool was)
{
    (void)was;
}

uint64_t hv_now(void)
{
    return host_clock;
}

bool hv_start_device(uint32_t device_class, uint32_t index, struct hv_device *device)
{
    *device = (struct hv_device){ .class_ = device_class, .peer = 3, .page = 9, .port = 7 };
    return device_class == host_class && index == 0;
}

int64_t hv_grant_give(uint64_t peer, const void *at, uint64_t pages, uint64_t rights)
{
    (void)pages;
    (void)rights;
    ck_assert_uint_eq(peer, 3);
    ck_assert_uint_eq((uintptr_t)at % HV_PAGE_SIZE, 0);
    for (uint32_t i = 0; i < HOST_GRANTS && host_grant_limit > 0; i++) {
        if (!host_lent[i]) {
            host_grant_limit--;
            host_lent[i] = at;
            return i + 1;
        }
    }
    return -HV_ENOSPC;
}

int64_t hv_grant_take_back(uint64_t ref, const void *at, uint64_t pages)
{
    (void)pages;
    ck_assert_uint_le(ref, HOST_GRANTS);
    ck_assert_ptr_eq(host_lent[ref - 1], at);
    host_lent[ref - 1] = NULL;
    return 0;
}

static inline uint32_t host_lendings(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < HOST_GRANTS; i++)
        count += host_lent[i] != NULL;
    return count;
}

static inline void host_front_start(uint32_t device_class, void (*turn)(void))
{
    host_page = aligned_alloc(HV_PAGE_SIZE, HV_PAGE_SIZE);
    memset(host_page, 0, HV_PAGE_SIZE);
    memset(host_lent, 0, sizeof host_lent);
    host_class = device_class;
    host_grant_limit = HOST_GRANTS;
    host_sent = host_waits = host_clock = 0;
    host_turn = turn;
}

#endif
