/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks that root itself makes: boot modules as disks, and disks with a planted fault for tests.
 */
#ifndef ROOT_DISK_H
#define ROOT_DISK_H

#include "block.h"

/** Boot modules called "ramdisk" become rd0, rd1, ...; returns how many. */
unsigned ramdisk_probe(void);

/** A device that is `under` but for one flipped bit in what is read from `sector`; NULL without
 * memory. Reads of other sectors, writes and flushes go through as they are. */
struct block_device *faulty_disk(struct block_device *under, uint64_t sector);

#endif
