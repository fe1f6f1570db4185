/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the IDE model share: register bits and the steps from one phase to the next.
 */
#ifndef MODEL_IDE_INTERNAL_H
#define MODEL_IDE_INTERNAL_H

#include "model/ide.h"

#define STATUS_ERR   0x01u
#define STATUS_DRQ   0x08u
#define STATUS_DSC   0x10u
#define STATUS_DRDY  0x40u
#define STATUS_BSY   0x80u
#define STATUS_READY (STATUS_DRDY | STATUS_DSC)

#define ERROR_ABRT 0x04u
#define ERROR_IDNF 0x10u
#define ERROR_UNC  0x40u

#define CONTROL_NIEN 0x02u
#define CONTROL_SRST 0x04u
#define CONTROL_HOB  0x80u

#define DEVICE_SECOND 0x10u /* the disk that is not there */
#define DEVICE_LBA    0x40u

/* ide.c: phases */

/** The command is over; `error` 0 means success. Raises the interrupt. */
void ide_finish(struct ide_model *m, uint8_t error);
/** One sector that is already in the buffer is ready to be read. */
void ide_offer_sector(struct ide_model *m);
/** Fetch the next block from the disk, or ask the guest for it. */
void ide_begin_read(struct ide_model *m);
void ide_begin_write(struct ide_model *m);
void ide_begin_flush(struct ide_model *m);
/** Hand an access to the host, which may complete it at once: nothing may follow a call of this. */
void ide_submit(struct ide_model *m, enum ide_op op, uint32_t sectors);
/** Registers as after a reset or a diagnostic. */
void ide_set_signature(struct ide_model *m);

/* ide_master.c */

/** Move the current command's data by the bus master. */
void ide_begin_dma(struct ide_model *m, enum ide_op op);
/** The access that a DMA command made has succeeded. */
void ide_dma_completed(struct ide_model *m);
/** The disk has raised its line. */
void ide_master_interrupt(struct ide_model *m);
/** Power on. */
void ide_master_init(struct ide_model *m);

/* ide_command.c */

/** Execute what was written to the command register. */
void ide_command(struct ide_model *m, uint8_t command);
/** Show sector `lba` in the address registers, as the current command addresses. */
void ide_show_address(struct ide_model *m, uint64_t lba);

/* ide_identify.c */

/** Choose the translation that a disk of this size has after power on. */
void ide_default_geometry(struct ide_model *m);
/** Write the IDENTIFY DEVICE data into the first sector of the buffer. */
void ide_fill_identify(struct ide_model *m);

#endif
