/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Grants: objects that hyp owns; the owner lends frames to a named peer, which maps them into
 * windows.
 */
#ifndef GRANT_H
#define GRANT_H

#include "hv_grant.h"
#include "types.h"

struct domain;

int grant_init_domain(struct domain *d);
bool grant_destroy_step(struct domain *d); /* revokes all grants of d; true while work is left */
bool grant_windows_destroy_step(struct domain *d); /* releases all windows of d */

int64_t grant_create(struct domain *d, uint64_t peer, gfn_t g, uint64_t count, uint64_t rights);
int grant_end(struct domain *d, uint64_t ref, bool force);
int grant_map(struct domain *d, const struct hv_grant_map *m);
int grant_unmap(struct domain *d, gfn_t window);
int grant_copy(struct domain *d, const struct hv_grant_copy *c);

#endif
