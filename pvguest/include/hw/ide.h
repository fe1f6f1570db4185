/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Driver for the first disk of an IDE channel, by programmed I/O and, where the controller can, by
 * bus mastering. It knows a controller's ports and nothing of who answers behind them.
 *
 * The functions do one request and return when it is over; the caller lets one in at a time. While
 * the disk works they wait in `wait_irq`.
 */
#ifndef HW_IDE_H
#define HW_IDE_H

#include <stdbool.h>
#include <stdint.h>

#define IDE_SECTOR_BYTES 512u
#define IDE_BLOCK_MAX    16u  /**< sectors of a READ/WRITE MULTIPLE block, if the disk can */
#define IDE_COMMAND_MAX  256u /**< sectors of a command: 128 KiB */

/* A transfer by bus mastering touches so many pages at most, each an entry of the table at worst.
 */
#define IDE_DMA_PAGES (IDE_COMMAND_MAX * IDE_SECTOR_BYTES / 4096u + 1u)

/** Results below zero. After each of them but ERANGE the channel has been reset. */
#define IDE_ENODEV   (-1) /**< no disk, or none that this driver can use */
#define IDE_EIO      (-2) /**< the disk reported an error */
#define IDE_ETIMEOUT (-3) /**< the disk did not answer in time */
#define IDE_ERANGE   (-4) /**< beyond the end of the disk */

/** Who moves the data: the processor, or the controller where it can. */
enum ide_way { IDE_PIO, IDE_DMA };

/** A physical region: an entry of the table that the bus master walks. Little endian. */
struct ide_region {
    uint32_t address; /**< even */
    uint16_t bytes;   /**< even; 0 stands for 64 KiB. No region crosses a multiple of 64 KiB */
    uint16_t flags;   /**< bit 15: the last one */
};

/** The bus-master half of a controller. */
struct ide_dma_bus {
    uint16_t port;            /**< first port of the channel's registers */
    struct ide_region *table; /**< IDE_DMA_PAGES entries, in one page */
    uint32_t table_address;   /**< as the controller sees it */
};

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
    /** NULL: the controller cannot, and what follows is not asked. */
    const struct ide_dma_bus *master;
    void (*out32)(void *ctx, uint16_t port, uint32_t value);
    /** Let the device reach `pages` pages from the page of `p` on; the address of each. 0 or an
     * error. And the end of it. */
    int (*map)(void *ctx, const void *p, uint32_t pages, uint64_t *addresses);
    void (*unmap)(void *ctx, const uint64_t *addresses, uint32_t pages);
};

struct ide_stats {
    uint64_t commands;
    uint64_t accesses;   /**< of ports; a string instruction is one */
    uint64_t blocks;     /**< DRQ blocks moved */
    uint64_t transfers;  /**< commands whose data the controller moved */
    uint64_t interrupts; /**< waits that an interrupt ended */
    uint64_t timeouts;
    uint64_t errors;
};

struct ide_disk {
    const struct ide_bus *bus;
    uint64_t sectors;
    uint32_t block; /**< sectors a DRQ block: 1, or what SET MULTIPLE took */
    bool lba48;
    bool dma;  /**< disk and controller can, and it was not given up */
    bool idle; /**< the last status said so, and no command came after it */
    char model[41];
    uint8_t dma_mode;    /**< multiword: 0..2 */
    uint8_t dma_kept;    /**< bits of the bus-master status that are not ours */
    uint8_t dma_faults;  /**< requests that failed by DMA and then not by PIO */
    uint8_t last_status; /**< as the last error left them */
    uint8_t last_error;
    struct ide_stats stats;
};

/** Reset the channel, find the disk and set it up. Returns 0 or an error. `bus` must stay. */
int ide_probe(struct ide_disk *d, const struct ide_bus *bus);

/** Move `count` sectors, any number; `buffer` may lie anywhere. What cannot go by DMA, or fails by
 * it, goes by PIO. Return 0 or an error. */
int ide_read(struct ide_disk *d, enum ide_way way, uint64_t sector, uint32_t count, void *buffer);
int ide_write(struct ide_disk *d, enum ide_way way, uint64_t sector, uint32_t count,
              const void *buffer);
/** What was written is on the disk when this returns 0. */
int ide_flush(struct ide_disk *d);

#endif
