/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants: lending own pages, mapping others' into windows.
 *
 * A mapped window lies at hv_va(window GFN * 4096). Its memory can go at any instruction: touch it
 * through hvlib/guard.h only, unless the owner is trusted. These functions may be called by several
 * vCPUs at once.
 */
#ifndef HVLIB_GRANT_H
#define HVLIB_GRANT_H

#include "hvlib/cxx.h"
#include <hv_grant.h>
#include <hv_memory.h>

HV_C_BEGIN

/** Lend `pages` pages at `at` (page aligned, own RAM at an hv_va address or in the image) to
 * `peer`. Returns the reference or an error of grant_create. */
int64_t hv_grant_give(uint64_t peer, const void *at, uint64_t pages, uint64_t rights);

/** Have the memory back, whatever the peer does: revoke. `at` and `pages` as they were given. Where
 * a device still writes to it (-HV_EBUSY), the pages are unmapped, revoked and mapped again, and
 * hold a copy from then on. Returns 0 or an error of grant_end. */
int64_t hv_grant_take_back(uint64_t ref, const void *at, uint64_t pages);

/** Take `count` neighbouring window GFNs that nothing uses. Returns the first or -HV_ENOSPC. */
int64_t hv_window_alloc(uint64_t count);
/** Give them back; no grant may be mapped there. */
void hv_window_free(uint64_t gfn, uint64_t count);

/** Map a grant of `pages` pages that `owner` made for this domain: into a window, and at an
 * address, which *at receives. `port` is an own port that is raised when the grant is revoked.
 * Returns 0, -HV_ENOSPC or an error of grant_map (-HV_EINVAL when the grant has another number of
 * pages); nothing is kept then. */
int64_t hv_window_map(uint64_t owner, uint64_t ref, uint64_t pages, uint32_t port, uint32_t rights,
                      void **at);
/** Undo it, also after a revoke. Returns 0 or an error of grant_unmap (-HV_EBUSY: a device
 * still uses it). */
int64_t hv_window_unmap(void *at, uint64_t pages);

HV_C_END

#endif
