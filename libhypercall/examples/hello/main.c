/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smallest guest: opens its console if it has one, prints a line and shuts down.
 */
#include <hvlib/arch/hypercall.h>
#include <hvlib/console.h>
#include <hvlib/consolefront.h>
#include <hvlib/start.h>

uint32_t guest_main(void)
{
    hv_console_open();
    hv_printf("hello from domain %lu, ABI version %ld.%ld, at TSC %lu\n", hv_start_domain_id(),
              hv_version() >> 16, hv_version() & 0xffff, hv_tsc());
    return 0;
}
