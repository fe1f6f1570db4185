/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver for the first disk of an IDE channel, by programmed I/O. It knows a controller's ports and
 * nothing of who answers behind them.
 *
 * The functions do one request and return when it is over; the caller lets one in at a time. While
 * the disk works they wait in `wait_irq`.
 */
#ifndef HW_IDE_H
#define HW_IDE_H

#include <stdbool.h>
#include <stdint.h>

#define IDE_SECTOR_BYTES 512u
#define IDE_BLOCK_MAX    16u /**< sectors of a READ/WRITE MULTIPLE block, if the disk can */

/** Results below zero. After each of them but ERANGE the channel has been reset. */
#define IDE_ENODEV   (-1) /**< no disk, or none that this driver can use */
#define IDE_EIO      (-2) /**< the disk reported an error */
#define IDE_ETIMEOUT (-3) /**< the disk did not answer in time */
#define IDE_ERANGE   (-4) /**< beyond the end of the disk */

/** How the driver reaches the controller and the kernel around it. */
struct ide_bus {
    void *ctx;
    uint16_t command; /**< first port of the command block */
    uint16_t control; /**< the control port */
    uint8_t (*in8)(void *ctx, uint16_t port);
    void (*out8)(void *ctx, uint16_t port, uint8_t value);
    void (*ins16)(void *ctx, uint16_t port, void *buffer, uint32_t words);
    void (*outs16)(void *ctx, uint16_t port, const void *buffer, uint32_t words);
    /**
     * Wait for an interrupt of the channel until `deadline`; false when that came first. One that
     * came before the call counts. Waking for nothing is harmless.
     */
    bool (*wait_irq)(void *ctx, uint64_t deadline);
    /** Nanoseconds since some start. */
    uint64_t (*now)(void *ctx);
};

struct ide_stats {
    uint64_t commands;
    uint64_t blocks;     /**< DRQ blocks moved */
    uint64_t interrupts; /**< waits that an interrupt ended */
    uint64_t timeouts;
    uint64_t errors;
};

struct ide_disk {
    const struct ide_bus *bus;
    uint64_t sectors;
    uint32_t block; /**< sectors a DRQ block: 1, or what SET MULTIPLE took */
    bool lba48;
    char model[41];
    uint8_t last_status; /**< as the last error left them */
    uint8_t last_error;
    struct ide_stats stats;
};

/** Reset the channel, find the disk and set it up. Returns 0 or an error. `bus` must stay. */
int ide_probe(struct ide_disk *d, const struct ide_bus *bus);

/** Move `count` sectors, any number; `buffer` may lie anywhere. Return 0 or an error. */
int ide_read(struct ide_disk *d, uint64_t sector, uint32_t count, void *buffer);
int ide_write(struct ide_disk *d, uint64_t sector, uint32_t count, const void *buffer);
/** What was written is on the disk when this returns 0. */
int ide_flush(struct ide_disk *d);

#endif
