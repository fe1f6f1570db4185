/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the whole disk, then writes and reads back on the scratch disk, while the connections to
 * the back end are torn down and made again every few milliseconds (`ms=`): the digest must be that
 * of the disk and the written data what was written all the same, since every request that was not
 * answered is sent again.
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
    restarts += front_block_restart("vdb");
    timer_set(&timer, clock_ns() + period, restart, arg);
}

unsigned role_reconnect(void)
{
    struct block_device *d = block_find("vda");
    char hex[SHA256_HEX_BYTES];
    bool written;
    int error;

    if (!d) {
        printk("reconnect: no disk vda\n");
        return 1;
    }
    period = option_number("ms", 5) * NS_PER_MS;
    timer_set(&timer, clock_ns() + period, restart, NULL);
    error = disk_digest(d, "reconnect", hex);
    written = scratch_test();
    timer_cancel(&timer);
    if (error < 0) {
        printk("reconnect: read error %d\n", error);
        return 1;
    }
    printk("RESULT pass=reconnect sha256=%s bytes=%lu restarts=%lu\n", hex,
           (unsigned long)d->sectors * BLOCK_SECTOR, (unsigned long)restarts);
    return written ? 0 : 1;
}
