/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One read of 4 KiB at a time, with a pause before each, so that everybody concerned is asleep when
 * it begins: role `paced`, for who wants to watch a single request on its way. `disk=NAME` says
 * where, `reads=N` how often, `ms=N` how long a pause is.
 */
#include "block.h"
#include "clock.h"
#include "guest.h"
#include "kernel.h"
#include "mem.h"
#include "printk.h"
#include "thread.h"

#define SECTORS 8u

static unsigned role_paced(void)
{
    uint64_t reads = option_number("reads", 20), ms = option_number("ms", 20);
    char name[8] = "vda";
    struct block_device *d;
    char *buffer;
    int error = 0;

    option_text("disk", name, sizeof(name));
    d = block_find(name);
    if (!d || d->sectors <= SECTORS) {
        printk("paced: no disk %s of more than %u sectors\n", name, SECTORS);
        return 1;
    }
    buffer = block_buffer_get(d);
    buffer = buffer ? buffer : page_alloc(1);
    for (uint64_t n = 0; n < reads && buffer && error == 0; n++) {
        thread_sleep_ns(ms * NS_PER_MS);
        error = block_read(d, n * SECTORS % (d->sectors - SECTORS), SECTORS, buffer);
    }
    thread_sleep_ns(ms * NS_PER_MS);
    printk("paced: %lu reads of %s\n", (unsigned long)d->stats.requests, name);
    return buffer && error == 0 ? 0 : 1;
}

ROLE("paced", role_paced);
