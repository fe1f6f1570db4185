/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smallest guest: prints a line and shuts down. The library does the rest.
 */
#include "hvlib/arch/hypercall.h"
#include "hvlib/console.h"
#include "hvlib/start.h"

uint32_t guest_main(void)
{
    hv_printf("hello from domain %lu, ABI version %ld.%ld, at TSC %lu\n", hv_start_domain_id(),
              hv_version() >> 16, hv_version() & 0xffff, hv_tsc());
    return 0;
}
