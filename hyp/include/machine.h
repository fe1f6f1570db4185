/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.h: what core may ask of the architecture besides interrupts and clocks.
 */
#pragma once

#include "arch/layout.h"

/** Maps device registers, uncached, for ever; only before hyp_main(). */
void *mmio_map(paddr_t start, uint64_t size);

/** The top-level table with hyp's half (slots 256-503) filled in and all else empty. */
const uint64_t *hyp_root_table(void);

/** The root that shows it: what an idle CPU has loaded. */
extern uint64_t hyp_root;

/** Lets the other CPUs look for guests; they wait idle until then. */
void smp_run(void);

/** Ends the machine in good order; the reason's low 4 bits become the emulator's exit status. */
_Noreturn void machine_shutdown(unsigned int reason);

/** Stops for good after a panic. */
_Noreturn void machine_halt(void);

/** Text of the image's build id, lower-case hexadecimal. */
const char *build_id(void);
