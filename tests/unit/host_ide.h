/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine around the IDE model: a disk in memory, completions now or later, faults on demand, and
 * frames that the bus master can reach, with holes between them.
 *
 * It checks what the model promises its host: one access at a time, always in range, the buffer
 * untouched by the guest while the host has it, and a bounded number of copies between two accesses
 * of the guest.
 */
#ifndef HOST_IDE_H
#define HOST_IDE_H

#include "model/ide.h"

#define STORE_SECTORS 2048u
#define FRAMES        256u /* of guest memory, from address 0 on */
#define COPIES_MAX    140u /* 64 regions, each once in two, and the table */

/* Check's own assertions talk to the parent each time: too slow for long loops. */
#define must(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("line %d: %s", __LINE__, #x);                                             \
    } while (0)

struct machine {
    struct ide_model model;
    uint8_t *buffer; /* the model's, of the exact size */
    uint8_t snapshot[IDE_BUFFER_BYTES];
    uint64_t store_first; /* sectors from here on are kept in memory, others read as a pattern */
    uint8_t *store;
    bool later; /* completions wait for machine_complete() */
    bool pending;
    enum ide_op op;
    uint64_t lba;
    uint32_t sectors;
    unsigned fail_in; /* the fail_in-th access from now fails; 0: none */
    bool fail_all;
    bool line;
    bool edge; /* the line rose since this was last cleared */
    unsigned edges;
    uint64_t accesses, flushes, port_accesses;
    uint64_t time;
    uint8_t *frame[FRAMES]; /* NULL: no memory there */
    bool in_memory;         /* the store can be reached without an access */
    bool again;             /* the model asked to be continued */
    unsigned copies, copies_most;
    uint64_t copied;
};

/** Power on with a disk of that size; the last STORE_SECTORS of it can be written. */
void machine_start(struct machine *m, uint64_t sectors, bool read_only);
void machine_stop(struct machine *m);
/** End the access in flight, if any. */
void machine_complete(struct machine *m);
/** Before each access of the guest. */
void machine_access(struct machine *m);
/** End what is in flight, continue what asked for it, until nothing is left to do. */
void machine_settle(struct machine *m);
/** What sector `lba` holds. */
void machine_sector(const struct machine *m, uint64_t lba, uint8_t *out);

#endif
