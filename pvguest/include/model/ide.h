/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Model of a primary IDE channel with one disk: what a guest finds behind routed ports.
 *
 * An ATA-6 disk: LBA28, LBA48 and CHS, READ/WRITE SECTORS and MULTIPLE (up to 16 sectors a block),
 * READ/WRITE DMA by a bus master (64 KiB in one go), FLUSH CACHE, soft reset; no ATAPI, no second
 * disk. The interrupt line follows the standard: one edge for each DRQ block that the device has
 * made ready and one at the end.
 *
 * The model owns registers and a buffer of 64 KiB, which its host supplies. A disk access is
 * handed to the host's `submit`; ide_model_complete() ends it, from inside `submit` or at any time
 * later. Until then the buffer is the host's: the guest sees BSY and cannot reach it, a soft reset
 * included, which waits for the completion.
 *
 * The accesses come from a hostile guest: any sequence, size and count is served within the buffers
 * given, and what a DMA command takes longer than a bounded piece is done in pieces, each when the
 * host calls ide_model_continue(). Not reentrant but for ide_model_complete() inside `submit`; the
 * other callbacks may not call back.
 */
#ifndef MODEL_IDE_H
#define MODEL_IDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IDE_SECTOR       512u
#define IDE_MULTIPLE_MAX 16u
#define IDE_CHUNK        128u /**< sectors of a disk access at most */
#define IDE_BUFFER_BYTES (IDE_SECTOR * IDE_CHUNK)

/** Offsets that the access functions take: the command block, then the control register. */
#define IDE_DATA    0u
#define IDE_CONTROL 8u

enum ide_op { IDE_OP_READ, IDE_OP_WRITE, IDE_OP_FLUSH };

struct ide_host {
    void *ctx;
    /** The interrupt line changed to `level`. */
    void (*irq)(void *ctx, bool level);
    /**
     * Start a disk access: `sectors` (1..IDE_CHUNK, in range; 0 for a flush) from `lba`,
     * to or from `buffer`. One at a time. A flush also ends every write to a disk whose write cache
     * the guest has turned off.
     */
    void (*submit)(void *ctx, enum ide_op op, uint64_t lba, uint32_t sectors, void *buffer);
    /** Where `sectors` sectors (in range) from `lba` on lie in memory, to be read and written there
     * until the next call; NULL when they do not. */
    void *(*memory)(void *ctx, uint64_t lba, uint32_t sectors);
    /** Copy `bytes` (1..64 KiB) between `buffer` and the guest's memory at physical address `at`;
     * how many could be, from the first on. The address is the guest's to choose. */
    size_t (*copy)(void *ctx, uint64_t at, void *buffer, size_t bytes, bool to_guest);
    /** Call ide_model_continue() soon. */
    void (*again)(void *ctx);
};

enum ide_phase {
    IDE_IDLE,
    IDE_DISK,     /* the host has the buffer */
    IDE_DATA_IN,  /* DRQ: the guest reads the buffer */
    IDE_DATA_OUT, /* DRQ: the guest fills the buffer */
    IDE_DMA_DATA, /* the bus master moves a chunk, or is waited for */
    IDE_RESET,    /* SRST is set, or a disk access outlasts it */
};

/** A register with the value it had before: LBA48 commands take both. */
struct ide_register {
    uint8_t now;
    uint8_t before;
};

/** The bus master of the channel: its registers, and where it stands in the region table. */
struct ide_master {
    uint8_t command, status;
    bool enabled; /* by the function's configuration */
    uint32_t table;
    uint32_t next, room; /* address of the entry to read next, bytes of the table from there on */
    uint64_t entry[16];  /* read ahead: */
    uint32_t fetched, taken; /* so many, so many of them used */
    uint32_t at, left;       /* the rest of the region it is in */
    bool last;               /* that is the last one */
};

struct ide_model {
    struct ide_host host;
    uint64_t sectors; /* of the disk */
    bool read_only;
    uint8_t *buffer;

    struct ide_register features, count, lba[3];
    uint8_t device, control, status, error;
    uint16_t cylinders; /* the translation in force for CHS addresses */
    uint8_t heads, track;
    uint8_t multiple; /* sectors of a MULTIPLE block, 0: not set */
    uint8_t dma_mode; /* multiword, chosen by the guest */
    bool write_cache;
    bool irq_pending, irq_level;

    enum ide_phase phase;
    bool in_flight;       /* submitted and not completed */
    enum ide_op op;       /* of the access in flight, or of the data phase */
    bool wide;            /* the command addresses by 48 bits */
    uint64_t next;        /* first sector of the current block */
    uint32_t left;        /* sectors to go, the current block included */
    uint32_t block_limit; /* sectors of a block at most */
    uint32_t block;       /* sectors of the current block */
    uint32_t offset;      /* bytes of the current block that were transferred */

    /* A DMA command: its blocks are chunks. */
    struct ide_master master;
    bool dma;       /* the command in execution is one */
    bool in_memory; /* the chunk is the disk's own memory, no buffer in between */
    bool loaded;    /* the chunk's data are there, or come from the guest */
    bool has_run;   /* the bus master did its piece of work for this access */
    uint8_t *chunk;
};

/**
 * Power on with a disk of `sectors` sectors. `buffer` has IDE_BUFFER_BYTES and is aligned to 4096,
 * so that a page of it can be handed on without a copy.
 */
void ide_model_init(struct ide_model *m, const struct ide_host *host, uint64_t sectors,
                    bool read_only, void *buffer);

/** The offset of port 0x1f0..0x1f7 or 0x3f6, or -1 for any other. */
int ide_model_offset(uint16_t port);

/** The guest makes an access, of whatever kind: called before the function that carries it out. */
void ide_model_access(struct ide_model *m);

/** An IN of `size` (1, 2 or 4) bytes at `offset`. What does not answer reads as ones. */
uint32_t ide_model_in(struct ide_model *m, uint16_t offset, unsigned size);
/** An OUT; what does not answer is ignored. */
void ide_model_out(struct ide_model *m, uint16_t offset, unsigned size, uint32_t value);
/** A whole REP INS: `count` elements of `size` bytes into `buffer`. */
void ide_model_ins(struct ide_model *m, uint16_t offset, unsigned size, void *buffer,
                   uint32_t count);
/** A whole REP OUTS. */
void ide_model_outs(struct ide_model *m, uint16_t offset, unsigned size, const void *buffer,
                    uint32_t count);

/**
 * A REP INS without a copy: the bytes that ide_model_ins() would deliver, where they lie in the
 * buffer, if they do so within one page; else NULL, and ide_model_ins() must be used. They stay as
 * they are until ide_model_ins_done() takes them off, once they have been delivered.
 */
const void *ide_model_ins_window(const struct ide_model *m, uint16_t offset, unsigned size,
                                 uint32_t count);
void ide_model_ins_done(struct ide_model *m, unsigned size, uint32_t count);

/** The channel's bus-master registers, 8 ports. */
uint32_t ide_master_in(const struct ide_model *m, uint16_t offset, unsigned size);
void ide_master_out(struct ide_model *m, uint16_t offset, unsigned size, uint32_t value);
/** May it reach memory? Not at power on. */
void ide_master_enable(struct ide_model *m, bool enabled);
/** The next piece of a DMA command; called for each `again`, and harmless at any other time. */
void ide_model_continue(struct ide_model *m);

/** The access in flight has ended: `status` 0, or negative when it failed. */
void ide_model_complete(struct ide_model *m, int status);

#endif
