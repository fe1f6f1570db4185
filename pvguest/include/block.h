/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block devices. Requests are asynchronous: block_submit() queues, block_kick() tells the driver
 * that a batch is complete, and the request's `done` is called once, from an interrupt handler or
 * from block_kick itself. Sectors are 512 bytes.
 *
 * Buffers from block_buffer_get() live where the device can reach them: no copy is made. Any other
 * buffer works too, at the price of a copy that the driver makes and counts.
 */
#ifndef PVGUEST_BLOCK_H
#define PVGUEST_BLOCK_H

#include "thread.h"

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_SECTOR      512u
#define BLOCK_MAX_SECTORS 128u /**< of one request: 64 KiB */
#define BLOCK_MAX_BYTES   (BLOCK_SECTOR * BLOCK_MAX_SECTORS)

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

/** Status of a finished request: 0, or one of these. */
#define BLOCK_EIO    (-1) /**< the device failed */
#define BLOCK_EINVAL (-2) /**< malformed, or beyond the end */
#define BLOCK_EROFS  (-3) /**< a write to a read-only disk */
#define BLOCK_EGONE  (-4) /**< the device is gone for good */

struct block_device;

struct block_request {
    enum block_op op;
    uint32_t count;  /**< sectors, 1..BLOCK_MAX_SECTORS; 0 for flush */
    uint64_t sector; /**< first */
    void *buffer;
    void (*done)(struct block_request *r);
    void *arg; /**< the submitter's */
    int status;
    /* the block layer's and the driver's */
    bool finished;
    uint32_t tag;
    struct block_device *device;
    struct block_request *next;
};

struct block_ops {
    /** Take a checked request; called with interrupts off; never blocks, may queue. */
    void (*submit)(struct block_device *d, struct block_request *r);
    /** A batch is complete: tell the device. Interrupts off. */
    void (*kick)(struct block_device *d);
    /** A buffer of BLOCK_MAX_BYTES that needs no copy, or NULL. Interrupts off. */
    void *(*buffer_get)(struct block_device *d);
    void (*buffer_put)(struct block_device *d, void *buffer);
    /** Optional: make `pages` pages of somebody's memory, mapped at `p`, into buffers that need no
     * copy (0 or a negative error), and undo it once no request uses them. From threads. */
    int (*region_map)(struct block_device *d, void *p, uint32_t pages);
    void (*region_unmap)(struct block_device *d, void *p);
    /** Optional: where the sectors, which are in range, lie in kernel memory, for as long as the
     * device is there. Who reads or writes them there has made a request. */
    void *(*memory)(struct block_device *d, uint64_t sector, uint32_t count);
    /** Optional: drop what connects the driver to its device and begin anew; what is under way is
     * sent again. False: not now. Interrupts off. */
    bool (*restart)(struct block_device *d);
};

struct block_stats {
    uint64_t requests;
    uint64_t bytes;
    uint64_t flushes;
    uint64_t errors;
    uint64_t copied;   /**< bytes the driver copied */
    uint64_t accesses; /**< the driver's port accesses for requests */
};

struct block_device {
    char name[8];
    const char *way;   /**< how it is reached: in lines for programs */
    const char *title; /**< and in tables for people */
    uint64_t sectors;
    bool read_only;
    unsigned depth; /**< requests that are of use at once */
    const struct block_ops *ops;
    void *driver;
    struct block_stats stats;
    struct block_device *next;
    struct wait_queue waiters; /**< of the sync helpers */
};

/** Make a device known under its name. */
void block_register(struct block_device *d);
struct block_device *block_find(const char *name);
struct block_device *block_first(void);

void block_submit(struct block_device *d, struct block_request *r);
void block_kick(struct block_device *d);
/** Drivers call this once for each request, with interrupts off. */
void block_finish(struct block_request *r, int status);

void *block_buffer_get(struct block_device *d);
void block_buffer_put(struct block_device *d, void *buffer);

/** Do a transfer of any length and wait: its status. A long one is split, and as many parts go at
 * once as are of use to the device. */
int block_read(struct block_device *d, uint64_t sector, uint32_t count, void *buffer);
int block_write(struct block_device *d, uint64_t sector, uint32_t count, const void *buffer);
int block_flush(struct block_device *d);

#endif
