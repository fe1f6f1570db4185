/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one way to guest memory: bounded copies between a local of ours and a guest physical buffer
 * of a domain, through the P2M and the direct map. One fetch: what was copied in is not read again.
 * Never a guest virtual address.
 */
#ifndef GUESTMEM_H
#define GUESTMEM_H

#include "types.h"

struct domain;

/* 0, or -HV_EFAULT: not RAM or window, crosses a page, revoked, or (out) read-only. bytes 0..4096.
 */
int guest_copy_in(struct domain *d, void *dst, gpa_t src, size_t bytes);
int guest_copy_out(struct domain *d, gpa_t dst, const void *src, size_t bytes);
/* For long outputs and inputs inside one page: its address in the direct map, valid until the call
 * returns to the guest. */
void *guest_page(struct domain *d, gpa_t at, size_t bytes, bool write);

#endif
