/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest image's main program: finds the devices and plays the role that `role=` names on the
 * command line. Besides the two of the demonstration there are the simple ones that system tests
 * need: idle, loop, fault, exit (with `code=`), user, scratch, reconnect, hostile.
 */
#include "guest.h"

#include "clock.h"
#include "front/front.h"
#include "hw/ide_block.h"
#include "hw/uart.h"
#include "irq.h"
#include "kernel.h"
#include "kstring.h"
#include "printk.h"
#include "thread.h"

static unsigned role_idle(void)
{
    uint64_t seconds = option_number("seconds", UINT64_MAX);

    printk("idle\n");
    while (seconds-- > 0) {
        thread_sleep_ns(NS_PER_S);
    }
    return 0;
}

/* With interrupts off: it hears nothing, and only the hypervisor's clock gets the CPU back. */
_Noreturn static unsigned role_loop(void)
{
    volatile uint64_t count = 0;

    printk("loop\n");
    (void)irq_save();
    for (;;) {
        count = count + 1;
    }
}

static unsigned role_fault(void)
{
    volatile uint64_t *nowhere = (volatile uint64_t *)option_number("address", 0x1000);

    printk("fault\n");
    return (unsigned)*nowhere;
}

static unsigned role_exit(void)
{
    printk("exit\n");
    return (unsigned)option_number("code", 0) & 15;
}

static unsigned role_user(void)
{
    return user_programs() ? 0 : 1;
}

static unsigned role_scratch(void)
{
    return scratch_test() ? 0 : 1;
}

/* Where there is a UART besides the console, a line goes there; without a console all output. */
static void use_uart(void)
{
    static const char line[] = "this line went through the UART's ports\n";
    char name[8] = "";

    if (!uart_probe()) {
        return;
    }
    if (option_text("console", name, sizeof(name)) && strcmp(name, "uart") == 0) {
        uart_console();
    } else {
        uart_write(line, sizeof(line) - 1);
    }
}

static const struct role {
    const char *name;
    unsigned (*run)(void);
} roles[] = {
    { "diskbench", role_diskbench }, { "counter", role_counter }, { "idle", role_idle },
    { "loop", role_loop },           { "fault", role_fault },     { "exit", role_exit },
    { "user", role_user },           { "scratch", role_scratch }, { "reconnect", role_reconnect },
    { "selftest", role_selftest },   { "hostile", role_hostile }, { "blockbench", role_blockbench },
};

unsigned image_main(void)
{
    char name[16] = "";

    front_console_probe();
    front_block_probe();
    ide_block_probe();
    use_uart();
    (void)option_text("role", name, sizeof(name));
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        if (strcmp(roles[i].name, name) == 0) {
            return roles[i].run();
        }
    }
    printk("no such role: '%s'\n", name);
    return 1;
}
