/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The digest of a whole disk.
 */
#ifndef PVGUEST_READER_H
#define PVGUEST_READER_H

#include "block.h"
#include "sha256.h"

/** Read all of `d`, showing progress under `name`. Returns 0 or the first error. One at a time. */
int disk_digest(struct block_device *d, const char *name, char hex[SHA256_HEX_BYTES]);

#endif
