/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports that are bound to interrupts. The port's table is locked.
 */
#pragma once

#include "event.h"

/* A new port becomes that of line `gsi`, or of the device, whose message is told; -HV_E…: it does
 * not exist, is not the domain's, is taken, or there is no vector left. */
int line_connect(struct domain *d, struct port *p, uint64_t gsi, uint64_t flags);
int message_connect(struct domain *d, struct port *p, uint64_t device, struct hv_msi *msi);
/* It has a vector: nothing comes by it any more. */
void interrupt_disconnect(struct domain *d, struct port *p);
