/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs the user programs that are part of the image: one that must succeed and those that must
 * be killed without harm to anything else. None may reach a port, whoever answers the kernel there.
 */
#include "guest.h"
#include "printk.h"
#include "process.h"

#define KILLED (128 + 11)

extern const char user_demo_start[], user_demo_end[];
extern const char user_stray_start[], user_stray_end[];
extern const char user_ports_start[], user_ports_end[];

static bool run(const char *name, const char *start, const char *end, int expected)
{
    struct process_result r = { 0 };
    struct measure m = measure_now();

    if (process_run(name, start, (size_t)(end - start), &r) < 0) {
        printk("user program %s could not be started\n", name);
        return false;
    }
    m = measure_since(&m);
    printk("USER %s status=%d syscalls=%lu faults=%lu pages=%lu\n", name, r.status,
           (unsigned long)r.calls, (unsigned long)r.faults, (unsigned long)r.pages);
    return r.status == expected && m.usage.trapped == 0;
}

bool user_programs(void)
{
    bool demo = run("demo", user_demo_start, user_demo_end, 0);
    printk("user: the next two do what they may not, and have to be killed\n");
    bool stray = run("stray", user_stray_start, user_stray_end, KILLED);

    bool ports = run("ports", user_ports_start, user_ports_end, KILLED);

    return demo && stray && ports;
}
