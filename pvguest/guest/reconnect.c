/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the whole disk while what connects the driver to its device is torn down and made again
 * every few milliseconds (`ms=` at first, then more): the digest must be that of the disk all the
 * same, since every request that was not answered is sent again.
 */
#include "clock.h"
#include "guest.h"
#include "kernel.h"
#include "printk.h"
#include "reader.h"

static struct block_device *disk;
static struct timer timer;
static uint64_t period;
static uint64_t restarts;

static void restart(void *arg)
{
    restarts += disk->ops->restart(disk);
    /* More time each time: on a slow machine a request may take longer than the first ones have. */
    period += period / 8;
    timer_set(&timer, clock_ns() + period, restart, arg);
}

static unsigned role_reconnect(void)
{
    char hex[SHA256_HEX_BYTES];
    int error;

    disk = block_find("vda");
    if (!disk || !disk->ops->restart) {
        printk("reconnect: no disk vda that can\n");
        return 1;
    }
    period = option_number("ms", 5) * NS_PER_MS;
    timer_set(&timer, clock_ns() + period, restart, NULL);
    do { /* a quick machine may be done before the second time */
        error = disk_digest(disk, "reconnect", hex);
    } while (error >= 0 && restarts < 2);
    timer_cancel(&timer);
    if (error < 0) {
        printk("reconnect: read error %d\n", error);
        return 1;
    }
    printk("RESULT pass=reconnect sha256=%s bytes=%lu restarts=%lu\n", hex,
           (unsigned long)disk->sectors * BLOCK_SECTOR, (unsigned long)restarts);
    return 0;
}

ROLE("reconnect", role_reconnect);
