/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest image's main program: lets every driver of the link look for its devices and plays the
 * role that `role=` names on the command line. The simple ones that system tests need are here:
 * idle, loop, fault, exit (with `code=`), user, scratch.
 */
#include "guest.h"

#include "clock.h"
#include "cpu.h"
#include "driver.h"
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

/* With interrupts off: it hears nothing, and only who is beneath it can take the CPU back. */
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

static unsigned dive(volatile unsigned *deep)
{
    volatile unsigned here = *deep + 1;

    return here ? dive(&here) + here : 0;
}

/* Its stack runs over what lies below it, until it meets what cannot be written. The fault's own
 * entry needs that stack, too. */
static unsigned role_overflow(void)
{
    volatile unsigned start = 0;

    printk("overflow\n");
    return dive(&start);
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

ROLE("idle", role_idle);
ROLE("loop", role_loop);
ROLE("fault", role_fault);
ROLE("overflow", role_overflow);
ROLE("exit", role_exit);
ROLE("user", role_user);
ROLE("scratch", role_scratch);

static void probe_drivers(void)
{
    for (unsigned stage = 0; stage < DRIVER_STAGES; stage++) {
        for (const struct driver *d = __start_drivers; d != __stop_drivers; d++) {
            if (d->stage == stage) {
                d->probe();
            }
        }
    }
}

/* All that it was given. */
const unsigned image_cpus = MAX_CPUS;

unsigned image_main(void)
{
    char name[16] = "";

    probe_drivers();
    (void)option_text("role", name, sizeof(name));
    for (const struct role *r = __start_roles; r != __stop_roles; r++) {
        if (strcmp(r->name, name) == 0) {
            return r->run();
        }
    }
    printk("no such role: '%s'\n", name);
    return 1;
}
