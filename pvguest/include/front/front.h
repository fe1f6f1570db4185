/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Front ends: what the device list names is found and made known.
 */
#ifndef PVGUEST_FRONT_H
#define PVGUEST_FRONT_H

#include <stdbool.h>

/** Make the console of the device list the kernel's console, if there is one. */
void front_console_probe(void);
/** Register the disks of the device list as vda, vdb, … and wait until they answer. */
void front_block_probe(void);
/** Leave the back end of a disk of this driver and connect anew, as if it had died: what is under
 * way is sent again. Returns false when there is no such disk. Interrupts off. */
bool front_block_restart(const char *name);

#endif
