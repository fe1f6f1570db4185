/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A user program that reaches for the kernel's memory: it must be killed, and nothing else.
 */
#include "user/lib.h"

int main(void)
{
    volatile unsigned long *kernel = (volatile unsigned long *)0xffffffff80000000ul;

    user_puts("user: reading kernel memory\n");
    user_print("user: FAILED: it says ", *kernel, "\n");
    return 1;
}
