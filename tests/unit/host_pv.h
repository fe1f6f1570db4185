/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a test sees of the host's stand-in for pvguest's architecture.
 */
#ifndef HOST_PV_H
#define HOST_PV_H

#include <stdbool.h>
#include <stdint.h>

#define HOST_PAGES 2048u

extern unsigned char host_ram[];
extern uint64_t host_now;
extern uint64_t host_timer;
extern bool host_irqs_off;

#endif
