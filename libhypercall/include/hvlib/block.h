/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks: the front end of a block device in the device list.
 *
 *     static struct hv_block disk;
 *     static HV_ALIGNED(4096) char data[65536];
 *
 *     if (hv_block_open(&disk, 0, data, sizeof data / HV_PAGE_SIZE) < 0) …
 *     hv_block_read(&disk, 0, data, 128);            // and wait for it
 *
 * or, with up to 32 requests under way at once:
 *
 *     tag = hv_block_submit(&disk, HV_BLOCK_READ, sector, data, 128);
 *     hv_block_kick(&disk);                          // once for all that were submitted
 *     while (hv_block_collect(&disk, &done) == 0) hv_block_wait(&disk);
 *
 * Data lie in one region of the guest's own RAM that stays lent to the back end for as long as the
 * disk is open: the device reads and writes it without a copy. So the back end can change it at any
 * time: what is checked must be copied out first.
 *
 * The back end is not believed. What it says about a request that is not under way, or twice, ends
 * the connection: every function returns -HV_EDEAD from then on. Only that the data are right, and
 * that an answer comes at all, is in its hands.
 *
 * Upcalls must be masked, as they are in guest_main; not for use in handlers.
 */
#ifndef HVLIB_BLOCK_H
#define HVLIB_BLOCK_H

#include "hvlib/cxx.h"
#include "hvlib/device.h"
#include "hvlib/ring.h"
#include <hv_block.h>
#include <hv_start.h>

HV_C_BEGIN

/** A disk. It holds the two rings, so it must be an object in the image or in mapped RAM. */
struct hv_block {
    HV_ALIGNED(HV_PAGE_SIZE) char request_page[HV_PAGE_SIZE];
    char response_page[HV_PAGE_SIZE];
    struct hv_device record;
    struct hv_front front;
    struct hv_ring ring;
    char *region;
    uint64_t region_bytes;
    uint64_t request_ref, response_ref, region_ref;
    uint64_t sectors;   /**< size of the disk */
    uint32_t under_way; /**< bit n: the request with tag n has no answer yet */
    bool read_only;
    bool open;
};

/** An answer. */
struct hv_block_done {
    uint32_t tag;    /**< what hv_block_submit returned */
    uint32_t status; /**< HV_BLOCK_OK, HV_BLOCK_EIO, … */
};

/**
 * Connect to block device `index` of the device list and wait until it answers. `region` is page
 * aligned, `region_pages` 1..HV_BLOCK_MAX_REGION_PAGES. Returns 0; -HV_EINVAL: no such disk, or a
 * region that cannot be; -HV_EDEAD: the back end refused; or an error of grant_create.
 */
int64_t hv_block_open(struct hv_block *b, uint32_t index, void *region, uint32_t region_pages);

/** Leave the back end and take all memory back: nothing of it is written any more when this
 * returns, whatever was under way. Returns 0 or an error of grant_end. */
int64_t hv_block_close(struct hv_block *b);

/**
 * Put a request on the ring: sectors [sector, sector + count) from or to `data`, at a multiple of
 * 512 bytes in the region; `count` 1..HV_BLOCK_MAX_SECTORS, 0 for HV_BLOCK_FLUSH. The back end sees
 * it with the next hv_block_kick or hv_block_wait. Returns the request's tag (0..31); -HV_EAGAIN:
 * 32 are under way; -HV_EINVAL: not in the region or beyond the end of the disk; -HV_EDEAD.
 */
int64_t hv_block_submit(struct hv_block *b, uint32_t op, uint64_t sector, void *data,
                        uint32_t count);

/** Let the back end see what was submitted. Returns 0 or -HV_EDEAD. */
int64_t hv_block_kick(struct hv_block *b);

/** Take the next answer. Returns 1, 0 when there is none yet, or -HV_EDEAD. */
int64_t hv_block_collect(struct hv_block *b, struct hv_block_done *done);

/** Kick, and wait until there is an answer. Returns 0 (at once when nothing is under way) or
 * -HV_EDEAD. */
int64_t hv_block_wait(struct hv_block *b);

/**
 * Do a whole transfer of any number of sectors, in requests of 64 KiB, and wait for all of it.
 * Nothing else may be under way. Returns 0; the status (> 0) of the first request that failed; or
 * an error of hv_block_submit.
 */
int64_t hv_block_transfer(struct hv_block *b, uint32_t op, uint64_t sector, void *data,
                          uint64_t count);

/** Read sectors into the region, and wait. Result of hv_block_transfer. */
static inline int64_t hv_block_read(struct hv_block *b, uint64_t sector, void *data, uint64_t count)
{
    return hv_block_transfer(b, HV_BLOCK_READ, sector, data, count);
}

/** Write sectors from the region, and wait. Result of hv_block_transfer. */
static inline int64_t hv_block_write(struct hv_block *b, uint64_t sector, void *data,
                                     uint64_t count)
{
    return hv_block_transfer(b, HV_BLOCK_WRITE, sector, data, count);
}

/** Have everything written before on the medium. Result of hv_block_transfer. */
static inline int64_t hv_block_flush(struct hv_block *b)
{
    return hv_block_transfer(b, HV_BLOCK_FLUSH, 0, 0, 0);
}

HV_C_END

#endif
