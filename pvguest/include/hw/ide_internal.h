/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the two halves of the IDE driver share: registers, status bits, the start of a command.
 */
#ifndef HW_IDE_INTERNAL_H
#define HW_IDE_INTERNAL_H

#include "hw/ide.h"

enum { DATA, ERROR, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE, COMMAND };
#define FEATURES ERROR
#define STATUS   COMMAND

#define STATUS_ERR  0x01u
#define STATUS_DRQ  0x08u
#define STATUS_DF   0x20u
#define STATUS_DRDY 0x40u
#define STATUS_BSY  0x80u

#define IDE_SECOND  ((uint64_t)1000000000)
#define IDE_TIMEOUT (10 * IDE_SECOND)

/** Read a register of the command block. */
uint8_t ide_get(struct ide_disk *d, unsigned reg);
/** Start a transfer of 1..IDE_COMMAND_MAX sectors, by the command for 28 or for 48-bit addresses.
 */
int ide_start(struct ide_disk *d, uint8_t narrow, uint8_t wide, uint64_t lba, uint32_t count);
/** Does the status, already read, end the command in an error, or lack the data phase due now? */
int ide_check_status(struct ide_disk *d, uint8_t wanted);

/* ide_dma.c */

/** The controller's state is unknown: stop it and tell it where the table is. */
void ide_dma_reset(struct ide_disk *d);
/** One command whose data the controller moves. Returns 0, an error, or IDE_EREACH: nothing was
 * done, because it does not reach the buffer. */
int ide_dma_command(struct ide_disk *d, bool write, uint64_t lba, uint32_t count,
                    const void *buffer);
#define IDE_EREACH (-5)

#endif
