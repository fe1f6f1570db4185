/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user program that tries the UART's ports: it must be killed before it gets there, also where
 * its kernel's accesses to them are emulated.
 */
#include "user/lib.h"

int main(void)
{
    user_puts("user: writing to a port\n");
    user_out8(0x3f8, '!');
    user_puts("user: FAILED: the port took it\n");
    return 1;
}
