/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start of the kernel, and what each image (driver domain or guest) adds to it.
 */
#ifndef PVGUEST_KERNEL_H
#define PVGUEST_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Called by the architecture on the boot stack, interrupts off. */
_Noreturn void kernel_main(void);

/** The image's own main program: runs as the first thread with everything up; its return value is
 * the reason of the shutdown that follows. */
unsigned image_main(void);
/** CPUs that the image uses when `cpus=` does not say how many. */
extern const unsigned image_cpus;

/** Value of `name=` on the command line, copied to `out` (cut to size); false when not given. */
bool option_text(const char *name, char *out, size_t size);
/** The same as a number, or `otherwise`. */
uint64_t option_number(const char *name, uint64_t otherwise);

#endif
