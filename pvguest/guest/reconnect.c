/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the whole disk while the connection to the back end is torn down and made again every few
 * milliseconds (`ms=`): the digest must be that of the disk all the same, since every request that
 * was not answered is sent again.
 */
#include "clock.h"
#include "front/front.h"
#include "guest.h"
#include "kernel.h"
#include "printk.h"
#include "reader.h"

static struct timer timer;
static uint64_t period;
static uint64_t restarts;

static void restart(void *arg)
{
    restarts += front_block_restart("vda");
    timer_set(&timer, clock_ns() + period, restart, arg);
}

unsigned role_reconnect(void)
{
    struct block_device *d = block_find("vda");
    char hex[SHA256_HEX_BYTES];
    int error;

    if (!d) {
        printk("reconnect: no disk vda\n");
        return 1;
    }
    period = option_number("ms", 5) * NS_PER_MS;
    timer_set(&timer, clock_ns() + period, restart, NULL);
    error = disk_digest(d, "reconnect", hex);
    timer_cancel(&timer);
    if (error < 0) {
        printk("reconnect: read error %d\n", error);
        return 1;
    }
    printk("RESULT pass=reconnect sha256=%s bytes=%lu restarts=%lu\n", hex,
           (unsigned long)d->sectors * BLOCK_SECTOR, (unsigned long)restarts);
    return 0;
}
