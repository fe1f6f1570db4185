/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Front ends: what the device list names is found and made known.
 */
#ifndef PVGUEST_FRONT_H
#define PVGUEST_FRONT_H

/** Make the console of the device list the kernel's console, if there is one. */
void front_console_probe(void);
/** Register the disks of the device list as vda, vdb, … and wait until they answer. */
void front_block_probe(void);

#endif
