/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c: core's entry, once the architecture has brought the machine up.
 */
#include "boot.h"
#include "machine.h"
#include "printk.h"

_Noreturn void hyp_main(const struct boot_info *boot)
{
    for (uint32_t i = 0; i < boot->module_count; i++) {
        const struct boot_module *m = &boot->modules[i];

        printk("module %u: %lu bytes, \"%s\"", i, m->end - m->start, m->string);
    }
    printk("no root domain in this build; switching off");
    machine_shutdown(0);
}
