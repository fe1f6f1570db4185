/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block device protocol on the rings of hv_ring.h. Sectors are 512 bytes.
 */
#ifndef HV_BLOCK_H
#define HV_BLOCK_H

#include "hv_ring.h"

/** Bytes of a sector; bounds of one request and of all that are under way. */
#define HV_BLOCK_SECTOR       512u
#define HV_BLOCK_MAX_SECTORS  128u /**< of one request: 64 KiB */
#define HV_BLOCK_MAX_INFLIGHT 32u

/** Pages of all data regions of a disk together: what so many requests can have a use for. An offer
 * of more is refused, for a back end's windows are for all its front ends. */
#define HV_BLOCK_MAX_REGION_PAGES 512u

/** Operations. */
#define HV_BLOCK_READ  0u
#define HV_BLOCK_WRITE 1u
#define HV_BLOCK_FLUSH 2u

/** hv_device_page.back.config of a block device. HV_BLOCK_MAX_INFLIGHT is of all queues together.
 */
#define HV_BLOCK_CONFIG_SECTORS 0u /**< size of the disk */
#define HV_BLOCK_CONFIG_FLAGS   1u /**< HV_BLOCK_RO */
#define HV_BLOCK_CONFIG_QUEUES  2u /**< queues 0..n-1 are served, at most those offered; 0 is 1 */
#define HV_BLOCK_RO             ((uint64_t)1 << 0)

/** A request: sectors [sector, sector + count) from or to bytes at `offset` of data region
 * `region`. */
struct hv_block_request {
    uint64_t id; /**< the front end's, echoed */
    uint64_t sector;
    uint64_t offset; /**< bytes in the region, a multiple of 512 */
    uint32_t count;  /**< sectors, 1..HV_BLOCK_MAX_SECTORS; 0 for flush */
    uint16_t region;
    uint8_t op; /**< HV_BLOCK_… */
    uint8_t rsvd;
};
HV_STATIC_ASSERT(sizeof(struct hv_block_request) == 32, "layout");

/** Status of a response. */
#define HV_BLOCK_OK     0u
#define HV_BLOCK_EIO    1u /**< the device failed */
#define HV_BLOCK_EINVAL 2u /**< malformed request, or beyond the end */
#define HV_BLOCK_EROFS  3u /**< write to a read-only disk */

/** The answer to a request. */
struct hv_block_response {
    uint64_t id;
    uint32_t status;
    uint32_t rsvd;
};
HV_STATIC_ASSERT(sizeof(struct hv_block_response) == 16, "layout");

#endif
