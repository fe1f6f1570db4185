/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds root, the first domain, out of what the boot loader brought.
 */
#pragma once

#include "boot.h"

/* Leaves root runnable. Without an image that can be loaded it says why and ends the machine. */
void root_build(const struct boot_info *boot);
