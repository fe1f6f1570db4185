/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IDE disk as a block device.
 */
#ifndef PVGUEST_HW_IDE_BLOCK_H
#define PVGUEST_HW_IDE_BLOCK_H

/** Find the disk of the first channel and register it as hda; without an interrupt line for it
 * there is no controller, and nothing is touched. */
void ide_block_probe(void);

#endif
