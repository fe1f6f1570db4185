/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants: one domain's frames lent to a named peer.
 */
#ifndef HV_GRANT_H
#define HV_GRANT_H

#include "hv_call.h"

/** A grant reference: slot in the low 24 bits, generation of that slot in the high 40. 0 is never a
 * valid one. */
#define HV_GRANT_SLOT_BITS 24u
#define HV_MAX_GRANTS      4096u
#define HV_MAX_GRANT_PAGES 512u
#define HV_MAX_GRANT_BATCH 64u

/** One entry of grant_map: the whole grant appears at window GFNs from `window` on, and these at
 * addresses from `address` on. */
struct hv_grant_map {
    uint64_t owner;  /**< IN domain that made the grant */
    uint64_t ref;    /**< IN its reference */
    uint64_t window; /**< IN first window GFN (HV_GFN_WINDOW + n), all of them free */
    uint32_t port; /**< IN a port of the mapper, raised when the grant is revoked or its owner dies,
                        also just behind the grant_unmap of a window that is being revoked */
    uint16_t rights;  /**< IN HV_MAP_READ, or with HV_MAP_WRITE when the grant allows it */
    uint16_t count;   /**< IN pages; as many as the grant has */
    uint64_t address; /**< IN where to map them in space 0, in place of what is there; 0: nowhere */
};
HV_STATIC_ASSERT(sizeof(struct hv_grant_map) == 40, "layout");

/** Flags of hv_grant_copy. */
#define HV_GRANT_COPY_TO_PEER                                                                      \
    1u /**< from own memory into the grant (needs write); else from the grant into own memory */

/** One entry of grant_copy: at most a page, neither side crosses one. */
struct hv_grant_copy {
    uint64_t owner;  /**< IN domain that made the grant */
    uint64_t ref;    /**< IN its reference; the caller must be its peer */
    uint64_t offset; /**< IN byte offset in the grant */
    uint64_t gpa;    /**< IN own memory */
    uint32_t bytes;  /**< IN 1..4096 */
    uint32_t flags;  /**< IN HV_GRANT_COPY_… */
};
HV_STATIC_ASSERT(sizeof(struct hv_grant_copy) == 40, "layout");

#endif
