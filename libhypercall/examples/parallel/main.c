/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest of several vCPUs: four of them, or as many as it may have, add up the numbers from 1 to a
 * million, each a part, and tell vCPU 0 by an event.
 */
#include <hvlib/console.h>
#include <hvlib/consolefront.h>
#include <hvlib/event.h>
#include <hvlib/start.h>
#include <hvlib/vcpu.h>

#define WORKERS 4u
#define NUMBERS 1000000u
#define STACK   16384u

static char stacks[WORKERS][STACK] __attribute__((aligned(4096)));
static uint32_t workers;
static uint64_t done_port;

static struct hv_spinlock lock; /* of both below */
static uint64_t sum;
static uint32_t done;

/* What each vCPU does, number 0 too; its part is every n-th number. */
static void add_part(void *arg)
{
    uint64_t part = 0;

    for (uint64_t n = 1 + (uint64_t)arg; n <= NUMBERS; n += workers)
        part += n;
    bool was = hv_lock(&lock);

    sum += part;
    done++;
    hv_unlock(&lock, was);
    hv_event_send(done_port);
}

static bool all_done(void)
{
    bool was = hv_lock(&lock), all = done == workers;

    hv_unlock(&lock, was);
    return all;
}

uint32_t guest_main(void)
{
    hv_console_open();
    workers = hv_vcpu_limit() < WORKERS ? hv_vcpu_limit() : WORKERS;
    int64_t port = hv_event_listen(HV_BIND_IPI, 0, 0, NULL, NULL);

    if (port < 0)
        return 1;
    done_port = (uint64_t)port;
    for (uint32_t n = 1; n < workers; n++) {
        if (hv_vcpu_start(n, add_part, (void *)(uint64_t)n, stacks[n], STACK) < 0)
            return 2;
    }
    add_part(NULL);
    hv_mask();
    while (!all_done())
        hv_wait();
    hv_printf("parallel: 1 + 2 + ... + %u = %lu, by %u vCPUs\n", NUMBERS, sum, workers);
    return 0;
}
