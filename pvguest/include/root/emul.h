/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emulated devices of one domain: an IDE disk with its PCI function, a 16550, at their usual ports.
 */
#ifndef ROOT_EMUL_H
#define ROOT_EMUL_H

#include "block.h"

#include <stdint.h>

struct emul;

struct emul_stats {
    uint64_t accesses; /* requests served */
    uint64_t bytes;    /* moved by string instructions */
    uint64_t mastered; /* copied by bus mastering, tables included */
};

/** What a domain gets. */
struct emul_setup {
    uint64_t domain;
    const char *name;
    struct block_device *disk; /* NULL: no IDE disk */
    bool writable;
    bool uart;
    uint32_t disk_irq; /* own ports of the interrupt lines */
    uint32_t uart_irq;
};

/** Route the ports and start to serve them; NULL after a message. */
struct emul *emul_open(const struct emul_setup *setup);
/** Stop serving a domain that does not run any more; waits for disk requests under way. */
void emul_close(struct emul *e);
/** Free what emul_close left: the pages that the hypervisor writes to until the domain is gone. */
void emul_free(struct emul *e);
struct emul_stats emul_stats(const struct emul *e);

#endif
