/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start of the kernel and its command line. Owns nothing: it calls the parts in the order in which
 * they need each other, and ends with the image's own main program.
 */
#include "kernel.h"

#include "arch/cpu.h"
#include "cpu.h"
#include "printk.h"
#include "thread.h"

void kernel_main(void)
{
    arch_init();
    thread_init();
    arch_start();
    cpus_start();
    shutdown(image_main());
}

bool option_text(const char *name, char *out, size_t size)
{
    return arch_option(name, out, size);
}

uint64_t option_number(const char *name, uint64_t otherwise)
{
    char text[24];
    uint64_t value = 0;

    if (!arch_option(name, text, sizeof(text)) || text[0] == '\0') {
        return otherwise;
    }
    for (const char *s = text; *s != '\0'; s++) {
        if (*s < '0' || *s > '9') {
            return otherwise;
        }
        value = value * 10 + (uint64_t)(*s - '0');
    }
    return value;
}
