/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Routed ports: trap and emulate by a device model in another domain. Removable: without it port
 * instructions are #GP.
 */
#pragma once

#include "types.h"

/* For all but io_trap memory_lock is held. */
int io_route(struct domain *d, struct domain *model, uint64_t first, uint64_t count, uint64_t port,
             gfn_t gfn);
/* d as guest and d as model: pending vCPUs read all ones and go on. */
void io_destroy_routes(struct domain *d);
/* `d` has ended: who waits for it as a model reads all ones, now and from now on. */
void io_model_gone(struct domain *d);
/* A #GP of v's kernel: true when it was a routed port access and v now waits (or has been
 * answered). */
bool io_trap(struct vcpu *v);
int io_complete(struct domain *caller, struct domain *d, uint64_t vcpu, uint64_t value, gpa_t data);
