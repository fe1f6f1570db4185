/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a domain holds of the machine: ports, MMIO frames, interrupt lines, devices and their DMA
 * pins.
 */
#ifndef RESOURCE_H
#define RESOURCE_H

#include "hv_memory.h"
#include "types.h"

struct domain;

int resource_init_domain(struct domain *d);
void resource_give_all(struct domain *root); /* root holds everything that may be held */
int resource_assign(struct domain *from, struct domain *to, uint64_t kind, uint64_t a, uint64_t b);
bool resource_holds_mmio(const struct domain *d, uint64_t mfn);
bool resource_holds_irq(const struct domain *d, uint64_t gsi);
bool resource_holds_device(const struct domain *d, uint64_t device);
void resource_destroy(struct domain *d);

int64_t dma_map(struct domain *d, uint64_t device, gfn_t g, uint64_t count, struct hv_dma_run *runs,
                uint64_t max);
int64_t dma_unmap(struct domain *d, uint64_t device, uint64_t address, uint64_t count);
/* True while work is left: frees the quarantined frames that a dead domain's devices held. */
bool dma_reset_step(struct domain *d);

#endif
